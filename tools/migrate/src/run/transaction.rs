//! A script in a transaction: its statements, its row and its trace are committed together.
//!
//! Failpoints: `migrate.begun`, `migrate.executed`, `migrate.recorded`, `migrate.committed`.

use std::time::Instant;

use flotilla::error::Result;
use flotilla::failpoint;

use super::retry::Patience;
use super::{Job, Ran, Runner, execute};
use crate::schema_history as history;
use crate::statements::Statement;

impl Runner<'_> {
    pub(super) async fn in_transaction(&self, job: &Job<'_>, sql: &str, statements: &[Statement]) -> Result<Ran> {
        let mut patience = Patience::new(self.limits.retry_for);
        loop {
            let began = Instant::now();
            match self.watch.over(self.attempt(job, sql, statements, began)).await {
                Ok(()) => {
                    failpoint::hit("migrate.committed");
                    return Ok(Ran { took: began.elapsed(), statements: statements.len(), retries: patience.retries });
                }
                Err(error) => {
                    // Nothing of the script stays; if even this fails, the session is gone, and with it all.
                    let _ = self.database.session.simple("ROLLBACK").await;
                    let pause = patience.next(error, &self.watch.take())?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn attempt(&self, job: &Job<'_>, sql: &str, statements: &[Statement], began: Instant) -> Result<()> {
        let database = self.database;
        database.reset(self.limits.lock_timeout.as_millis()).await?;
        database.session.simple("BEGIN").await?;
        failpoint::hit("migrate.begun");
        self.callbacks(job.events.before).await?;
        for statement in statements {
            self.callbacks(job.events.before_statement).await?;
            execute::statement(&database.session, job.script, sql, statement).await?;
            self.callbacks(job.events.after_statement).await?;
        }
        failpoint::hit("migrate.executed");
        self.callbacks(job.events.after).await?;
        self.record(job, began).await?;
        failpoint::hit("migrate.recorded");
        database.session.simple("COMMIT").await.map(drop)
    }

    /// Row and trace, as the owner even if the script has become somebody else.
    pub(super) async fn record(&self, job: &Job<'_>, began: Instant) -> Result<()> {
        let database = self.database;
        database.take_role().await?;
        history::append(&database.session, &database.table, &Self::row_of(job, began, true)).await?;
        self.trace.leave(self.cx, database, self.trace.detail(database, job)).await
    }
}

//! A script in a transaction: its statements, its row and its trace are committed together.
//!
//! Failpoints: `migrate.begun`, `migrate.executed`, `migrate.recorded`, `migrate.committed`.

use std::time::Instant;

use flotilla::error::Result;
use flotilla::failpoint;

use super::retry::Patience;
use super::trace::Trace;
use super::{Job, Ran, Runner, execute};
use crate::schema_history::{self as history, NewRow};
use crate::statements::Statement;

impl Runner {
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
                    self.database.roll_back().await;
                    let pause = patience.next(error, &self.watch.take())?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn attempt(&self, job: &Job<'_>, sql: &str, statements: &[Statement], began: Instant) -> Result<()> {
        let database = &self.database;
        database.begin(self.limits.lock_timeout).await?;
        failpoint::hit("migrate.begun");
        self.callbacks(job.events.before).await?;
        let around = [job.events.before_statement, job.events.after_statement];
        if around.iter().all(|event| self.set.on(*event).is_empty()) {
            execute::statements(&database.session, job.script, sql, statements).await?;
        } else {
            for statement in statements {
                self.callbacks(job.events.before_statement).await?;
                execute::statement(&database.session, job.script, sql, statement).await?;
                self.callbacks(job.events.after_statement).await?;
            }
        }
        failpoint::hit("migrate.executed");
        self.callbacks(job.events.after).await?;
        let row = Self::row_of(job, began, true);
        let record = self.record_sql(&row);
        let committed = database.commit_after(&[&record], self.limits.lock_timeout).await;
        committed.map_err(|error| history::lost(error, &database.table, &row))
    }

    /// Writes a row and its trace.
    pub(crate) async fn record(&self, row: &NewRow<'_>) -> Result<()> {
        let written = self.database.session.simple(&self.record_sql(row)).await;
        written.map(drop).map_err(|error| history::lost(error, &self.database.table, row))
    }

    /// SQL that writes them, as the owner even if the script has become somebody else.
    fn record_sql(&self, row: &NewRow<'_>) -> String {
        let database = &self.database;
        let role = database.role_sql();
        let append = history::append(&database.table, row);
        let line = Trace::line(&self.cx, database, self.trace.detail(database, row));
        // One message: a script of a few statements takes about as long as its round trips.
        format!("{role}; {append}; {line}")
    }
}

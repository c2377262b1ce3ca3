//! A script that can't be one transaction: statement by statement, and resumable after each.
//!
//! Its row is written before it runs, as failed, which stops Flyway as well; a line of the ledger
//! follows each statement, and the row is turned when all are done. A run that finds such a row reads
//! from the ledger how far it came, looks in the catalogue what the statement after that has left, and
//! goes on from there.
//!
//! Failpoints: `migrate.intended`, `migrate.step_executed`, `migrate.step_recorded`, `migrate.finishing`.

use std::time::{Duration, Instant};

use flotilla::error::{Code, Error, Result};
use flotilla::failpoint;
use flotilla::pg::advisory;
use serde_json::{Value, json};

use super::recover;
use super::retry::Patience;
use super::trace::Trace;
use super::{Job, Ran, Runner, execute};
use crate::schema_history as history;
use crate::statements::{Class, Concurrent, Statement};

/// A script that was begun: its row, and how many of its statements are done.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    /// The row's rank.
    pub(crate) rank: i32,
    /// The row's time, which tells it from an earlier one of the same rank.
    pub(crate) installed_on: String,
    /// How many statements are done.
    pub(crate) done: usize,
}

impl Runner {
    pub(crate) async fn alone(
        &self,
        job: &Job<'_>,
        sql: &str,
        statements: &[Statement],
        begun: Option<Begun>,
    ) -> Result<Ran> {
        let clock = Instant::now();
        let database = &self.database;
        if !database.has_ledger {
            return Err(job.script.at(Error::refused(
                "the script can't run in a transaction, and there is no ledger to resume it from",
            )
            .hint("Set the shard up with `shardctl init`; nothing was touched.")));
        }
        database.reset(self.limits.lock_timeout).await?;
        // The statement after the last that is done may have been begun as well.
        let resumed = begun.is_some();
        let begun = if let Some(begun) = begun {
            begun
        } else {
            for statement in statements {
                let checked = recover::check(&database.session, statement).await;
                checked.map_err(|e| execute::located(e, job.script, statement, sql))?;
            }
            self.intend(job, clock).await?
        };
        let mut retries = 0;
        self.callbacks_apart(job.events.before).await?;
        for (at, statement) in statements.iter().enumerate().skip(begun.done) {
            let again = resumed && at == begun.done;
            self.callbacks_apart(job.events.before_statement).await?;
            retries += self.watch.over(self.step(job, sql, statement, at, &begun, again)).await?;
            self.callbacks_apart(job.events.after_statement).await?;
        }
        self.callbacks_apart(job.events.after).await?;
        failpoint::hit("migrate.finishing");
        let ms = i32::try_from(clock.elapsed().as_millis()).unwrap_or(i32::MAX);
        let (role, done) = (database.role_sql(), history::finish(&database.table, begun.rank, ms));
        let line = Trace::line(&self.cx, database, self.trace.detail(database, &job.row));
        database.session.simple(&format!("BEGIN; {role}; {done}; {line}; COMMIT")).await?;
        failpoint::hit("migrate.committed");
        Ok(Ran { took: clock.elapsed(), statements: statements.len(), retries })
    }

    /// Writes down that the script is about to run.
    async fn intend(&self, job: &Job<'_>, clock: Instant) -> Result<Begun> {
        let database = &self.database;
        let row = Self::row_of(job, clock, false);
        let intended = async {
            let (rank, installed_on) = history::add(&database.session, &database.table, &row).await?;
            let begun = Begun { rank, installed_on, done: 0 };
            Trace::leave(&self.cx, database, self.step_detail(job, &begun, 0)).await?;
            Ok(begun)
        };
        let begun = database.transaction(self.limits.lock_timeout, intended).await?;
        failpoint::hit("migrate.intended");
        Ok(begun)
    }

    fn step_detail(&self, job: &Job<'_>, begun: &Begun, done: usize) -> Value {
        let mut detail = self.trace.detail(&self.database, &job.row);
        detail["rank"] = json!(begun.rank);
        detail["begun_at"] = json!(begun.installed_on);
        detail["statements_done"] = json!(done);
        detail
    }

    /// One statement, tried until it is done or patience ends; how often it was tried again.
    async fn step(
        &self,
        job: &Job<'_>,
        sql: &str,
        statement: &Statement,
        at: usize,
        begun: &Begun,
        mut again: bool,
    ) -> Result<u32> {
        let mut patience = Patience::new(self.limits.retry_for);
        loop {
            match self.try_step(job, sql, statement, at, begun, again).await {
                Ok(()) => return Ok(patience.retries),
                Err(error) => {
                    self.database.roll_back().await;
                    let pause = patience.next(error, &self.watch.take())?;
                    again = true;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn try_step(
        &self,
        job: &Job<'_>,
        sql: &str,
        statement: &Statement,
        at: usize,
        begun: &Begun,
        again: bool,
    ) -> Result<()> {
        let database = &self.database;
        let detail = self.step_detail(job, begun, at + 1);
        database.reset(self.lock_timeout(statement)).await?;
        if again && recover::settle(&database.session, statement).await? {
            tracing::info!("{}:{}: done before it was interrupted", job.script.script, statement.line);
        } else if statement.class.is_transactional() {
            match self.step_in_transaction(job, sql, statement, &detail).await {
                Ok(()) => return Ok(()),
                // It works in transactions of its own, or it can't be in one: at least once, then.
                Err(e) if matches!(e.state(), Some("2D000" | "25001")) => {
                    database.session.simple("ROLLBACK").await?;
                    execute::statement(&database.session, job.script, sql, statement).await?;
                }
                Err(e) => return Err(e),
            }
        } else {
            execute::statement(&database.session, job.script, sql, statement).await?;
            if statement.class == Class::DiscardAll
                && !advisory::try_lock(&database.session, &database.table.lock()).await?
            {
                return Err(Error::new(
                    Code::LockHeld,
                    format!("the lock on {} was lost to another run", database.table),
                )
                .hint("Look at what it does, then run this again."));
            }
        }
        failpoint::hit("migrate.step_executed");
        Trace::leave(&self.cx, database, detail).await?;
        failpoint::hit("migrate.step_recorded");
        Ok(())
    }

    /// A statement that can be in a transaction shares one with its line in the ledger.
    async fn step_in_transaction(&self, job: &Job<'_>, sql: &str, statement: &Statement, detail: &Value) -> Result<()> {
        let session = &self.database.session;
        session.simple("BEGIN").await?;
        execute::statement(session, job.script, sql, statement).await?;
        failpoint::hit("migrate.step_executed");
        Trace::leave(&self.cx, &self.database, detail.clone()).await?;
        session.simple("COMMIT").await?;
        failpoint::hit("migrate.step_recorded");
        Ok(())
    }

    /// What builds or drops an index concurrently waits for others without being in their way, and
    /// would begin anew after a timeout; it may wait as long as patience lasts.
    fn lock_timeout(&self, statement: &Statement) -> Duration {
        match statement.class {
            Class::Concurrent(Concurrent::CreateIndex { .. } | Concurrent::DropIndex(_) | Concurrent::Reindex) => {
                self.limits.retry_for
            }
            _ => self.limits.lock_timeout,
        }
    }
}

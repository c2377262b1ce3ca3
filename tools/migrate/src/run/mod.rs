//! Running scripts: one after another, each whole or not at all, under the history's lock.

pub(crate) mod alone;
pub(crate) mod callbacks;
pub(crate) mod execute;
mod recover;
pub(crate) mod retry;
pub(crate) mod trace;
mod transaction;

use std::sync::Arc;
use std::time::{Duration, Instant};

use flotilla::Context;
use flotilla::error::{Error, Result};
use flotilla::watch::Watch;

use crate::database::Database;
use crate::schema_history::NewRow;
use crate::statements::{self, Class, Statement};
use flotilla::migrations::schema_history::RowType;
use flotilla::migrations::scripts::{Event, Script, Set};

use self::alone::Begun;
use self::trace::Trace;

/// How scripts are run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a statement may wait for a lock, and others behind it.
    pub(crate) lock_timeout: Duration,
    /// For how long a script that met a lock is tried again.
    pub(crate) retry_for: Duration,
}

/// What is to be run, and what the history is to say of it.
#[derive(Clone, Debug)]
pub(crate) struct Job<'a> {
    /// The script.
    pub(crate) script: &'a Script,
    /// The row's version, description, kind, script and checksum.
    pub(crate) row: NewRow<'a>,
    /// Which callbacks go with it.
    pub(crate) events: Events,
}

/// The events around one script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events {
    pub(crate) before: Event,
    pub(crate) before_statement: Event,
    pub(crate) after_statement: Event,
    pub(crate) statement_error: Event,
    pub(crate) after: Event,
    pub(crate) error: Event,
}

impl Events {
    /// Of a migration.
    pub(crate) const MIGRATE: Self = Self {
        before: Event::BeforeEachMigrate,
        before_statement: Event::BeforeEachMigrateStatement,
        after_statement: Event::AfterEachMigrateStatement,
        statement_error: Event::AfterEachMigrateStatementError,
        after: Event::AfterEachMigrate,
        error: Event::AfterEachMigrateError,
    };
    /// Of an undo.
    pub(crate) const UNDO: Self = Self {
        before: Event::BeforeEachUndo,
        before_statement: Event::BeforeEachUndoStatement,
        after_statement: Event::AfterEachUndoStatement,
        statement_error: Event::AfterEachUndoStatementError,
        after: Event::AfterEachUndo,
        error: Event::AfterEachUndoError,
    };
}

/// What running a script came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    /// How long its last try took.
    pub(crate) took: Duration,
    /// How many statements it has.
    pub(crate) statements: usize,
    /// How often it was tried again because of a lock.
    pub(crate) retries: u32,
}

/// Everything that running on one database needs.
pub(crate) struct Runner {
    pub(crate) cx: Context,
    pub(crate) database: Database,
    pub(crate) set: Arc<Set>,
    pub(crate) limits: Limits,
    pub(crate) trace: Trace,
    pub(crate) watch: Watch,
}

impl Runner {
    /// Does work, and cancels what it has the server do when the run is to stop.
    pub(crate) async fn guarded<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.cx.guarded(self.database.session.canceller(), work).await
    }

    /// Ends the session, and with it the lock.
    pub(crate) async fn close(self) {
        self.database.close().await;
    }

    /// Runs one script and records it; one that was begun before goes on where it stopped.
    pub(crate) async fn run(&self, job: &Job<'_>, begun: Option<Begun>) -> Result<Ran> {
        let sql = job.script.sql(&self.database.placeholders)?;
        let statements = statements::split(&sql);
        let result = if in_transaction(job.script, &sql, &statements)? {
            self.in_transaction(job, &sql, &statements).await
        } else {
            self.alone(job, &sql, &statements, begun).await
        };
        if result.is_err() {
            for event in [job.events.statement_error, job.events.error] {
                self.callbacks_apart(event).await.unwrap_or_else(|e| tracing::warn!("{}", e.message()));
            }
        }
        result
    }

    /// The row of a script that took this long.
    pub(crate) fn row_of<'j>(job: &Job<'j>, began: Instant, success: bool) -> NewRow<'j> {
        let ms = i32::try_from(began.elapsed().as_millis()).unwrap_or(i32::MAX);
        let execution_time_ms = if job.row.kind == RowType::Delete { job.row.execution_time_ms } else { ms };
        NewRow { execution_time_ms, success, ..job.row.clone() }
    }
}

/// Whether a script runs in one transaction: as its options say, else as its statements must.
pub(crate) fn in_transaction(script: &Script, sql: &str, statements: &[Statement]) -> Result<bool> {
    let alone = statements.iter().find(|statement| !statement.class.is_transactional());
    let refusal = |statement: &Statement, message: &str, hint: &str| {
        Err(script
            .at(Error::refused(format!("{}: {message}: {}", statement.line, statement.excerpt(sql, 60))).hint(hint)))
    };
    match (script.options.in_transaction, alone) {
        (Some(false), _) => Ok(false),
        (Some(true), Some(statement)) => refusal(
            statement,
            "can't run in a transaction, but the script's .conf says executeInTransaction=true",
            "Take the line out of the .conf file.",
        ),
        (_, None) => match statements.iter().find(|statement| statement.class == Class::EndsTransaction) {
            None => Ok(true),
            Some(statement) => refusal(
                statement,
                "ends the transaction that the history's row is written in",
                "Take it out: a script is one transaction by itself. Or say executeInTransaction=false in its .conf.",
            ),
        },
        (None, Some(statement)) => match statements.iter().find(|statement| statement.class.is_transactional()) {
            None => Ok(false),
            Some(_) => refusal(
                statement,
                "can't run in a transaction, and the script has other statements that can",
                "Put it into a script of its own, or say executeInTransaction=false in the .conf file.",
            ),
        },
    }
}

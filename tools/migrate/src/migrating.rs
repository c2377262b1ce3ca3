//! What the changing verbs share: a database under the history's lock, and a runner over it.

use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use flotilla::Context;
use flotilla::clock::parse_duration;
use flotilla::error::{Error, Result};
use flotilla::target::Target;
use flotilla::watch::Watch;
use postgres_protocol::escape::escape_literal;

use crate::database::Database;
use crate::run::trace::Trace;
use crate::run::{Limits, Runner};
use crate::schema_history as history;
use crate::settings::Settings;
use flotilla::migrations::schema_history::Row;
use flotilla::migrations::scripts::{Event, Set};

/// How scripts meet the traffic.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct LimitArgs {
    /// How long a statement may wait for a lock, and with it all that queues behind
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = lock_timeout)]
    lock_timeout: Duration,
    /// How long a script that met a lock is tried again before it fails
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    retry_for: Duration,
}

impl LimitArgs {
    /// The limits of a run.
    pub(crate) fn limits(&self) -> Limits {
        Limits { lock_timeout: self.lock_timeout, retry_for: self.retry_for }
    }
}

/// Zero would mean no limit: traffic would wait behind a migration for as long as that waits itself.
fn lock_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        limit if limit < Duration::from_millis(1) => {
            Err("at least 1ms; waiting without end stops all traffic".to_owned())
        }
        limit => Ok(limit),
    }
}

/// What every target of a changing run gets.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) settings: Arc<Settings>,
    pub(crate) set: Arc<Set>,
    pub(crate) limits: Limits,
    pub(crate) trace: Trace,
}

impl Work {
    /// Reads the scripts; nothing is connected yet.
    pub(crate) fn new(settings: Settings, limits: Limits) -> Result<Self> {
        let set = settings.scripts()?;
        let trace = Trace::new(&settings.dirs[0]);
        Ok(Self { settings: Arc::new(settings), set, limits, trace })
    }

    /// A runner over one target's database; it holds the lock of the history until it is closed.
    pub(crate) async fn runner(&self, cx: &Context, target: &Target) -> Result<Runner> {
        let database = Database::writer(cx, target, &self.settings).await?;
        let watch = Watch::new(cx, target, &cx.config()?.users.migrator, database.pid.clone());
        let (cx, set, trace) = (cx.clone(), Arc::clone(&self.set), self.trace.clone());
        Ok(Runner { cx, database, set, limits: self.limits, trace, watch })
    }
}

/// The history of a database that may not have one yet: then it is made, unless there is something in
/// the schema that nobody wrote down.
pub(crate) async fn rows_or_create(runner: &Runner, baselining: bool) -> Result<Vec<Row>> {
    let database = &runner.database;
    if let Some(rows) = database.rows().await? {
        return Ok(rows);
    }
    if !baselining && !is_empty(database).await? {
        return Err(Error::refused(format!(
            "schema \"{}\" isn't empty, but has no history {}; nothing was touched",
            database.table.schema, database.table
        ))
        .hint("Say what is there already with `migrate baseline --version V`, then apply what comes after."));
    }
    database.transaction(runner.limits.lock_timeout, create(runner)).await?;
    database.rows().await.map(Option::unwrap_or_default)
}

/// Makes the table, and its schema where that isn't there.
async fn create(runner: &Runner) -> Result<()> {
    let Database { session, table, .. } = &runner.database;
    let exists = format!("SELECT pg_catalog.to_regnamespace({}) IS NOT NULL", escape_literal(&table.quoted_schema()));
    let makes_schema = session.value(&exists).await?.as_deref() != Some("t");
    if makes_schema {
        runner.callbacks(Event::BeforeCreateSchema).await?;
        session.simple(&format!("CREATE SCHEMA {}", table.quoted_schema())).await?;
    }
    history::create(session, table).await?;
    if makes_schema {
        history::append_schema_marker(session, table).await?;
    }
    Ok(())
}

/// Whether the history's schema holds nothing that a person has made; what belongs to an extension
/// doesn't count.
async fn is_empty(database: &Database) -> Result<bool> {
    let sql = format!(
        "WITH n AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = {}), \
         own (classid, objid) AS ( \
           SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid FROM pg_catalog.pg_class c JOIN n ON c.relnamespace = n.oid \
           UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid FROM pg_catalog.pg_proc p JOIN n ON p.pronamespace = n.oid \
           UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid FROM pg_catalog.pg_type t JOIN n ON t.typnamespace = n.oid \
             WHERE t.typtype IN ('e', 'd', 'r')) \
         SELECT NOT EXISTS (SELECT FROM own WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
           WHERE d.classid = own.classid AND d.objid = own.objid AND d.deptype = 'e'))",
        escape_literal(&database.table.schema)
    );
    Ok(database.session.value(&sql).await?.as_deref() == Some("t"))
}

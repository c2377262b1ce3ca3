//! One shard's barrier, and what is made behind it.

use std::time::{Duration, Instant};

use flotilla::clock::millis;
use flotilla::error::{Code, Error, Result};
use flotilla::pg::Session;
use flotilla::target::Target;
use flotilla::watch::Watch;
use flotilla::{Context, reach};
use flotilla_archive::Archive;
use flotilla_archive::wal::Lsn;

/// How long the server lets the barrier stand when it hears nothing.
const LEASE: Duration = Duration::from_secs(9);

/// A session that raises the barrier.
pub(super) struct Barrier {
    cx: Context,
    session: Session,
    watch: Watch,
    shard: String,
    system: String,
    schema_version: Option<String>,
    tables: u32,
}

/// What was made.
pub(super) struct Made {
    /// Where the record ends.
    pub(super) end: Lsn,
    pub(super) timeline: u32,
    pub(super) system: String,
    pub(super) schema_version: Option<String>,
    pub(super) tables: u32,
    pub(super) pause_ms: u64,
}

impl Barrier {
    /// Connects to the primary and asks what can be asked beforehand.
    pub(super) async fn connect(cx: &Context, target: &Target, archive: &Archive) -> Result<Self> {
        let config = cx.config()?;
        let session = cx.connect(reach::primary_of(config, target, &config.users.backup)?).await?;
        let shard = target.shard().map_or_else(|| target.name.clone(), |shard| shard.name.clone());
        let system = session.system_identifier().await?.ok_or_else(|| {
            Error::new(Code::Unsupported, "the server doesn't say its system identifier")
                .hint("Run `shardctl init` again.")
        })?;
        if let Some(pin) = archive.pin().await?.filter(|pin| pin.system_identifier != system) {
            return Err(Error::new(
                Code::WrongSystem,
                format!(
                    "the archive of shard \"{shard}\" is of system {}, and its primary is {system}",
                    pin.system_identifier
                ),
            )
            .hint("The topology leads to a server that doesn't archive there."));
        }
        let user = &config.users.backup;
        let pid = session.value("SELECT pg_catalog.pg_backend_pid()").await?.unwrap_or_default();
        let watch = Watch::new(cx, target, user, pid);
        let table = config.migrate.history_table.as_deref().unwrap_or("flyway_schema_history");
        let schema_version = schema_version(&session, table).await;
        let barrier = Self { cx: cx.clone(), session, watch, shard, system, schema_version, tables: 0 };
        barrier.nothing_is_prepared().await?;
        Ok(barrier)
    }

    /// A prepared transaction is neither before the point nor after it.
    async fn nothing_is_prepared(&self) -> Result<()> {
        let open = "SELECT string_agg(quote_literal(gid), ', ' ORDER BY prepared) FROM pg_catalog.pg_prepared_xacts";
        match self.session.value(open).await? {
            None => Ok(()),
            Some(names) => Err(Error::refused(format!("shard \"{}\" has prepared transactions: {names}", self.shard))
                .hint("Commit or roll them back first: what is prepared on one shard may be committed on another.")),
        }
    }

    /// Holds whoever writes. It waits for writes that are under way no longer than the limit.
    pub(super) async fn raise(mut self, limit: Duration) -> Result<Self> {
        let (lock, lease) = (limit.as_millis(), LEASE.as_millis());
        // The last two end the session should this process vanish: the server looks while it waits for a
        // lock, and gives up when it hears nothing.
        let begin = format!(
            "BEGIN; SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {lock}; \
             SET LOCAL client_connection_check_interval = 500; \
             SET LOCAL idle_in_transaction_session_timeout = {lease}"
        );
        self.session.simple(&begin).await?;
        let cx = self.cx.clone();
        let asked = cx.guarded(
            self.session.canceller(),
            self.session.simple("SELECT locked, array_to_string(open, ', ') FROM flotilla.barrier()"),
        );
        let rows = match self.watch.over(asked).await {
            Ok(rows) => rows,
            // Statements are cancelled by the limit as locks are: it is one lock after another.
            Err(error) if matches!(error.state(), Some("55P03" | "57014")) => {
                let blockers = self.watch.take();
                return Err(Error::new(
                    Code::LockTimeout,
                    format!("the barrier on shard \"{}\" was not up within {limit:?}: {blockers}", self.shard),
                )
                .hint("End the long write, give --retry-for more time, or a longer --pause-limit.")
                .source(error));
            }
            Err(error) => return Err(error),
        };
        let row = rows.first().ok_or_else(|| Error::internal("the barrier says nothing"))?;
        self.tables = row.get(0).and_then(|count| count.parse().ok()).unwrap_or(0);
        let open = row.get(1).unwrap_or_default();
        if !open.is_empty() {
            return Err(Error::refused(format!("tables on shard \"{}\" can't be held: {open}", self.shard))
                .hint("The role flotilla must be able to lock them: give it the role that owns them."));
        }
        self.nothing_is_prepared().await?;
        Ok(self)
    }

    /// Makes the point.
    pub(super) async fn make(self, name: &str) -> Result<(Self, Made)> {
        // The name is plain: see `name`.
        let sql = format!(
            "SELECT pg_catalog.pg_create_restore_point('{name}'), \
             ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8))::bit(32)::int"
        );
        let rows = self.session.simple(&sql).await?;
        let value = |at: usize| rows.first().and_then(|row| row.get(at));
        let end = value(0).and_then(|end| end.parse().ok());
        let timeline = value(1).and_then(|timeline| timeline.parse().ok());
        let (Some(end), Some(timeline)) = (end, timeline) else {
            return Err(Error::internal("the server doesn't say where the point is"));
        };
        let (system, schema_version, tables) = (self.system.clone(), self.schema_version.clone(), self.tables);
        Ok((self, Made { end, timeline, system, schema_version, tables, pause_ms: 0 }))
    }

    /// Lets the writers go on, and ends the segment so that it is archived.
    pub(super) async fn release(self, mut made: Made, asked: Instant) -> Result<Made> {
        self.session.simple("COMMIT").await?;
        made.pause_ms = millis(asked.elapsed());
        self.session.simple("SELECT pg_catalog.pg_switch_wal()").await?;
        self.session.close().await;
        Ok(made)
    }
}

/// The highest version that migrations have brought the schema to.
async fn schema_version(session: &Session, table: &str) -> Option<String> {
    let quoted: Vec<String> = table.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    let sql = format!(
        "SELECT version FROM {} WHERE success AND version IS NOT NULL ORDER BY installed_rank DESC LIMIT 1",
        quoted.join(".")
    );
    session.value(&sql).await.ok().flatten()
}

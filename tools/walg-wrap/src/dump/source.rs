//! The server that is dumped: one transaction whose snapshot all of the dump shows, and what is known of
//! the database at that moment.

use std::collections::BTreeMap;

use flotilla::config::Shard;
use flotilla::error::{Code, Error, Result};
use flotilla::pg::{Endpoint, Host, Session, SessionAttrs, advisory};
use flotilla::{Context, reach};
use flotilla_archive::archive::Pin;
use flotilla_archive::documents::{Contents, DumpedFlotilla};
use tokio_postgres::SimpleQueryRow;

use crate::push::From;

/// A server that is to be dumped.
pub(super) struct Source {
    /// On the primary.
    pub(super) primary: Session,
    /// On the server that is dumped; its transaction keeps the snapshot.
    pub(super) session: Session,
    /// How `pg_dump` logs in.
    pub(super) endpoint: Endpoint,
    pub(super) host: Host,
    pub(super) node: String,
    pub(super) is_standby: bool,
    /// Why the primary is asked though there may be a standby.
    pub(super) primary_because: Option<String>,
    pub(super) system: u64,
    pub(super) segment_bytes: u64,
}

/// What the snapshot shows.
pub(super) struct Snapshot {
    pub(super) name: String,
    pub(super) lsn: String,
    pub(super) timeline: u32,
    pub(super) version: u32,
    pub(super) encoding: String,
    /// Schema and name of each table by its OID.
    pub(super) tables: BTreeMap<u32, (String, String)>,
    pub(super) large_objects: u64,
    pub(super) contents: Contents,
    pub(super) warnings: Vec<String>,
}

const FACTS: &str = "SELECT pg_catalog.pg_export_snapshot(), \
    CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
         ELSE pg_catalog.pg_current_wal_lsn() END, \
    (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()), \
    current_setting('server_version_num'), \
    (SELECT pg_catalog.pg_encoding_to_char(encoding) FROM pg_catalog.pg_database \
     WHERE datname = pg_catalog.current_database()), \
    (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata), \
    (SELECT count(*) FROM pg_catalog.pg_class WHERE relpersistence = 'u' AND relkind IN ('r', 'm'))";

/// Roles by which objects of this database, or rights on them, go. The bootstrap superuser isn't among
/// the dependencies, so it is looked for where it owns something.
const ROLES: &str = "SELECT pg_catalog.pg_get_userbyid(refobjid) FROM pg_catalog.pg_shdepend \
    WHERE refclassid = 'pg_catalog.pg_authid'::regclass \
      AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
    UNION SELECT pg_catalog.pg_get_userbyid(10) WHERE EXISTS ( \
        SELECT FROM pg_catalog.pg_class WHERE relowner = 10 AND oid >= 16384 AND relkind <> 't' UNION ALL \
        SELECT FROM pg_catalog.pg_proc WHERE proowner = 10 AND oid >= 16384 UNION ALL \
        SELECT FROM pg_catalog.pg_namespace WHERE nspowner = 10 AND oid >= 16384 UNION ALL \
        SELECT FROM pg_catalog.pg_largeobject_metadata WHERE lomowner = 10) ORDER BY 1";

const UNREADABLE: &str = "SELECT count(*), \
    coalesce(current_setting('lo_compat_privileges') = 'on' \
             OR pg_catalog.has_parameter_privilege('lo_compat_privileges', 'SET'), false) \
    FROM pg_catalog.pg_largeobject_metadata AS l WHERE NOT EXISTS ( \
        SELECT FROM pg_catalog.aclexplode(coalesce(l.lomacl, pg_catalog.acldefault('L', l.lomowner))) AS a \
        WHERE a.privilege_type = 'SELECT' \
          AND CASE a.grantee WHEN 0 THEN true ELSE pg_catalog.pg_has_role(a.grantee, 'USAGE') END) \
      AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)";

impl Source {
    pub(super) async fn open(cx: &Context, shard: &Shard, database: &str, from: Option<&From>) -> Result<Self> {
        let config = cx.config()?;
        let user = &config.users.backup;
        let to_primary = || Ok::<_, Error>(reach::primary(config, shard, user)?.dbname(database));
        let primary = cx.connect(to_primary()?).await?;
        let mut primary_because = None;
        let mut chosen = None;
        match from {
            Some(From::Node(name)) => {
                let node = From::node(shard, name)?;
                chosen = Some(reach::node(config, node, user)?.dbname(database));
            }
            Some(From::Standby) => chosen = Some(to_primary()?.session_attrs(SessionAttrs::Standby)),
            None if shard.nodes.len() > 1 => {
                let standby = to_primary()?.session_attrs(SessionAttrs::Standby);
                match cx.connect(standby.clone()).await {
                    Ok(session) => match unfit(&session).await? {
                        None => chosen = Some(standby),
                        why => primary_because = why,
                    },
                    Err(error) => primary_because = Some(format!("no standby answers: {error}")),
                }
            }
            Some(From::Primary) | None => {}
        }
        let endpoint = match chosen {
            Some(endpoint) => endpoint,
            None => to_primary()?,
        };
        let session = cx.connect(endpoint.clone()).await?;
        let host = session.host().clone();
        let node = reach::node_at(shard, &host)?.name.clone();
        let is_standby = session.role().await? == flotilla::pg::Role::Standby;
        let (system, other) = (identity(&session).await?, identity(&primary).await?);
        if system != other {
            return Err(Error::new(
                Code::WrongSystem,
                format!("node \"{node}\" is of another system than the primary of shard \"{}\"", shard.name),
            )
            .hint("Nothing was touched. Set the node up again as a standby of this shard."));
        }
        let segment = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size'";
        let segment_bytes = number(session.value(segment).await?.as_deref())?;
        Ok(Self { primary, session, endpoint, host, node, is_standby, primary_because, system, segment_bytes })
    }

    /// What the archive is pinned to.
    pub(super) fn pin(&self, version: u32) -> Pin {
        Pin::new(self.system, version / 10_000, self.segment_bytes)
    }

    /// Keeps other dumps of the shard away, from any machine.
    pub(super) async fn lock(&self) -> Result<()> {
        if advisory::try_lock(&self.primary, &advisory::Key::Name("walg-wrap push logical".to_owned())).await? {
            return Ok(());
        }
        Err(Error::new(Code::LockHeld, "another logical dump of this shard is being made")
            .hint("Wait until it has ended; pg_stat_activity shows its pg_dump."))
    }

    /// Takes the snapshot. It lasts as long as the session's transaction.
    pub(super) async fn snapshot(&mut self) -> Result<Snapshot> {
        let begin = "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0; \
                     BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.session.simple(begin).await?;
        let rows = self.session.simple(FACTS).await?;
        let row = rows.first().ok_or_else(odd)?;
        let large_objects = number(row.get(5))?;
        let mut warnings = Vec::new();
        let unlogged: u64 = number(row.get(6))?;
        if self.is_standby && unlogged > 0 {
            warnings.push(format!("{unlogged} unlogged tables are without their rows, which a standby doesn't have"));
        }
        if large_objects > 0 {
            self.read_large_objects().await?;
        }
        let tables = "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class AS c \
                      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind = 'r'";
        let tables = self.session.simple(tables).await?;
        let tables = tables.iter().map(|row| Ok((number(row.get(0))?, (text(row, 1)?, text(row, 2)?))));
        let extensions = "SELECT extname FROM pg_catalog.pg_extension ORDER BY 1";
        let contents = Contents {
            tables: Vec::new(),
            roles: self.names(ROLES).await?,
            extensions: self.names(extensions).await?,
            flotilla: self.flotilla().await?,
        };
        Ok(Snapshot {
            name: text(row, 0)?,
            lsn: text(row, 1)?,
            timeline: number(row.get(2))?,
            version: number(row.get(3))?,
            encoding: text(row, 4)?,
            tables: tables.collect::<Result<_>>()?,
            large_objects,
            contents,
            warnings,
        })
    }

    /// `pg_read_all_data` doesn't cover large objects, so the dump's sessions read them by a setting.
    async fn read_large_objects(&mut self) -> Result<()> {
        let rows = self.session.simple(UNREADABLE).await?;
        let row = rows.first().ok_or_else(odd)?;
        let unreadable: u64 = number(row.get(0))?;
        if unreadable == 0 {
            return Ok(());
        }
        if row.get(1) != Some("t") {
            let user = self.endpoint.user();
            return Err(Error::refused(format!(
                "role \"{user}\" may not read {unreadable} large objects; nothing was touched"
            ))
            .hint(format!(
                "Let a superuser run GRANT SET ON PARAMETER lo_compat_privileges TO {user}, as shardctl init does."
            )));
        }
        self.endpoint = self.endpoint.clone().setting("lo_compat_privileges", "on");
        Ok(())
    }

    async fn flotilla(&self) -> Result<Option<DumpedFlotilla>> {
        let there = "SELECT n.oid, c.oid FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_class AS c \
                     ON c.relnamespace = n.oid AND c.relname = 'ownership' AND c.relkind = 'r' \
                     WHERE n.nspname = 'flotilla'";
        let rows = self.session.simple(there).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (schema, ownership) = (number(row.get(0))?, number(row.get(1))?);
        let rows = self.session.simple("SELECT buckets FROM flotilla.cluster").await?;
        let buckets = number(rows.first().and_then(|row| row.get(0)))?;
        let epoch = self.session.value("SELECT last_value FROM flotilla.epoch_seq").await?.ok_or_else(odd)?;
        let owned = "SELECT first_bucket || '-' || last_bucket FROM flotilla.ownership \
                     WHERE state = 'owned' ORDER BY first_bucket";
        Ok(Some(DumpedFlotilla { schema, ownership, buckets, epoch, owned: self.names(owned).await? }))
    }

    async fn names(&self, sql: &str) -> Result<Vec<String>> {
        Ok(self.session.simple(sql).await?.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect())
    }
}

/// Why a dump of this standby would probably not come to its end: the primary vacuums what the snapshot
/// still shows, and the standby then cancels whoever reads it.
async fn unfit(session: &Session) -> Result<Option<String>> {
    let safe = "SELECT current_setting('hot_standby_feedback') = 'on' \
                OR current_setting('max_standby_streaming_delay') = '-1'";
    let place = session.place();
    Ok((session.value(safe).await?.as_deref() != Some("t"))
        .then(|| format!("the standby at {place} has hot_standby_feedback off and would cancel the dump")))
}

async fn identity(session: &Session) -> Result<u64> {
    let found = session.system_identifier().await?.ok_or_else(|| {
        Error::new(Code::Unsupported, format!("{} doesn't say which system it is of", session.place()))
            .hint("The role that takes backups must be allowed to call pg_control_system().")
    })?;
    number(Some(&found))
}

fn odd() -> Error {
    Error::new(Code::QueryFailed, "the server doesn't say what it is")
}

fn number<T: std::str::FromStr>(text: Option<&str>) -> Result<T> {
    text.and_then(|text| text.parse().ok()).ok_or_else(odd)
}

fn text(row: &SimpleQueryRow, at: usize) -> Result<String> {
    row.get(at).map(str::to_owned).ok_or_else(odd)
}

//! What servers can carry and what applications ask for: the two sides that pools stand between.

use schemars::JsonSchema;
use serde::Deserialize;

/// What every PostgreSQL server can carry.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresqlSettings {
    /// PostgreSQL's `max_connections`.
    pub max_connections: Option<u32>,
    /// PostgreSQL's `superuser_reserved_connections`.
    pub superuser_reserved_connections: u32,
    /// Connections past the poolers: exporters, checks, migrations, backups, Patroni.
    pub direct_connections: u32,
}

impl Default for PostgresqlSettings {
    fn default() -> Self {
        Self { max_connections: None, superuser_reserved_connections: 3, direct_connections: 10 }
    }
}

/// What a session may keep beyond a transaction, or a driver may do that a pooler must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// LISTEN and NOTIFY.
    Listen,
    /// Advisory locks that outlive a transaction.
    SessionAdvisoryLocks,
    /// SET that outlives a transaction.
    SessionSettings,
    /// Temporary tables that outlive a transaction.
    TemporaryTables,
    /// Cursors WITH HOLD.
    HoldCursors,
    /// PREPARE in SQL.
    SqlPrepare,
    /// LOAD.
    Load,
    /// Named prepared statements by the protocol.
    PreparedStatements,
}

impl Use {
    /// The word in the topology.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::SessionAdvisoryLocks => "session-advisory-locks",
            Self::SessionSettings => "session-settings",
            Self::TemporaryTables => "temporary-tables",
            Self::HoldCursors => "hold-cursors",
            Self::SqlPrepare => "sql-prepare",
            Self::Load => "load",
            Self::PreparedStatements => "prepared-statements",
        }
    }
}

/// One application, or all instances of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// The role that it logs in as.
    pub user: String,
    /// How many connections all its instances open to the poolers at most.
    #[serde(default)]
    pub connections: Option<u32>,
    /// Its `statement_timeout`, in seconds.
    #[serde(default)]
    pub statement_timeout_seconds: Option<u32>,
    /// What it uses that a pooler in transaction mode can't keep, or must be set up for.
    #[serde(default)]
    pub uses: Vec<Use>,
}

/// What an exporter shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExporterKind {
    /// A PostgreSQL server.
    Postgresql,
    /// A PgBouncer.
    Pgbouncer,
    /// Redis servers, asked for by address.
    Redis,
    /// A ClickHouse server.
    Clickhouse,
    /// Kafka.
    Kafka,
    /// A machine.
    Node,
    /// Anything else.
    Other,
}

impl ExporterKind {
    /// The word in the topology, and the job that scrapes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Pgbouncer => "pgbouncer",
            Self::Redis => "redis",
            Self::Clickhouse => "clickhouse",
            Self::Kafka => "kafka",
            Self::Node => "node",
            Self::Other => "other",
        }
    }
}

/// Something that shows metrics of something else.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exporter {
    /// What it shows.
    pub kind: ExporterKind,
    /// Where: a URL with its path.
    pub url: String,
    /// The target whose metrics they are; none for one that shows several.
    #[serde(default)]
    pub of: Option<String>,
}

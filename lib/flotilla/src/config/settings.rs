//! Settings: how tools connect, as whom, and what the poolers and balancers are told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::migrations::schema_history::Table;

/// How tools reach servers. libpq's words, libpq's meaning.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Connect {
    /// `disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`. With a root certificate
    /// the default is `verify-full`.
    pub sslmode: Option<String>,
    /// The certificate authority; a file, or `system`.
    pub sslrootcert: Option<PathBuf>,
    /// How long one address may take to answer, in seconds.
    pub connect_timeout_seconds: u64,
}

impl Default for Connect {
    fn default() -> Self {
        Self { sslmode: None, sslrootcert: None, connect_timeout_seconds: 5 }
    }
}

/// The database roles that tools log in as. Their passwords come from PGPASSFILE.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Users {
    /// Sets up the cluster; a superuser, or what a managed service calls one.
    pub admin: String,
    /// Changes the schema; may become the owner.
    pub migrator: String,
    /// Reads and writes rows.
    pub app: String,
    /// Reads rows on replicas.
    pub app_ro: String,
    /// Reads statistics.
    pub monitor: String,
    /// Takes backups; may use the replication protocol.
    pub backup: String,
    /// Gives orders on PgBouncer's console; no database knows it.
    pub pool_admin: String,
    /// The user of Redis; none for its default user.
    pub redis: Option<String>,
}

impl Default for Users {
    fn default() -> Self {
        Self {
            admin: "postgres".to_owned(),
            migrator: "migrator".to_owned(),
            app: "app".to_owned(),
            app_ro: "app_ro".to_owned(),
            monitor: "monitor".to_owned(),
            backup: "backup".to_owned(),
            pool_admin: "pool_admin".to_owned(),
            redis: None,
        }
    }
}

/// Where secrets lie.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Secrets {
    /// SCRAM verifiers by role, as PgBouncer's `auth_file`; `shardctl init` gives every shard the same.
    pub verifiers: Option<PathBuf>,
    /// The password of `users.redis`, which only its owner and its group may read.
    pub redis: Option<PathBuf>,
}

/// How tools show themselves to Patroni's REST interface. Who may change anything there is known by a
/// client certificate.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PatroniSettings {
    /// The client's certificate.
    pub sslcert: Option<PathBuf>,
    /// Its private key.
    pub sslkey: Option<PathBuf>,
}

/// How drills break things.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DrillSettings {
    /// The program that breaks and mends, with its first arguments.
    pub command: Option<Vec<String>>,
}

/// What `migrate` works with unless its options say otherwise.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MigrateSettings {
    /// The folders of the scripts.
    pub dirs: Option<Vec<PathBuf>>,
    /// The history table, as `table` or `schema.table`.
    pub history_table: Option<String>,
    /// The role that owns what migrations make; empty for whoever logs in.
    pub role: Option<String>,
    /// Values for `${name}` in scripts.
    pub placeholders: Option<BTreeMap<String, String>>,
}

impl MigrateSettings {
    /// The history table.
    pub fn table(&self) -> Result<Table> {
        let parsed = self.history_table.as_deref().map(str::parse).transpose();
        Ok(parsed.map_err(|e: Error| e.within("migrate.history_table"))?.unwrap_or_default())
    }

    /// The role that owns what migrations make, unless told otherwise the one that `shardctl init` makes; none for
    /// whoever logs in.
    pub fn owner(&self) -> Option<&str> {
        Some(self.role.as_deref().unwrap_or("owner")).filter(|role| !role.is_empty())
    }
}

/// What `poolcfg render pgbouncer` writes. PgBouncer's own names and units.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PgbouncerSettings {
    /// `transaction`, `session` or `statement`.
    pub pool_mode: String,
    /// Client connections at most.
    pub max_client_conn: u32,
    /// Server connections per database and user.
    pub default_pool_size: u32,
    /// Seconds after which a server connection is replaced.
    pub server_lifetime: u32,
    /// Seconds between tries to log in to a server; follows from the shards' RTO where none is given.
    pub server_login_retry: Option<u32>,
    /// Seconds that a client may wait for a server; follows from the shards' RTO where none is given.
    pub query_wait_timeout: Option<u32>,
    /// How many files a PgBouncer may open: each connection is one.
    pub open_files: Option<u32>,
}

impl Default for PgbouncerSettings {
    fn default() -> Self {
        Self {
            pool_mode: "transaction".to_owned(),
            max_client_conn: 1000,
            default_pool_size: 25,
            server_lifetime: 3600,
            server_login_retry: None,
            query_wait_timeout: None,
            open_files: None,
        }
    }
}

/// What `poolcfg render haproxy` writes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HaproxySettings {
    /// A replica further behind than this leaves the read port.
    pub max_lag_bytes: u64,
    /// Time between two checks of a node; follows from the shards' RTO where none is given, as the next ones do.
    pub inter_ms: Option<u32>,
    /// Time between two checks of a node that is down, and while a node's state is changing.
    pub fastinter_ms: Option<u32>,
    /// Failed checks until a node is taken out.
    pub fall: Option<u32>,
    /// Good checks until a node is taken back.
    pub rise: Option<u32>,
    /// The networks that may see a balancer's statistics.
    pub stats_allow: Option<Vec<String>>,
}

impl Default for HaproxySettings {
    fn default() -> Self {
        Self { max_lag_bytes: 16 << 20, inter_ms: None, fastinter_ms: None, fall: None, rise: None, stats_allow: None }
    }
}

/// What `poolcfg render pgdog` writes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PgdogSettings {
    /// The columns that hold the shard key, in whatever table.
    pub columns: Vec<String>,
    /// The port that PgDog listens on.
    pub port: u16,
}

impl Default for PgdogSettings {
    fn default() -> Self {
        Self { columns: Vec::new(), port: 6432 }
    }
}

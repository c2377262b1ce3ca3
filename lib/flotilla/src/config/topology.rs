//! The servers, by name and address.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::placement::{Buckets, KeyType};

/// The cluster as a whole.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Its name; the scope of locks and the name that severe acts must confirm.
    pub name: String,
    /// How many buckets keys hash to: a power of two, fixed for the cluster's life.
    #[serde(default = "default_buckets", deserialize_with = "buckets")]
    #[schemars(with = "u32")]
    pub buckets: Buckets,
    /// The type of the shard key.
    #[serde(default = "default_key_type")]
    pub key_type: KeyType,
    /// The database that every shard holds.
    pub dbname: String,
}

/// One shard: a primary and its replicas.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Its name; a target.
    pub name: String,
    /// The buckets that `shardctl init` gives it first, as ranges `"0-511"`. The truth is on the shards.
    #[serde(default)]
    pub initial_buckets: Option<Vec<String>>,
    /// The port on every balancer that follows the primary.
    #[serde(default)]
    pub write_port: Option<u16>,
    /// The port on every balancer that spreads over the replicas.
    #[serde(default)]
    pub read_port: Option<u16>,
    /// The path of its archive below each store's; its name where none is given.
    #[serde(default)]
    pub archive_prefix: Option<String>,
    /// Within how many seconds it takes writes again after any one failure.
    #[serde(default = "rto_seconds")]
    pub rto_seconds: u32,
    /// How many bytes of acknowledged WAL a failover may lose; 0: none, by quorum commit.
    #[serde(default)]
    pub rpo_bytes: u64,
    /// Whether `shardctl drill` may break it.
    #[serde(default)]
    pub drillable: bool,
    /// Its servers.
    #[serde(default)]
    pub nodes: Vec<Node>,
}

/// One PostgreSQL server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name; a target and a libpq service.
    pub name: String,
    /// The name that TLS verifies, or the folder of a Unix socket.
    pub host: String,
    /// The address to connect to, where the name doesn't resolve.
    #[serde(default)]
    pub hostaddr: Option<std::net::IpAddr>,
    /// Its port.
    #[serde(default = "postgres_port")]
    pub port: u16,
    /// The URL of Patroni's REST interface.
    #[serde(default)]
    pub patroni: Option<String>,
    /// The file that its log is written to, on the machine that it runs on.
    #[serde(default)]
    pub log: Option<PathBuf>,
    /// How much memory is its own, in bytes; its machine's where it is alone there.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// What its data lies on.
    #[serde(default)]
    pub disk: Option<Disk>,
}

/// What data lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Disk {
    /// Memory chips: here and there is as fast as in a row.
    SolidState,
    /// Plates that turn.
    Rotating,
}

/// One PgBouncer. Its databases are `<shard>` for writes and `<shard>_ro` for reads.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pooler {
    /// Its name; a target.
    pub name: String,
    /// The name that TLS verifies.
    pub host: String,
    /// The address to connect to, where the name doesn't resolve.
    #[serde(default)]
    pub hostaddr: Option<std::net::IpAddr>,
    /// Its port.
    pub port: u16,
    /// The node that it runs on and leads to; balancers then stand in front of poolers.
    #[serde(default)]
    pub node: Option<String>,
    /// Its configuration file, on the machine that it runs on.
    #[serde(default)]
    pub config_file: Option<PathBuf>,
}

/// One HAProxy. Its ports are the shards'.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Balancer {
    /// Its name; a target.
    pub name: String,
    /// The name that TLS verifies.
    pub host: String,
    /// The address to connect to, where the name doesn't resolve.
    #[serde(default)]
    pub hostaddr: Option<std::net::IpAddr>,
    /// The port of its statistics.
    #[serde(default)]
    pub stats_port: Option<u16>,
    /// Its configuration file, on the machine that it runs on.
    #[serde(default)]
    pub config_file: Option<PathBuf>,
    /// The socket for operators.
    #[serde(default)]
    pub stats_socket: Option<PathBuf>,
    /// The socket of its master process, by which it is reloaded.
    #[serde(default)]
    pub master_socket: Option<PathBuf>,
}

/// One member of the consensus store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Etcd {
    /// Its name; a target.
    pub name: String,
    /// The URL for clients.
    pub url: String,
}

/// What a Redis server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RedisRole {
    /// A cache: may lose everything, evicts by LRU.
    Cache,
    /// Sessions: append-only file, never evicts.
    Session,
    /// A replica of the session store.
    SessionReplica,
    /// Watches the session store and fails it over.
    Sentinel,
}

/// One Redis server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// Its name; a target.
    pub name: String,
    /// What it is for.
    pub role: RedisRole,
    /// The name that TLS verifies.
    pub host: String,
    /// The address to connect to, where the name doesn't resolve.
    #[serde(default)]
    pub hostaddr: Option<std::net::IpAddr>,
    /// Its port.
    pub port: u16,
}

fn default_buckets() -> Buckets {
    Buckets::DEFAULT
}

const fn default_key_type() -> KeyType {
    KeyType::Bigint
}

/// Refuses a bad count where it stands, so that the error has its line.
fn buckets<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Buckets, D::Error> {
    Buckets::new(u32::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

const fn rto_seconds() -> u32 {
    crate::availability::DEFAULT_RTO_SECONDS
}

const fn postgres_port() -> u16 {
    5432
}

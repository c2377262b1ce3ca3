//! The one configuration file: the topology of a cluster, and how to reach it.
//!
//! `flotilla.toml` holds addresses and settings, never a secret and never the truth about who owns
//! which bucket: that is on the shards. An unknown key is an error with its line.

mod archive;
mod capacity;
mod discover;
mod division;
mod health;
mod settings;
mod standby;
mod topology;
mod validate;

pub use archive::{Archive, ArchiveStore, Compression, Encryption, Engine, KeyTransform, StoreUrl};
pub use capacity::{Application, Exporter, ExporterKind, PostgresqlSettings, Use};
pub use health::{HealthJob, HealthSettings, HealthWaiver};
pub use settings::{
    Connect, DrillSettings, HaproxySettings, MigrateSettings, PatroniSettings, PgbouncerSettings, PgdogSettings,
    Secrets, Users,
};
pub use standby::StandbyCluster;
pub use topology::{Balancer, Cluster, Disk, Etcd, Node, Pooler, Redis, RedisRole, Shard};

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Error, Result};

/// The whole file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The cluster as a whole.
    pub cluster: Cluster,
    /// How tools reach servers.
    #[serde(default)]
    pub connect: Connect,
    /// The database roles that tools log in as.
    #[serde(default)]
    pub users: Users,
    /// Where secrets lie; never the secrets themselves.
    #[serde(default)]
    pub secrets: Secrets,
    /// How tools show themselves to Patroni.
    #[serde(default)]
    pub patroni: PatroniSettings,
    /// The shards, in the order that an even split follows.
    #[serde(default)]
    pub shards: Vec<Shard>,
    /// The connection poolers in front of all shards.
    #[serde(default)]
    pub poolers: Vec<Pooler>,
    /// The load balancers between poolers and nodes.
    #[serde(default)]
    pub balancers: Vec<Balancer>,
    /// What every PostgreSQL server can carry.
    #[serde(default)]
    pub postgresql: PostgresqlSettings,
    /// The applications that connect through the poolers.
    #[serde(default)]
    pub applications: Vec<Application>,
    /// What shows metrics of servers that don't do so themselves.
    #[serde(default)]
    pub exporters: Vec<Exporter>,
    /// What `migrate` works with.
    #[serde(default)]
    pub migrate: MigrateSettings,
    /// What `poolcfg render pgbouncer` writes.
    #[serde(default)]
    pub pgbouncer: PgbouncerSettings,
    /// What `poolcfg render haproxy` writes.
    #[serde(default)]
    pub haproxy: HaproxySettings,
    /// How drills break things.
    #[serde(default)]
    pub drill: DrillSettings,
    /// What `poolcfg render pgdog` writes.
    #[serde(default)]
    pub pgdog: PgdogSettings,
    /// Archives: how they are written, and where they lie.
    #[serde(default)]
    pub archive: Archive,
    /// Clusters in other regions that follow the shards by their archives.
    #[serde(default)]
    pub standby_clusters: Vec<StandbyCluster>,
    /// What `healthcheck` holds its answers against.
    #[serde(default)]
    pub health: HealthSettings,
    /// The members of the consensus store.
    #[serde(default)]
    pub etcd: Vec<Etcd>,
    /// The Redis servers.
    #[serde(default)]
    pub redis: Vec<Redis>,
    /// The file that this was read from.
    #[serde(skip)]
    pub path: PathBuf,
}

impl Config {
    /// Finds, reads and checks the file: the given one, then the usual places.
    pub fn load(given: Option<&Path>) -> Result<Self> {
        Self::read(&discover::find(given)?)
    }

    /// The same for whoever can do without: none where none was given and none is in the usual places. One
    /// that is there and wrong is an error all the same.
    pub fn load_if_any(given: Option<&Path>) -> Result<Option<Self>> {
        discover::find_if_any(given).map(|path| Self::read(&path)).transpose()
    }

    fn read(path: &Path) -> Result<Self> {
        let config = Self::parse(&discover::read(path)?, path)?;
        config.archive.check_files()?;
        Ok(config)
    }

    /// Parses and checks the text of a file; `path` is what errors name.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut config: Self = toml::from_str(text).map_err(|e| {
            let line = e.span().map(|s| text[..s.start.min(text.len())].matches('\n').count() + 1);
            let at = line.map_or_else(|| path.display().to_string(), |l| format!("{}:{l}", path.display()));
            Error::config(format!("{at}: {}", e.message().trim().replace('\n', ", ")))
                .hint("See flotilla.toml(5) for the keys and their meaning.")
        })?;
        path.clone_into(&mut config.path);
        config.resolve_paths();
        validate::check(&config)?;
        Ok(config)
    }

    /// The shard of this name.
    pub fn shard(&self, name: &str) -> Result<&Shard> {
        self.shards.iter().find(|s| s.name == name).ok_or_else(|| {
            Error::new(crate::Code::UnknownTarget, format!("there is no shard \"{name}\" in the topology"))
                .hint("`shardctl targets` lists what there is.")
        })
    }

    /// Whether poolers run on the nodes, so that balancers stand in front of them rather than behind.
    pub fn poolers_are_on_nodes(&self) -> bool {
        self.poolers.iter().any(|pooler| pooler.node.is_some())
    }

    /// The pooler that runs on this node.
    pub fn pooler_on(&self, node: &str) -> Option<&Pooler> {
        self.poolers.iter().find(|pooler| pooler.node.as_deref() == Some(node))
    }

    /// Paths in the file are relative to it.
    fn resolve_paths(&mut self) {
        let dir = self.path.parent().unwrap_or_else(|| Path::new("")).to_owned();
        let settings = [
            &mut self.connect.sslrootcert,
            &mut self.secrets.verifiers,
            &mut self.archive.key_file,
            &mut self.patroni.sslcert,
            &mut self.patroni.sslkey,
            &mut self.secrets.redis,
            &mut self.health.sslcert,
            &mut self.health.sslkey,
        ];
        let stores = self.archive.stores.iter_mut().flat_map(|s| [&mut s.ca_file, &mut s.credentials_file]);
        let nodes = self.shards.iter_mut().flat_map(|s| &mut s.nodes);
        let nodes = nodes.chain(self.standby_clusters.iter_mut().flat_map(|c| &mut c.nodes)).map(|n| &mut n.log);
        let poolers = self.poolers.iter_mut().map(|p| &mut p.config_file);
        let balancers =
            self.balancers.iter_mut().flat_map(|b| [&mut b.config_file, &mut b.stats_socket, &mut b.master_socket]);
        let paths = settings.into_iter().chain(stores).chain(nodes).chain(poolers).chain(balancers).flatten();
        for path in paths.chain(self.migrate.dirs.iter_mut().flatten()) {
            if path.is_relative() && path != Path::new("system") {
                *path = dir.join(&*path);
            }
        }
    }
}

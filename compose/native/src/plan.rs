//! What one stack consists of: names, addresses, ports, folders.
//!
//! Every member has a loopback address and a name of its own, so that checking a certificate's name
//! proves something. Addresses are the same for all stacks; ports are counted from the stack's base
//! port, and that is what keeps two stacks apart.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use flotilla::{Error, Result};

use crate::account::Account;

/// The stack's name where none is given.
pub const NAME: &str = "demo";
/// The base port where none is given.
pub const BASE_PORT: u16 = 15000;
/// The database that every shard holds.
pub const DATABASE: &str = "app";
/// What the first region is called where the second one leads.
pub const FIRST_REGION: &str = "east";
/// What names in the second region carry.
pub const SECOND_REGION: &str = "west";
/// How many seconds of acknowledged writes the second region may lack.
pub const RPO_SECONDS: u64 = 60;
/// How far above the base port the highest port lies.
const HIGHEST: u16 = 999;

/// One stack, as it is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The stack's name, also the cluster's.
    pub name: String,
    /// The port that all others are counted from.
    pub base_port: u16,
    /// The folder that holds everything of this stack.
    pub state: PathBuf,
    /// The folder of what can be made again: the virtual environment with Patroni.
    pub cache: PathBuf,
    /// The folder of the tools' binaries.
    pub tools: PathBuf,
    /// Whether it has a second region: servers that follow the shards by their archives.
    pub second_region: bool,
    /// Who the servers run as.
    pub servers: Account,
    /// Who the files for clients belong to: whoever called, also through sudo.
    pub client: Account,
}

/// One shard.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Its name.
    pub name: String,
    /// Its nodes.
    pub nodes: Vec<Host>,
    /// The balancers' port that follows the primary.
    pub write_port: u16,
    /// The balancers' port that spreads over the replicas.
    pub read_port: u16,
}

/// The standby cluster of a shard, in the second region.
#[derive(Clone, Debug)]
pub struct StandbyCluster {
    /// Its name.
    pub name: String,
    /// The shard that it follows.
    pub shard: String,
    /// Its nodes.
    pub nodes: Vec<Host>,
}

/// A name and its address.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Host {
    /// The name that certificates carry.
    pub name: String,
    /// The loopback address.
    pub address: Ipv4Addr,
}

impl Host {
    fn new(name: impl Into<String>, last: u8) -> Self {
        Self { name: name.into(), address: Ipv4Addr::new(127, 0, 0, last) }
    }

    fn series(prefix: &str, letters: &[char], first: u8) -> Vec<Self> {
        letters.iter().zip(first..).map(|(letter, last)| Self::new(format!("{prefix}-{letter}"), last)).collect()
    }
}

impl Plan {
    /// The port this far above the base port.
    pub fn port(&self, offset: u16) -> u16 {
        self.base_port + offset
    }

    /// Refuses names and ports that can't work.
    pub fn check(&self) -> Result<()> {
        let good = (1..=32).contains(&self.name.len())
            && self.name.starts_with(|c: char| c.is_ascii_lowercase())
            && self.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !good {
            return Err(Error::usage(format!("{:?} is not a stack's name", self.name))
                .hint("Use 1 to 32 of a-z, 0-9 and -, beginning with a letter."));
        }
        if self.base_port < 1024 || self.base_port > u16::MAX - HIGHEST {
            return Err(Error::usage(format!("{} is not a usable base port", self.base_port)).hint(format!(
                "Give one from 1024 to {}; the stack takes ports up to {HIGHEST} above it.",
                u16::MAX - HIGHEST
            )));
        }
        Ok(())
    }

    /// The consensus store's members.
    pub fn etcd(&self) -> Vec<Host> {
        Host::series("etcd", &['a', 'b', 'c'], 5)
    }

    /// The shards.
    pub fn shards(&self) -> Vec<Shard> {
        [("s0", 11, 700), ("s1", 21, 710)]
            .into_iter()
            .map(|(name, first, offset)| Shard {
                name: name.to_owned(),
                nodes: Host::series(name, &['a', 'b', 'c'], first),
                write_port: self.port(offset),
                read_port: self.port(offset + 1),
            })
            .collect()
    }

    /// The poolers.
    pub fn poolers(&self) -> Vec<Host> {
        Host::series("pool", &['a', 'b'], 31)
    }

    /// The balancers.
    pub fn balancers(&self) -> Vec<Host> {
        Host::series("lb", &['a', 'b'], 41)
    }

    /// The cache.
    pub fn cache_store(&self) -> Host {
        Host::new("cache", 51)
    }

    /// The session store and its replica.
    pub fn session_stores(&self) -> [Host; 2] {
        [Host::new("session", 52), Host::new("session-replica", 53)]
    }

    /// Who watches the session store.
    pub fn sentinels(&self) -> Vec<Host> {
        Host::series("sentinel", &['a', 'b', 'c'], 54)
    }

    /// The stores of archives.
    pub fn regions(&self) -> Vec<Host> {
        vec![Host::new("region1", 61), self.second_store()]
    }

    /// The standby clusters of the second region, where the stack has one: for each shard one, of one node.
    pub fn standby_clusters(&self) -> Vec<StandbyCluster> {
        let clusters = self.shards().into_iter().zip(71..).map(|(shard, last)| StandbyCluster {
            name: format!("{}-{SECOND_REGION}", shard.name),
            nodes: vec![Host::new(format!("{}-{SECOND_REGION}-a", shard.name), last)],
            shard: shard.name,
        });
        clusters.filter(|_| self.second_region).collect()
    }

    /// The consensus store's members in the second region, where the stack has one.
    pub fn second_etcd(&self) -> Vec<Host> {
        let host = Host::new(format!("etcd-{SECOND_REGION}-a"), 75);
        if self.second_region { vec![host] } else { Vec::new() }
    }

    /// Who brings archives to the second region, where the stack has one.
    pub fn copier(&self) -> Option<Host> {
        self.second_region.then(|| Host::new(format!("copier-{SECOND_REGION}"), 76))
    }

    /// The store of the second region, which the archives are copied to.
    pub fn second_store(&self) -> Host {
        Host::new("region2", 62)
    }

    /// What gathers metrics.
    pub fn prometheus(&self) -> Host {
        Host::new("prometheus", 71)
    }

    /// What shows the metrics of Redis servers.
    pub fn redis_exporter(&self) -> Host {
        Host::new("redis-exporter", 72)
    }

    /// The port of Prometheus.
    pub fn prometheus_port(&self) -> u16 {
        self.port(90)
    }

    /// The port of every exporter.
    pub fn exporter_port(&self) -> u16 {
        self.port(187)
    }

    /// The port of every store of archives.
    pub fn archive_port(&self) -> u16 {
        self.port(900)
    }

    /// Where a region's store of archives answers.
    pub fn archive_endpoint(&self, region: &str) -> Option<String> {
        let host = self.regions().into_iter().find(|host| host.name == region)?;
        Some(format!("https://{}:{}", host.address, self.archive_port()))
    }

    /// The port of etcd's clients.
    pub fn etcd_port(&self) -> u16 {
        self.port(379)
    }

    /// The port of every PostgreSQL node.
    pub fn postgres_port(&self) -> u16 {
        self.port(432)
    }

    /// The port of Patroni's REST interface.
    pub fn patroni_port(&self) -> u16 {
        self.port(8)
    }

    /// The port of the poolers.
    pub fn pooler_port(&self) -> u16 {
        self.port(632)
    }

    /// The port of the balancers' statistics.
    pub fn stats_port(&self) -> u16 {
        self.port(790)
    }

    /// The port of every Redis that holds data.
    pub fn redis_port(&self) -> u16 {
        self.port(979)
    }

    /// The port of every Sentinel.
    pub fn sentinel_port(&self) -> u16 {
        self.port(989)
    }

    /// The topology file.
    pub fn topology(&self) -> PathBuf {
        self.state.join("flotilla.toml")
    }

    /// The topology of the second region: the same shards, on the servers that are there.
    pub fn second_topology(&self) -> PathBuf {
        self.state.join(format!("flotilla-{SECOND_REGION}.toml"))
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.state.join("tls/ca.crt")
    }

    /// A member's certificate.
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.state.join(format!("tls/{name}.crt"))
    }

    /// A member's private key.
    pub fn key(&self, name: &str) -> PathBuf {
        self.state.join(format!("tls/{name}.key"))
    }

    /// libpq's password file.
    pub fn password_file(&self) -> PathBuf {
        self.state.join("pgpass")
    }

    /// libpq's service file.
    pub fn service_file(&self) -> PathBuf {
        self.state.join("pg_service.conf")
    }

    /// AWS's shared credentials file.
    pub fn object_credentials(&self) -> PathBuf {
        self.state.join("secrets/aws-credentials")
    }

    /// SCRAM verifiers by role.
    pub fn verifiers(&self) -> PathBuf {
        self.state.join("secrets/userlist.txt")
    }

    /// A member's configuration files.
    pub fn configuration(&self, member: &str) -> PathBuf {
        self.state.join("conf").join(member)
    }

    /// A member's data.
    pub fn data(&self, member: &str) -> PathBuf {
        self.state.join("data").join(member)
    }

    /// Sockets and what else lives only while servers run.
    pub fn run_folder(&self) -> PathBuf {
        self.state.join("run")
    }

    /// A member's log.
    pub fn log(&self, member: &str) -> PathBuf {
        self.state.join("log").join(member)
    }

    /// A program of the virtual environment that holds Patroni.
    pub fn python_program(&self, name: &str) -> PathBuf {
        self.cache.join("venv/bin").join(name)
    }

    /// A tool of ours.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.tools.join(name)
    }
}

/// The path as text; the files that name it are text.
pub fn text(path: &Path) -> Result<&str> {
    let plain = path.to_str().filter(|p| !p.contains(|c: char| c.is_control() || "\"'\\$`".contains(c)));
    plain.ok_or_else(|| {
        Error::config(format!("the path {} holds characters that configuration files can't", path.display()))
            .hint("Choose another folder with FLOTILLA_STATE.")
    })
}

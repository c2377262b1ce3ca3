//! Targets: names in the topology, and the lines that carry them through pipes.

mod index;
mod lines;

use std::collections::HashSet;
use std::io::{self, IsTerminal as _};

use serde_json::{Map, Value};

pub use self::lines::{read, read_with_lines};

use self::index::Index;
use crate::config::{Balancer, Config, Etcd, Node, Pooler, Redis, Shard};
use crate::error::{Code, Error, Result};

/// What a target is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A shard as a whole.
    Shard(Box<Shard>),
    /// One PostgreSQL server of a shard.
    Node {
        /// The shard that it belongs to.
        shard: Box<Shard>,
        /// The server.
        node: Node,
    },
    /// A connection pooler.
    Pooler(Pooler),
    /// A load balancer.
    Balancer(Balancer),
    /// A member of the consensus store.
    Etcd(Etcd),
    /// A Redis server.
    Redis(Redis),
}

/// One thing to work on.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name in the topology.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Set when the line that named it came with a failure from the tool before.
    pub upstream_failure: Option<String>,
    /// The JSON objects of the input lines that named it, in their order; a bare name is none. Only kept
    /// by [`read_with_lines`], for a verb that reads back what a plan wrote: rows by the million may
    /// name the same target.
    pub lines: Vec<Map<String, Value>>,
}

impl Target {
    fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, upstream_failure: None, lines: Vec::new() }
    }

    /// The word for what it is, as `--kind` takes it.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Shard(_) => "shard",
            Kind::Node { .. } => "node",
            Kind::Pooler(_) => "pooler",
            Kind::Balancer(_) => "balancer",
            Kind::Etcd(_) => "etcd",
            Kind::Redis(_) => "redis",
        }
    }

    /// The shard that it is or belongs to.
    pub fn shard(&self) -> Option<&Shard> {
        match &self.kind {
            Kind::Shard(shard) | Kind::Node { shard, .. } => Some(shard),
            _ => None,
        }
    }

    /// The error that a line from a failed tool is passed on with.
    pub fn upstream_error(&self) -> Option<Error> {
        let status = self.upstream_failure.as_ref()?;
        Some(
            Error::new(
                Code::UpstreamFailed,
                format!("the line arrived with status \"{status}\"; nothing was done here"),
            )
            .hint("Look at the line that the tool before wrote about this target."),
        )
    }
}

/// Every target of the topology, in its order: shards with their nodes, then the rest.
pub fn all(config: &Config) -> Vec<Target> {
    let mut targets = Vec::new();
    for shard in &config.shards {
        targets.push(Target::new(&shard.name, Kind::Shard(Box::new(shard.clone()))));
        for node in &shard.nodes {
            let kind = Kind::Node { shard: Box::new(shard.clone()), node: node.clone() };
            targets.push(Target::new(&node.name, kind));
        }
    }
    targets.extend(config.poolers.iter().map(|p| Target::new(&p.name, Kind::Pooler(p.clone()))));
    targets.extend(config.balancers.iter().map(|b| Target::new(&b.name, Kind::Balancer(b.clone()))));
    targets.extend(config.etcd.iter().map(|e| Target::new(&e.name, Kind::Etcd(e.clone()))));
    targets.extend(config.redis.iter().map(|r| Target::new(&r.name, Kind::Redis(r.clone()))));
    targets
}

/// Every shard, as targets.
pub fn shards(config: &Config) -> Vec<Target> {
    config.shards.iter().map(|s| Target::new(&s.name, Kind::Shard(Box::new(s.clone())))).collect()
}

/// The targets of these names, each once, in this order.
pub fn named(config: &Config, names: &[String]) -> Result<Vec<Target>> {
    let index = Index::new(config);
    let mut seen = HashSet::new();
    let new = names.iter().filter(|name| seen.insert(name.as_str()));
    new.map(|name| index.target(name)).collect()
}

/// Standard input, when a tool before this one may be writing target lines to it.
pub fn piped_stdin() -> Option<io::StdinLock<'static>> {
    use rustix::fs::{FileType, fstat};
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return None;
    }
    // /dev/null is how people say "no input"; a closed descriptor is none at all.
    match fstat(&stdin) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice => Some(stdin.lock()),
        _ => None,
    }
}

//! Targets: names in the topology, and the lines that carry them through pipes.

use std::collections::HashSet;
use std::io::{self, IsTerminal as _, Read};

use serde_json::Value;

use crate::config::{Balancer, Config, Etcd, Node, Pooler, Redis, Shard};
use crate::error::{Code, Error, Result};
use crate::input::{self, Lines};

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
}

impl Target {
    fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, upstream_failure: None }
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
    pub(crate) fn upstream_error(&self) -> Option<Error> {
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
    let mut seen = HashSet::new();
    let new = names.iter().filter(|name| seen.insert(name.as_str()));
    new.map(|name| find(config, name).ok_or_else(|| unknown(name))).collect()
}

/// The target of this name. Only what is found is copied: a thousand names of a thousand targets must
/// not make a million copies.
fn find(config: &Config, name: &str) -> Option<Target> {
    for shard in &config.shards {
        if shard.name == name {
            return Some(Target::new(name, Kind::Shard(Box::new(shard.clone()))));
        }
        if let Some(node) = shard.nodes.iter().find(|node| node.name == name) {
            return Some(Target::new(name, Kind::Node { shard: Box::new(shard.clone()), node: node.clone() }));
        }
    }
    let pooler = config.poolers.iter().find(|p| p.name == name).map(|p| Kind::Pooler(p.clone()));
    let kind = pooler
        .or_else(|| config.balancers.iter().find(|b| b.name == name).map(|b| Kind::Balancer(b.clone())))
        .or_else(|| config.etcd.iter().find(|e| e.name == name).map(|e| Kind::Etcd(e.clone())))
        .or_else(|| config.redis.iter().find(|r| r.name == name).map(|r| Kind::Redis(r.clone())))?;
    Some(Target::new(name, kind))
}

fn unknown(name: &str) -> Error {
    Error::new(Code::UnknownTarget, format!("there is no target {name:?} in the topology"))
        .hint("`shardctl targets` lists what there is.")
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

/// Reads target lines: JSON objects with a `target` key, or bare names. All are checked before any
/// is worked on; an empty pipe is an error, for a crashed tool leaves one.
pub fn read(config: &Config, source: impl Read) -> Result<Vec<Target>> {
    let mut lines = Lines::new(source);
    let mut targets: Vec<Target> = Vec::new();
    while let Some(line) =
        lines.next_line().map_err(|e| Error::new(Code::Io, "could not read standard input").source(e))?
    {
        let number = line.number;
        let text = input::text(line.bytes?, number)?.trim();
        if text.is_empty() {
            continue;
        }
        let target = parse(config, text, number)?;
        match targets.iter_mut().find(|t| t.name == target.name) {
            // One bad line about a target outweighs its good ones.
            Some(known) if known.upstream_failure.is_none() => known.upstream_failure = target.upstream_failure,
            Some(_) => {}
            None => targets.push(target),
        }
    }
    if targets.is_empty() {
        return Err(Error::new(Code::NoTargets, "no target came through the pipe; nothing was touched")
            .hint("Did the tool before fail? Name targets with -t NAME, or give --all."));
    }
    Ok(targets)
}

fn parse(config: &Config, text: &str, number: u64) -> Result<Target> {
    if !text.starts_with('{') {
        return one(config, text, number);
    }
    let map = input::object(text, number)?;
    input::check_major(&map, number)?;
    let Some(name) = map.get("target").and_then(Value::as_str) else {
        return Err(Error::input(format!("line {number} has no \"target\""))
            .hint("Lines for this verb name a target, for example {\"target\":\"s0\"}."));
    };
    let mut target = one(config, name, number)?;
    target.upstream_failure = match map.get("status") {
        None => None,
        Some(Value::String(status)) if status == "ok" || status == "planned" => None,
        Some(Value::String(status)) => Some(status.clone()),
        Some(other) => Some(other.to_string()),
    };
    Ok(target)
}

fn one(config: &Config, name: &str, number: u64) -> Result<Target> {
    let found = named(config, std::slice::from_ref(&name.to_owned()));
    found.map(|mut t| t.remove(0)).map_err(|e| e.within(format_args!("line {number}")))
}

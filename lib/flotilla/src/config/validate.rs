//! Checks that span keys: what can't be right is refused before anything is touched.

use std::collections::HashMap;

use super::Config;
use crate::availability;
use crate::error::{Error, Result};
use crate::pg::SslMode;
use crate::placement::{BucketRange, BucketSet};

/// Refuses a topology that can't be right.
pub(super) fn check(config: &Config) -> Result<()> {
    let at = config.path.display();
    name(&at, "cluster", &config.cluster.name)?;
    if config.cluster.dbname.is_empty() || config.cluster.dbname.contains('\0') {
        return Err(Error::config(format!("{at}: cluster.dbname is empty")).hint("Name the database of every shard."));
    }
    if let Some(mode) = &config.connect.sslmode {
        mode.parse::<SslMode>()
            .map_err(|e| Error::config(format!("{at}: {}", e.message())).hint(e.record().hint.unwrap_or_default()))?;
    }
    names_are_unique(config)?;
    addresses_are_unique(config)?;
    for shard in &config.shards {
        if shard.nodes.is_empty() {
            return Err(Error::config(format!("{at}: shard \"{}\" has no nodes", shard.name))
                .hint("Add [[shards.nodes]] with name, host and port."));
        }
        availability::promise(&at, shard)?;
    }
    poolers_on_nodes(config)?;
    exporters(config)?;
    initial_buckets(config)?;
    if config.health.sslcert.is_some() != config.health.sslkey.is_some() {
        return Err(Error::config(format!("{at}: of health.sslcert and health.sslkey only one is set"))
            .hint("A certificate and its key go together."));
    }
    if config.patroni.sslcert.is_some() != config.patroni.sslkey.is_some() {
        return Err(Error::config(format!("{at}: of patroni.sslcert and patroni.sslkey only one is set"))
            .hint("A certificate and its key go together."));
    }
    if config.drill.command.as_ref().is_some_and(|command| command.first().is_none_or(String::is_empty)) {
        return Err(Error::config(format!("{at}: drill.command is empty"))
            .hint("Name the program that breaks and mends, and its first arguments."));
    }
    super::archive::check(config)?;
    super::health::check(config)?;
    super::standby::check(config)
}

/// Poolers stand before the balancers or behind them, all of them alike; behind, one on every node.
fn poolers_on_nodes(config: &Config) -> Result<()> {
    if !config.poolers_are_on_nodes() {
        return Ok(());
    }
    let at = config.path.display();
    let nodes: Vec<&str> = config.shards.iter().flat_map(|s| &s.nodes).map(|n| n.name.as_str()).collect();
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for pooler in &config.poolers {
        let Some(node) = pooler.node.as_deref() else {
            return Err(Error::config(format!("{at}: pooler \"{}\" is on no node, but others are", pooler.name))
                .hint("Give every pooler its node, or none."));
        };
        if !nodes.contains(&node) {
            return Err(Error::config(format!("{at}: pooler \"{}\": there is no node \"{node}\"", pooler.name))
                .hint("Name a node of a shard."));
        }
        if let Some(other) = seen.insert(node, &pooler.name) {
            return Err(Error::config(format!(
                "{at}: poolers \"{other}\" and \"{}\" are both on node \"{node}\"",
                pooler.name
            ))
            .hint("One pooler on a node; more processes share its port by so_reuseport."));
        }
    }
    match nodes.iter().find(|node| !seen.contains_key(*node)) {
        Some(node) => Err(Error::config(format!("{at}: node \"{node}\" has no pooler, but others have"))
            .hint("Balancers lead to the poolers on the nodes; add one to [[poolers]].")),
        None => Ok(()),
    }
}

fn exporters(config: &Config) -> Result<()> {
    let at = config.path.display();
    for exporter in &config.exporters {
        let rest = exporter.url.strip_prefix("http://").or_else(|| exporter.url.strip_prefix("https://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains('@') || rest.contains(char::is_whitespace)) {
            return Err(Error::config(format!("{at}: {:?} is not the URL of an exporter", exporter.url))
                .hint("Write it as \"http://127.0.0.1:9187/metrics\", without a password."));
        }
        if let Some(of) = &exporter.of
            && !crate::target::all(config).iter().any(|target| target.name == *of)
        {
            return Err(Error::config(format!("{at}: an exporter is of \"{of}\", which is no target"))
                .hint("`shardctl targets` lists what there is."));
        }
    }
    Ok(())
}

pub(super) fn name(at: &dyn std::fmt::Display, what: &str, name: &str) -> Result<()> {
    let good = !name.is_empty()
        && name.len() <= 63
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && name.as_bytes()[0].is_ascii_alphanumeric();
    if good {
        return Ok(());
    }
    Err(Error::config(format!("{at}: {what} name {name:?} is not a name"))
        .hint("Use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit."))
}

fn names_are_unique(config: &Config) -> Result<()> {
    let at = config.path.display();
    let mut seen: HashMap<String, &str> = HashMap::new();
    let shards = config.shards.iter().map(|s| ("shard", &s.name));
    let nodes = config.shards.iter().flat_map(|s| &s.nodes).map(|n| ("node", &n.name));
    let poolers = config.poolers.iter().map(|p| ("pooler", &p.name));
    let balancers = config.balancers.iter().map(|b| ("balancer", &b.name));
    let etcd = config.etcd.iter().map(|e| ("etcd", &e.name));
    let redis = config.redis.iter().map(|r| ("redis", &r.name));
    let standbys = config.standby_clusters.iter().flat_map(|cluster| {
        let nodes = cluster.nodes.iter().map(|node| ("standby cluster's node", &node.name));
        std::iter::once(("standby cluster", &cluster.name)).chain(nodes)
    });
    for (kind, target) in shards.chain(nodes).chain(poolers).chain(balancers).chain(etcd).chain(redis).chain(standbys) {
        name(&at, kind, target)?;
        if let Some(other) = seen.insert(target.clone(), kind) {
            return Err(Error::config(format!("{at}: the name \"{target}\" is both a {other} and a {kind}"))
                .hint("Every target needs a name of its own."));
        }
    }
    Ok(())
}

/// Two nodes at one address would be one server counted twice.
fn addresses_are_unique(config: &Config) -> Result<()> {
    let mut seen: HashMap<(String, u16), &str> = HashMap::new();
    let standbys = config.standby_clusters.iter().flat_map(|cluster| &cluster.nodes);
    for node in config.shards.iter().flat_map(|s| &s.nodes).chain(standbys) {
        let host = node.hostaddr.map_or_else(|| node.host.clone(), |a| a.to_string());
        if let Some(other) = seen.insert((host.clone(), node.port), &node.name) {
            return Err(Error::config(format!(
                "{}: nodes \"{other}\" and \"{}\" are both at {host}, port {}",
                config.path.display(),
                node.name,
                node.port
            ))
            .hint("Give each node its own address."));
        }
    }
    Ok(())
}

/// The first assignment of buckets: every one once, or left to an even split.
fn initial_buckets(config: &Config) -> Result<()> {
    let at = config.path.display();
    let given: Vec<_> = config.shards.iter().filter_map(|s| Some((s, s.initial_buckets.as_ref()?))).collect();
    if given.is_empty() {
        return Ok(());
    }
    if let Some(without) = config.shards.iter().find(|s| s.initial_buckets.is_none()) {
        return Err(Error::config(format!("{at}: shard \"{}\" has no initial_buckets, but others have", without.name))
            .hint("Give every shard its ranges, or none for an even split."));
    }
    let buckets = config.cluster.buckets;
    let mut ranges: Vec<BucketRange> = Vec::new();
    for (shard, texts) in given {
        for text in texts {
            let range = BucketRange::parse(text, buckets);
            ranges.push(range.map_err(|e| e.within(format_args!("{at}: shard \"{}\"", shard.name)))?);
        }
    }
    let doubled = BucketSet::doubled(&ranges);
    if !doubled.is_empty() {
        return Err(Error::config(format!("{at}: buckets {doubled} stand in more than one place of initial_buckets"))
            .hint("Every bucket needs exactly one shard."));
    }
    let gaps = BucketSet::new(ranges).gaps(buckets);
    if !gaps.is_empty() {
        return Err(Error::config(format!("{at}: buckets {gaps} are in no shard's initial_buckets"))
            .hint("Every bucket needs exactly one shard."));
    }
    Ok(())
}

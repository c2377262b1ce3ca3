//! Checks that span keys: what can't be right is refused before anything is touched.

use std::collections::HashMap;

use super::Config;
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
    }
    initial_buckets(config)?;
    super::archive::check(config)?;
    super::standby::check(config)
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

//! The map as one small versioned JSON file, for applications, caches and other machines.

use std::collections::HashSet;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Comparison, Owner, OwnershipMap};
use crate::config::{Balancer, Config, Node, Pooler};
use crate::error::{Error, Result};
use crate::placement::{BucketRange, BucketSet, Buckets, KeyType};

/// The value of `schema`.
const SCHEMA: &str = "shardctl.map/1";

/// The file. Holds addresses and ownership, never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MapFile {
    /// `shardctl.map/1`; a reader refuses any other major version.
    pub schema: String,
    /// The cluster's name.
    pub cluster: String,
    /// How many buckets there are: a power of two.
    pub buckets: u32,
    /// The type of the shard key.
    pub key_type: KeyType,
    /// The epoch, as a decimal string; higher is newer.
    pub epoch: String,
    /// Every shard.
    pub shards: Vec<ShardEntry>,
}

/// One shard in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardEntry {
    /// Its name.
    pub name: String,
    /// The buckets that it owns: first and last of each range.
    pub ranges: Vec<(u32, u32)>,
    /// Where to write, in the order to try: the poolers; where there are none, the server that was the
    /// primary when the map was made, and no other, for a router doesn't ask a server for its role.
    pub write: Vec<Address>,
    /// Where to read from replicas, in the order to try; empty where there are none. Without poolers the
    /// primary is the last of them, so that reads go on with the last node standing.
    pub read: Vec<Address>,
}

/// One address to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    /// The name that TLS verifies, or the folder of a Unix socket.
    pub host: String,
    /// The address to dial instead of resolving the name.
    pub hostaddr: Option<String>,
    /// The port.
    pub port: u16,
    /// The database.
    pub dbname: String,
}

impl MapFile {
    /// The file of what the shards say, with the addresses of the topology: the poolers, or the nodes
    /// where there are none.
    pub fn new(comparison: &Comparison, config: &Config) -> Self {
        let map = &comparison.map;
        let shards = map.shards().iter().zip(&comparison.primaries).enumerate().map(|(at, (name, primary))| {
            let ranges = map.owned_by(at).ranges().iter().map(|r| (r.first().get(), r.last().get())).collect();
            let shard = config.shards.iter().find(|shard| shard.name == *name);
            let pooled = |suffix: &str| -> Vec<Address> {
                let dbname = format!("{name}{suffix}");
                if !config.poolers_are_on_nodes() {
                    return config.poolers.iter().map(|p| pooled(p, dbname.clone())).collect();
                }
                // Poolers on the nodes are found through the balancers, which know the roles.
                let port = shard.and_then(|s| if suffix.is_empty() { s.write_port } else { s.read_port });
                let balanced = |port| config.balancers.iter().map(move |b| (b, port));
                let balancers = port.into_iter().flat_map(balanced);
                balancers.map(|(b, port)| balancer(b, port, dbname.clone())).collect()
            };
            if config.poolers.is_empty() {
                let (write, read) = direct(config, name, primary.as_deref());
                return ShardEntry { name: name.clone(), ranges, write, read };
            }
            let replicas = shard.is_some_and(|s| s.nodes.len() > 1);
            let read = if replicas { pooled("_ro") } else { Vec::new() };
            ShardEntry { name: name.clone(), ranges, write: pooled(""), read }
        });
        Self {
            schema: SCHEMA.to_owned(),
            cluster: map.cluster().to_owned(),
            buckets: map.buckets().get(),
            key_type: map.key_type(),
            epoch: map.epoch().to_string(),
            shards: shards.collect(),
        }
    }

    /// The map in a file, if a router may follow it: every bucket owned exactly once.
    pub fn map(&self) -> Result<OwnershipMap> {
        if self.schema != SCHEMA {
            return Err(Error::input(format!("the map is of schema \"{}\", not {SCHEMA}", self.schema))
                .hint("Export it again with this release's `shardctl map --export`."));
        }
        let buckets = Buckets::new(self.buckets)?;
        let epoch = self.epoch.parse::<i64>().ok().filter(|epoch| *epoch >= 0 && epoch.to_string() == self.epoch);
        let epoch = epoch.ok_or_else(|| {
            Error::input(format!("the map's epoch {:?} is not a decimal number", self.epoch))
                .hint("Export it again with `shardctl map --export`.")
        })?;
        let names: HashSet<&str> = self.shards.iter().map(|shard| shard.name.as_str()).collect();
        if names.len() < self.shards.len() || self.shards.len() > buckets.get() as usize {
            return Err(Error::input("the map has two shards of one name, or more shards than buckets")
                .hint("Export it again with `shardctl map --export`."));
        }
        let mut ranges = Vec::new();
        let mut owners = vec![Owner::Nobody; buckets.get() as usize];
        for (at, shard) in (0..=u16::MAX).zip(&self.shards) {
            for (first, last) in &shard.ranges {
                let range = BucketRange::new(*first, *last, buckets)?;
                ranges.push(range);
                range.iter().for_each(|b| owners[b.index()] = Owner::Shard(at));
            }
        }
        let doubled = BucketSet::doubled(&ranges);
        let gaps = BucketSet::new(ranges).gaps(buckets);
        if !doubled.is_empty() || !gaps.is_empty() {
            let what = if doubled.is_empty() {
                format!("gives buckets {gaps} to no shard")
            } else {
                format!("gives buckets {doubled} to two shards")
            };
            return Err(Error::input(format!("the map {what}")).hint("Export it again with `shardctl map --export`."));
        }
        Ok(OwnershipMap {
            cluster: self.cluster.clone(),
            buckets,
            key_type: self.key_type,
            epoch,
            shards: self.shards.iter().map(|s| s.name.clone()).collect(),
            owners,
        })
    }
}

/// Reads a map from a file.
pub fn read_file(path: &Path) -> Result<OwnershipMap> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::config(format!("could not read the map {}", path.display())).source(e))?;
    let file: MapFile = serde_json::from_str(&text).map_err(|e| {
        Error::config(format!("{} is not a shard map", path.display()))
            .source(e)
            .hint("Export one with `shardctl map --export`.")
    })?;
    file.map().map_err(|e| e.within(path.display()))
}

fn balancer(balancer: &Balancer, port: u16, dbname: String) -> Address {
    Address { host: balancer.host.clone(), hostaddr: balancer.hostaddr.map(|a| a.to_string()), port, dbname }
}

fn pooled(pooler: &Pooler, dbname: String) -> Address {
    let hostaddr = pooler.hostaddr.map(|a| a.to_string());
    Address { host: pooler.host.clone(), hostaddr, port: pooler.port, dbname }
}

/// The servers of a shard themselves: where to write, where to read.
fn direct(config: &Config, shard: &str, primary: Option<&str>) -> (Vec<Address>, Vec<Address>) {
    let nodes = config.shards.iter().filter(|s| s.name == shard).flat_map(|s| &s.nodes);
    let (write, replicas): (Vec<&Node>, Vec<&Node>) = nodes.partition(|node| Some(&*node.name) == primary);
    let address = |node: &Node| Address {
        host: node.host.clone(),
        hostaddr: node.hostaddr.map(|a| a.to_string()),
        port: node.port,
        dbname: config.cluster.dbname.clone(),
    };
    let write: Vec<Address> = write.into_iter().map(address).collect();
    let mut read: Vec<Address> = replicas.into_iter().map(address).collect();
    if !read.is_empty() {
        read.extend(write.iter().cloned());
    }
    (write, read)
}

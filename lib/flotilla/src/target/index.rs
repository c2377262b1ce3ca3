//! What each name of the topology stands for.
//!
//! Only what is asked for is copied: a thousand names of a thousand targets must neither make a million
//! copies nor compare a million names.

use std::collections::HashMap;

use super::{Kind, Target};
use crate::config::{Balancer, Config, Etcd, Node, Pooler, Redis, Shard, StandbyCluster};
use crate::error::{Code, Error, Result};

/// The names of a topology.
pub(super) struct Index<'a>(HashMap<&'a str, Place<'a>>);

#[derive(Clone, Copy)]
enum Place<'a> {
    Shard(&'a Shard),
    Node(&'a Shard, &'a Node),
    Pooler(&'a Pooler),
    Balancer(&'a Balancer),
    Etcd(&'a Etcd),
    Redis(&'a Redis),
    /// No target; known so that it isn't called unknown.
    Standby(&'a StandbyCluster),
}

impl<'a> Index<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        let mut places = HashMap::new();
        for shard in &config.shards {
            places.insert(shard.name.as_str(), Place::Shard(shard));
            places.extend(shard.nodes.iter().map(|node| (node.name.as_str(), Place::Node(shard, node))));
        }
        places.extend(config.poolers.iter().map(|p| (p.name.as_str(), Place::Pooler(p))));
        places.extend(config.balancers.iter().map(|b| (b.name.as_str(), Place::Balancer(b))));
        places.extend(config.etcd.iter().map(|e| (e.name.as_str(), Place::Etcd(e))));
        places.extend(config.redis.iter().map(|r| (r.name.as_str(), Place::Redis(r))));
        for cluster in &config.standby_clusters {
            let names = cluster.nodes.iter().map(|node| &node.name).chain([&cluster.name]);
            places.extend(names.map(|name| (name.as_str(), Place::Standby(cluster))));
        }
        Self(places)
    }

    /// The target of this name.
    pub(super) fn target(&self, name: &str) -> Result<Target> {
        let kind = match self.0.get(name) {
            Some(Place::Shard(shard)) => Kind::Shard(Box::new((*shard).clone())),
            Some(Place::Node(shard, node)) => Kind::Node { shard: Box::new((*shard).clone()), node: (*node).clone() },
            Some(Place::Pooler(pooler)) => Kind::Pooler((*pooler).clone()),
            Some(Place::Balancer(balancer)) => Kind::Balancer((*balancer).clone()),
            Some(Place::Etcd(etcd)) => Kind::Etcd((*etcd).clone()),
            Some(Place::Redis(redis)) => Kind::Redis((*redis).clone()),
            Some(Place::Standby(cluster)) => {
                let what =
                    format!("{name:?} belongs to a standby cluster of shard \"{}\" and is no target", cluster.shard);
                return Err(Error::new(Code::UnknownTarget, what).hint(
                    "It follows the archive and takes no work; promoted, it is a target by the topology of its region.",
                ));
            }
            None => {
                return Err(Error::new(Code::UnknownTarget, format!("there is no target {name:?} in the topology"))
                    .hint("`shardctl targets` lists what there is."));
            }
        };
        Ok(Target::new(name, kind))
    }
}

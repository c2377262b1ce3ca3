//! The faults: what each strikes, how long it lasts, and what must follow.

use std::time::Duration;

use clap::ValueEnum;
use flotilla::availability::Failover;
use flotilla::config::{Config, Shard};
use flotilla::error::{Error, Result};

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// PostgreSQL of the leader is killed; its Patroni lives
    PostgresDies,
    /// PostgreSQL and Patroni of the leader are killed; the supervisor starts them again
    NodeCrashes,
    /// PostgreSQL and Patroni of the leader are killed with their supervisor: nothing starts them again
    NodeDies,
    /// The host of the leader dies, with everything on it
    HostDies,
    /// Patroni of the leader is killed over a living PostgreSQL, and nothing starts it again
    PatroniDies,
    /// Patroni of the leader is killed; the supervisor starts it again
    PatroniCrashes,
    /// All processes of the leader stand still, and go on later
    HostFreezes,
    /// Nothing reaches the leader's host, and nothing leaves it
    HostCutOff,
    /// The host of a replica dies
    ReplicaDies,
    /// One member of etcd dies
    EtcdDies,
    /// All members of etcd die
    EtcdsDie,
    /// One pooler dies
    PoolerDies,
    /// One balancer dies
    BalancerDies,
    /// The lead is moved on purpose
    Switchover,
}

impl Fault {
    /// The word for it, also for the program that breaks and mends.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whom it strikes.
    pub(super) fn strikes(self, config: &Config, shard: &Shard, leader: &str) -> Result<Vec<String>> {
        let first = |kind: &str, names: Vec<String>| match names.into_iter().next() {
            Some(name) => Ok(vec![name]),
            None => Err(Error::refused(format!("the topology has no {kind} that could die; nothing was touched"))
                .hint("Choose another --fault.")),
        };
        match self {
            Self::ReplicaDies => {
                let replicas = shard.nodes.iter().map(|node| node.name.clone()).filter(|name| name != leader);
                first("replica", replicas.collect())
            }
            Self::EtcdDies => first("etcd", config.etcd.iter().map(|one| one.name.clone()).collect()),
            Self::EtcdsDie if config.etcd.is_empty() => first("etcd", Vec::new()),
            Self::EtcdsDie => Ok(config.etcd.iter().map(|one| one.name.clone()).collect()),
            // The first is the one that clients take first.
            Self::PoolerDies => first("pooler", config.poolers.iter().map(|one| one.name.clone()).collect()),
            Self::BalancerDies => first("balancer", config.balancers.iter().map(|one| one.name.clone()).collect()),
            _ => Ok(vec![leader.to_owned()]),
        }
    }

    /// Whether another node must lead before it may be mended.
    pub(super) fn moves_the_lead(self) -> bool {
        matches!(
            self,
            Self::NodeDies
                | Self::HostDies
                | Self::PatroniDies
                | Self::HostFreezes
                | Self::HostCutOff
                | Self::Switchover
        )
    }

    /// How long it lasts at least. All of etcd is away for longer than any lease.
    pub(super) fn lasts(self, shard: &Shard) -> Duration {
        match self {
            Self::EtcdsDie => Duration::from_secs(u64::from(Failover::of(shard).ttl) + 10),
            _ => Duration::from_secs(3),
        }
    }
}

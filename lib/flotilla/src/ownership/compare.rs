//! Comparing what all shards say: every bucket owned exactly once, at one epoch.

use serde::Serialize;

use super::{Owner, OwnershipMap};
use crate::config::Config;
use crate::error::Result;
use crate::placement::{BucketRange, BucketSet, Buckets, KeyType};

/// What a shard says about a range of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It owns them: clients may write.
    Owned,
    /// It receives them: replication may write, clients not.
    Importing,
    /// It has nothing to do with them.
    None,
}

impl State {
    /// The state of this name, as the table `flotilla.ownership` spells it.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "owned" => Some(Self::Owned),
            "importing" => Some(Self::Importing),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owned => "owned",
            Self::Importing => "importing",
            Self::None => "none",
        }
    }
}

/// One row of a shard's `flotilla.ownership`.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The buckets.
    pub range: BucketRange,
    /// What the shard says about them.
    pub state: State,
    /// The epoch at which it came to be so.
    pub epoch: i64,
}

/// Everything that one shard says.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The cluster that the shard was set up for.
    pub cluster: String,
    /// The shard of it that the server was set up as.
    pub shard: String,
    /// How many buckets it was set up with.
    pub buckets: u32,
    /// The type of its keys.
    pub key_type: String,
    /// The epoch that the shard's fences stand at.
    pub epoch: i64,
    /// The node that answered: the shard's primary.
    pub primary: String,
    /// Its rows.
    pub rows: Vec<Claim>,
}

/// A shard's name and what it says, or why it couldn't be asked.
#[derive(Debug)]
pub struct ShardClaims {
    /// The shard.
    pub shard: String,
    /// What it says.
    pub claims: Result<Claims>,
}

/// Something that isn't as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// What kind: `unowned`, `disputed`, `epoch`, `cluster`, `shard`, `buckets`, `key_type`, `unreachable`.
    pub kind: &'static str,
    /// The shards that it is about.
    pub shards: Vec<String>,
    /// The buckets that it is about, as ranges.
    pub buckets: Option<String>,
    /// What is wrong, in words.
    pub message: String,
}

/// What all shards say together.
#[derive(Debug)]
pub struct Comparison {
    /// The map; whole only without findings.
    pub map: OwnershipMap,
    /// For each shard of the map its primary, where that answered.
    pub primaries: Vec<Option<String>>,
    /// What isn't as it must be.
    pub findings: Vec<Finding>,
}

/// Compares what the shards say with each other and with the topology.
pub fn compare(config: &Config, all: &[ShardClaims]) -> Comparison {
    let (buckets, key_type) = (config.cluster.buckets, config.cluster.key_type);
    let mut findings = Vec::new();
    let mut owners = vec![Owner::Nobody; buckets.get() as usize];
    let mut disputed: Vec<(BucketRange, String, String)> = Vec::new();
    let mut epochs: Vec<(i64, &str)> = Vec::new();
    let shards: Vec<String> = all.iter().map(|s| s.shard.clone()).collect();
    for (at, shard) in (0..=u16::MAX).zip(all) {
        let claims = match &shard.claims {
            Ok(claims) => claims,
            Err(error) => {
                let message = format!("shard \"{}\" could not be asked: {}", shard.shard, error.message());
                findings.push(Finding {
                    kind: "unreachable",
                    shards: vec![shard.shard.clone()],
                    buckets: None,
                    message,
                });
                continue;
            }
        };
        let before = findings.len();
        identity(config, &shard.shard, claims, &mut findings);
        if findings.len() > before {
            // A shard of another cluster, or with other buckets, has no say about ours.
            continue;
        }
        epochs.push((claims.epoch, &shard.shard));
        for claim in claims.rows.iter().filter(|c| c.state == State::Owned) {
            for bucket in claim.range.iter() {
                let owner = &mut owners[bucket.index()];
                *owner = match *owner {
                    Owner::Nobody => Owner::Shard(at),
                    Owner::Shard(other) if other != at => {
                        disputed.push((claim.range, shards[usize::from(other)].clone(), shard.shard.clone()));
                        Owner::Disputed
                    }
                    same => same,
                };
            }
        }
    }
    owners_findings(buckets, &owners, &disputed, &mut findings);
    let epoch = epochs.iter().map(|(e, _)| *e).max().unwrap_or(0);
    let behind: Vec<&str> = epochs.iter().filter(|(e, _)| *e != epoch).map(|(_, s)| *s).collect();
    if !behind.is_empty() {
        findings.push(Finding {
            kind: "epoch",
            message: format!("the cluster is at epoch {epoch}, but {} behind", list(&behind)),
            shards: behind.iter().map(|s| (*s).to_owned()).collect(),
            buckets: None,
        });
    }
    let map = OwnershipMap { cluster: config.cluster.name.clone(), buckets, key_type, epoch, shards, owners };
    let primaries = all.iter().map(|s| Some(s.claims.as_ref().ok()?.primary.clone())).collect();
    Comparison { map, primaries, findings }
}

fn list(shards: &[&str]) -> String {
    let names = shards.iter().map(|s| format!("\"{s}\"")).collect::<Vec<_>>().join(", ");
    if shards.len() == 1 { format!("shard {names} is") } else { format!("shards {names} are") }
}

/// Whether the shard was set up for this cluster, with these buckets, for these keys.
fn identity(config: &Config, shard: &str, claims: &Claims, findings: &mut Vec<Finding>) {
    let (cluster, key_type) = (&config.cluster.name, config.cluster.key_type.name());
    let mut push = |kind, message| {
        findings.push(Finding { kind, shards: vec![shard.to_owned()], buckets: None, message });
    };
    if claims.cluster != *cluster {
        push("cluster", format!("shard \"{shard}\" belongs to cluster \"{}\", not \"{cluster}\"", claims.cluster));
    }
    if claims.shard != shard {
        push("shard", format!("the servers of shard \"{shard}\" say that they are shard \"{}\"", claims.shard));
    }
    if claims.buckets != config.cluster.buckets.get() {
        let ours = config.cluster.buckets.get();
        push("buckets", format!("shard \"{shard}\" has {} buckets, the topology says {ours}", claims.buckets));
    }
    if !same_type(&claims.key_type, config.cluster.key_type) {
        push(
            "key_type",
            format!("shard \"{shard}\" has keys of type {}, the topology says {key_type}", claims.key_type),
        );
    }
}

/// bigint and int hash alike, so they are one type to placement.
fn same_type(installed: &str, ours: KeyType) -> bool {
    let number = |name: &str| matches!(name, "bigint" | "int");
    installed == ours.name() || (number(installed) && number(ours.name()))
}

fn owners_findings(
    buckets: Buckets,
    owners: &[Owner],
    disputed: &[(BucketRange, String, String)],
    findings: &mut Vec<Finding>,
) {
    let unowned: BucketSet = buckets.iter().filter(|b| owners[b.index()] == Owner::Nobody).collect();
    if !unowned.is_empty() {
        findings.push(Finding {
            kind: "unowned",
            shards: Vec::new(),
            message: format!("buckets {unowned} are owned by no shard"),
            buckets: Some(unowned.to_string()),
        });
    }
    let twice: BucketSet = buckets.iter().filter(|b| owners[b.index()] == Owner::Disputed).collect();
    if !twice.is_empty() {
        let mut shards: Vec<String> = disputed.iter().flat_map(|(_, a, b)| [a.clone(), b.clone()]).collect();
        shards.sort();
        shards.dedup();
        findings.push(Finding {
            kind: "disputed",
            message: format!("buckets {twice} are claimed by more than one of {}", shards.join(", ")),
            shards,
            buckets: Some(twice.to_string()),
        });
    }
}

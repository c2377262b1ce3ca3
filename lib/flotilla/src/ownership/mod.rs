//! Who owns which bucket.
//!
//! The truth is on the shards, in `flotilla.ownership`. A map made from it carries the epoch and is
//! a hint: the fence in the database has the last word.

mod compare;
mod file;
mod live;

pub use compare::{Claim, Claims, Comparison, Finding, ShardClaims, State, compare};
pub use file::{MapFile, read_file};
pub use live::{for_routing, is_not_set_up, read_claims, read_live};

use crate::error::{Code, Error, Result};
use crate::placement::{Bucket, BucketSet, Buckets, KeyType};

/// For each bucket the shard that owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnershipMap {
    cluster: String,
    buckets: Buckets,
    key_type: KeyType,
    epoch: i64,
    shards: Vec<String>,
    owners: Vec<Owner>,
}

/// Who owns one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// The shard at this place in the list.
    Shard(u16),
    /// Nobody: a flip is under way, or the map has a hole.
    Nobody,
    /// More than one shard says that it does.
    Disputed,
}

impl OwnershipMap {
    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// How many buckets there are.
    pub fn buckets(&self) -> Buckets {
        self.buckets
    }

    /// The type of the shard key.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The epoch: it rises with every change of ownership.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The shards, in the topology's order.
    pub fn shards(&self) -> &[String] {
        &self.shards
    }

    /// The place in [`Self::shards`] of the bucket's owner.
    pub fn owner(&self, bucket: Bucket) -> Result<usize> {
        match self.owners[bucket.index()] {
            Owner::Shard(at) => Ok(usize::from(at)),
            Owner::Nobody => Err(Error::new(Code::NotOwner, format!("bucket {bucket} is owned by no shard"))
                .hint("If buckets are being moved, try again in a moment; otherwise look at `shardctl map`.")),
            Owner::Disputed => {
                Err(Error::new(Code::Mismatch, format!("bucket {bucket} is claimed by more than one shard"))
                    .hint("Look at `shardctl map`, then settle it with `shardctl map --reconcile`."))
            }
        }
    }

    /// The name of the bucket's owner.
    pub fn owner_name(&self, bucket: Bucket) -> Result<&str> {
        Ok(&self.shards[self.owner(bucket)?])
    }

    /// The buckets of one shard.
    pub fn owned_by(&self, shard: usize) -> BucketSet {
        let owned = |b: &Bucket| matches!(self.owners[b.index()], Owner::Shard(at) if usize::from(at) == shard);
        self.buckets.iter().filter(owned).collect()
    }

    /// Whether every bucket has exactly one owner.
    pub fn is_whole(&self) -> bool {
        self.owners.iter().all(|o| matches!(o, Owner::Shard(_)))
    }
}

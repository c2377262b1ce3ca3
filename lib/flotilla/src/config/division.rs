//! Which shard begins with which buckets.

use super::{Config, Shard};
use crate::error::Result;
use crate::placement::{BucketRange, BucketSet};

impl Config {
    /// The shard's part of the topology's division: `initial_buckets`, or an even split in file order.
    pub fn division(&self, shard: &Shard) -> Result<BucketSet> {
        let buckets = self.cluster.buckets;
        if let Some(texts) = &shard.initial_buckets {
            let ranges = texts.iter().map(|text| BucketRange::parse(text, buckets)).collect::<Result<Vec<_>>>()?;
            return Ok(BucketSet::new(ranges));
        }
        let parts = u32::try_from(self.shards.len()).unwrap_or(u32::MAX);
        let place = self.shards.iter().position(|other| other.name == shard.name);
        // More shards than buckets leave the last ones without.
        Ok(BucketSet::new(place.and_then(|place| BucketRange::even(buckets, parts).get(place).copied())))
    }
}

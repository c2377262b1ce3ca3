//! What the claims prove.

use std::collections::BTreeMap;

use flotilla::Context;
use flotilla::error::{Error, Result};
use flotilla::ownership::{Claims, ShardClaims, State, compare};
use flotilla::placement::{Bucket, BucketRange, BucketSet};

use super::holders::holders;

/// One change on one shard.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    /// The shard.
    pub(super) shard: String,
    /// The buckets; none where only the epoch rises.
    pub(super) range: Option<BucketRange>,
    /// Their state from now on.
    pub(super) state: Option<State>,
    /// The epoch from now on.
    pub(super) epoch: i64,
    /// Why.
    pub(super) because: String,
}

impl Decision {
    /// Whether the shard gains by it.
    pub(super) fn grants(&self) -> bool {
        self.state == Some(State::Owned)
    }
}

/// Decides every disagreement, or refuses to.
pub(super) async fn decide(cx: &Context, all: &[ShardClaims]) -> Result<Vec<Decision>> {
    let config = cx.config()?;
    let comparison = compare(config, all);
    let foreign = comparison.findings.iter().find(|f| matches!(f.kind, "cluster" | "shard" | "buckets" | "key_type"));
    if let Some(finding) = foreign {
        return Err(Error::refused(format!("{}; nothing was touched", finding.message))
            .hint("The topology file and the servers don't belong together; which is the right file?"));
    }
    if let Some(importing) = importing(all) {
        return Err(Error::refused(format!("shard \"{importing}\" is importing buckets; nothing was touched"))
            .hint("Let the move end, or abort it, before ownership is settled."));
    }
    if comparison.findings.is_empty() {
        return Ok(Vec::new());
    }
    let epoch = comparison.map.epoch() + 1;
    let mut decisions = losers(all, epoch)?;
    let unowned: BucketSet = config.cluster.buckets.iter().filter(|b| owners(all, *b).is_empty()).collect();
    if !unowned.is_empty() {
        let found = holders(cx, all, &unowned).await?;
        for (shard, buckets) in found {
            decisions.extend(buckets.ranges().iter().map(|range| Decision {
                shard: shard.clone(),
                range: Some(*range),
                state: Some(State::Owned),
                epoch,
                because: "nobody owned them, and only this shard holds or may hold their rows".to_owned(),
            }));
        }
    }
    for shard in all {
        if !decisions.iter().any(|d| d.shard == shard.shard) {
            let because = "every shard follows the cluster's epoch".to_owned();
            decisions.push(Decision { shard: shard.shard.clone(), range: None, state: None, epoch, because });
        }
    }
    Ok(decisions)
}

fn claims(all: &[ShardClaims]) -> impl Iterator<Item = (&str, &Claims)> {
    all.iter().filter_map(|s| Some((s.shard.as_str(), s.claims.as_ref().ok()?)))
}

fn importing(all: &[ShardClaims]) -> Option<&str> {
    claims(all).find(|(_, c)| c.rows.iter().any(|r| r.state == State::Importing)).map(|(shard, _)| shard)
}

/// The shards that say that they own a bucket, with the epochs at which they came to.
fn owners(all: &[ShardClaims], bucket: Bucket) -> Vec<(&str, i64)> {
    let owned =
        |c: &Claims| c.rows.iter().find(|r| r.state == State::Owned && r.range.contains(bucket)).map(|r| r.epoch);
    claims(all).filter_map(|(shard, c)| Some((shard, owned(c)?))).collect()
}

/// Of several owners all but the one of the highest epoch lose.
fn losers(all: &[ShardClaims], epoch: i64) -> Result<Vec<Decision>> {
    let mut lost: BTreeMap<(String, String), Vec<Bucket>> = BTreeMap::new();
    let mut tied = Vec::new();
    let buckets: BucketSet = claims(all).flat_map(|(_, c)| c.rows.iter()).flat_map(|r| r.range.iter()).collect();
    for bucket in buckets.iter() {
        let mut owners = owners(all, bucket);
        if owners.len() < 2 {
            continue;
        }
        owners.sort_by_key(|(_, epoch)| -epoch);
        if owners[0].1 == owners[1].1 {
            tied.push(bucket);
            continue;
        }
        let winner = owners[0];
        for (loser, at) in &owners[1..] {
            let because = format!("shard \"{}\" took them at epoch {}, after epoch {at} here", winner.0, winner.1);
            lost.entry(((*loser).to_owned(), because)).or_default().push(bucket);
        }
    }
    if !tied.is_empty() {
        let tied: BucketSet = tied.into_iter().collect();
        return Err(Error::refused(format!("buckets {tied} are claimed by two shards at the same epoch; nothing was touched"))
            .hint("Find out which shard holds the right rows, and revoke the other with flotilla.set_ownership(first, last, 'none', epoch)."));
    }
    let decisions = lost.into_iter().flat_map(|((shard, because), buckets)| {
        let buckets: BucketSet = buckets.into_iter().collect();
        let ranges: Vec<BucketRange> = buckets.ranges().to_vec();
        ranges.into_iter().map(move |range| Decision {
            shard: shard.clone(),
            range: Some(range),
            state: Some(State::None),
            epoch,
            because: because.clone(),
        })
    });
    Ok(decisions.collect())
}

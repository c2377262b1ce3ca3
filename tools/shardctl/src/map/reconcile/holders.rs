//! Which shard holds the rows of buckets that nobody owns.

use std::collections::BTreeMap;

use flotilla::Context;
use flotilla::error::{Error, Result};
use flotilla::ownership::{ShardClaims, State};
use flotilla::placement::{Bucket, BucketSet};
use flotilla::reach;

/// For each bucket in question the shard that must get it: the only one with rows of it, or, where no
/// shard has any, the one that owned it at the highest epoch.
pub(super) async fn holders(
    cx: &Context,
    all: &[ShardClaims],
    unowned: &BucketSet,
) -> Result<BTreeMap<String, BucketSet>> {
    let mut found: BTreeMap<Bucket, Vec<String>> = BTreeMap::new();
    for shard in all {
        for bucket in buckets_with_rows(cx, &shard.shard).await? {
            if unowned.contains(bucket) {
                found.entry(bucket).or_default().push(shard.shard.clone());
            }
        }
    }
    let twice: BucketSet = found.iter().filter(|(_, s)| s.len() > 1).map(|(b, _)| *b).collect();
    if !twice.is_empty() {
        return Err(Error::refused(format!("buckets {twice} are owned by nobody, and two shards hold rows of them; nothing was touched"))
            .hint("Was a move broken off? Compare the rows, then grant with flotilla.set_ownership(first, last, 'owned', epoch)."));
    }
    let mut grants: BTreeMap<String, Vec<Bucket>> = BTreeMap::new();
    let mut nowhere = Vec::new();
    for bucket in unowned.iter() {
        match found.get(&bucket).and_then(|s| s.first()).cloned().or_else(|| last_owner(all, bucket)) {
            Some(shard) => grants.entry(shard).or_default().push(bucket),
            None => nowhere.push(bucket),
        }
    }
    if !nowhere.is_empty() {
        let nowhere: BucketSet = nowhere.into_iter().collect();
        return Err(Error::refused(format!("nothing tells who owned buckets {nowhere}; nothing was touched")).hint(
            "Grant them with flotilla.set_ownership(first, last, 'owned', epoch) on the shard that shall have them.",
        ));
    }
    Ok(grants.into_iter().map(|(shard, buckets)| (shard, buckets.into_iter().collect())).collect())
}

/// The shard whose claim to a bucket changed last, if it stands alone.
fn last_owner(all: &[ShardClaims], bucket: Bucket) -> Option<String> {
    let claims = all.iter().filter_map(|s| Some((&s.shard, s.claims.as_ref().ok()?)));
    let rows = claims.filter_map(|(shard, c)| {
        let row = c.rows.iter().find(|r| r.range.contains(bucket) && r.state == State::None)?;
        Some((row.epoch, shard))
    });
    let mut rows: Vec<(i64, &String)> = rows.collect();
    rows.sort_by_key(|(epoch, _)| -epoch);
    match rows.as_slice() {
        [(_, only)] => Some((*only).clone()),
        [(first, shard), (second, _), ..] if first > second => Some((*shard).clone()),
        _ => None,
    }
}

/// The buckets of which a shard holds rows, over all its sharded tables.
async fn buckets_with_rows(cx: &Context, shard: &str) -> Result<Vec<Bucket>> {
    const TABLES: &str = "\
SELECT pg_catalog.format('SELECT DISTINCT flotilla.bucket(%I) FROM %s', key_column, relation) \
FROM flotilla.tables WHERE kind = 'sharded'";
    let config = cx.config()?;
    let session = cx.connect(reach::primary(config, config.shard(shard)?, &config.users.admin)?).await?;
    cx.guarded(session.canceller(), async {
        let queries = session.simple(TABLES).await?;
        let queries: Vec<&str> = queries.iter().filter_map(|r| r.get(0)).collect();
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        let rows = session.simple(&queries.join(" UNION ")).await?;
        let numbers = rows.iter().filter_map(|r| r.get(0)?.parse::<u32>().ok());
        numbers.map(|n| config.cluster.buckets.bucket(n)).collect()
    })
    .await
}

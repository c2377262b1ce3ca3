//! New ids. The shard is the authority: it hands out ticks of its own clock, so ids are unique over
//! any number of processes and never go back when a machine's clock does.

use std::time::Duration;

use flotilla::Context;
use flotilla::clock;
use flotilla::error::{Code, Error, Result};
use flotilla::ownership::{OwnershipMap, for_routing};
use flotilla::placement::{BucketSet, IdLayout, KeyType, RowId};
use flotilla::record::Line;

use super::KeyRow;
use super::ticks::reserve;

/// How many ticks are taken at once: bounds memory, and how far a shard's clock is pushed ahead.
const CHUNK: u32 = 1 << 16;

/// How the ids are made.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Row ids for the user with this key
    #[arg(
        long = "for",
        value_name = "KEY",
        required_unless_present = "user",
        conflicts_with = "user",
        allow_negative_numbers = true
    )]
    key: Option<String>,
    /// Ids of new users: each is a key that hashes to the bucket it carries
    #[arg(long)]
    user: bool,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
}

/// Takes ticks from the shards and writes the ids made of them.
pub(super) async fn run(cx: &Context, args: Args) -> Result<()> {
    let map = for_routing(cx).await?;
    match args.key {
        Some(key) => row_ids(cx, &map, &key, args.count).await,
        None => user_ids(cx, &map, args.count).await,
    }
}

async fn row_ids(cx: &Context, map: &OwnershipMap, key: &str, count: u64) -> Result<()> {
    let bucket = map.key_type().parse(key)?.bucket(map.buckets());
    let shard = map.owner(bucket)?;
    let layout = IdLayout::new(map.buckets());
    let mut left = count;
    while left > 0 {
        let n = u32::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let first = reserve(cx, &map.shards()[shard], n).await?;
        for offset in 0..n {
            write(cx, map, layout, layout.id(first.after(offset), bucket), shard)?;
        }
        left -= u64::from(n);
    }
    Ok(())
}

/// Ids of users, spread over the shards as their buckets are, in the order of time.
async fn user_ids(cx: &Context, map: &OwnershipMap, count: u64) -> Result<()> {
    if !matches!(map.key_type(), KeyType::Bigint) {
        return Err(Error::new(Code::Unsupported, format!("keys of type {} are not made here", map.key_type()))
            .hint("Only bigint keys carry their bucket; make a uuid with gen_random_uuid(), and take other keys from where they come."));
    }
    let mut left = count;
    while left > 0 {
        let now = left.min(u64::from(CHUNK));
        let mut ids: Vec<(RowId, usize)> = Vec::new();
        for (shard, share) in shares(map, now) {
            let owned = map.owned_by(shard);
            ids.extend(search(cx, map, shard, &owned, share).await?.into_iter().map(|id| (id, shard)));
        }
        ids.sort_unstable_by_key(|(id, _)| *id);
        let layout = IdLayout::new(map.buckets());
        for (id, shard) in ids {
            write(cx, map, layout, id, shard)?;
        }
        left -= now;
    }
    Ok(())
}

/// Splits `count` over the shards by the number of their buckets; the odd ones by chance, so that a
/// caller who asks for one at a time fills all shards too.
fn shares(map: &OwnershipMap, count: u64) -> Vec<(usize, usize)> {
    let total = u64::from(map.buckets().get());
    let sizes: Vec<u64> = (0..map.shards().len()).map(|s| u64::from(map.owned_by(s).len())).collect();
    let mut shares: Vec<u64> = sizes.iter().map(|size| count * size / total).collect();
    let owned: u64 = sizes.iter().sum();
    for _ in 0..count.saturating_sub(shares.iter().sum()) {
        let mut at = rand::random_range(0..owned.max(1));
        for (share, size) in shares.iter_mut().zip(&sizes) {
            if at < *size {
                *share += 1;
                break;
            }
            at -= size;
        }
    }
    let counts = shares.into_iter().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    counts.enumerate().filter(|(_, n)| *n > 0).collect()
}

/// Tries the buckets that the shard owns on ticks of its clock until `count` ids are found.
async fn search(cx: &Context, map: &OwnershipMap, shard: usize, owned: &BucketSet, count: usize) -> Result<Vec<RowId>> {
    let layout = IdLayout::new(map.buckets());
    let mut ids = Vec::with_capacity(count);
    while ids.len() < count {
        let missing = u64::try_from(count - ids.len()).unwrap_or(u64::MAX);
        // One tick in N/owned yields an id, on average; a little more than that saves a second round.
        let need = missing * u64::from(map.buckets().get()) / u64::from(owned.len().max(1));
        let n = u32::try_from(need + need / 16 + 8).unwrap_or(CHUNK).min(CHUNK);
        let first = reserve(cx, &map.shards()[shard], n).await?;
        ids.extend((0..n).flat_map(|offset| layout.user_ids(first.after(offset), owned)).take(count - ids.len()));
    }
    Ok(ids)
}

fn write(cx: &Context, map: &OwnershipMap, layout: IdLayout, id: RowId, shard: usize) -> Result<()> {
    let shard = map.shards()[shard].clone();
    let row = KeyRow { shard: Some(shard.clone()), ..row(layout, id) };
    cx.output().line(&Line::ok(Some(shard), false, row, Duration::ZERO))
}

/// What an id says by itself.
pub(super) fn row(layout: IdLayout, id: RowId) -> KeyRow {
    let parts = layout.parts(id);
    KeyRow {
        id: Some(id.to_string()),
        bucket: Some(parts.bucket.get()),
        shard: None,
        made_at: Some(clock::rfc3339(parts.at)),
        sequence: Some(parts.sequence),
    }
}

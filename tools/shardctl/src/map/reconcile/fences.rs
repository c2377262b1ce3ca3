//! Which fences of which shard don't follow its ownership.

use flotilla::Context;
use flotilla::error::{Error, Result};
use flotilla::fanout;
use flotilla::ownership::{ShardClaims, State};
use flotilla::pg::Session;
use flotilla::placement::{BucketSet, Buckets};

/// How one shard's fences stand.
#[derive(Debug)]
pub(super) struct Standing {
    /// The shard.
    pub(super) shard: String,
    /// Its epoch.
    pub(super) epoch: i64,
    /// What it owns.
    pub(super) owned: BucketSet,
    /// What its fences let through, table by table.
    pub(super) allowed: Vec<BucketSet>,
    /// The tables whose fence must be swapped, or can be proved.
    pub(super) due: Vec<String>,
}

/// Each fence with the bits that it lets through; all, where a table has none.
const BITS: &str = "\
SELECT coalesce((flotilla.fence_state(f.relation)).bits, repeat('1', flotilla.buckets())) FROM flotilla.fences AS f";

/// The tables whose fence isn't what the ownership says.
const STALE: &str = "SELECT f.relation::text FROM flotilla.fences AS f WHERE NOT f.current ORDER BY 1";

/// For each fence that is right but not proved yet: a query that names the table if nothing stands in the
/// way. A table that holds rows of others stays as it is, so it must not count as something to do.
const PROVABLE: &str = "\
SELECT format('SELECT %L WHERE NOT EXISTS (SELECT FROM %s WHERE get_bit(B%L, flotilla.bucket(%I)) = 0)', \
              f.relation::text, f.relation, flotilla.ownership_bits('owned', 'importing'), f.key_column) \
FROM flotilla.fences AS f WHERE f.current AND NOT f.validated ORDER BY f.relation::text";

/// Asks every shard.
pub(super) async fn ask(cx: &Context, claims: &[ShardClaims]) -> Result<Vec<Standing>> {
    let buckets = cx.config()?.cluster.buckets;
    let known: Vec<(String, i64, BucketSet)> = claims
        .iter()
        .filter_map(|c| Some((&c.shard, c.claims.as_ref().ok()?)))
        .map(|(shard, claims)| {
            let owned = claims.rows.iter().filter(|row| row.state == State::Owned).map(|row| row.range);
            (shard.clone(), claims.epoch, BucketSet::new(owned))
        })
        .collect();
    let standings = fanout::ask(cx, known, |(shard, epoch, owned), cx| async move {
        let session = super::connect(&cx, &shard).await?;
        let asked = async { Ok((allowed(&session, buckets).await?, due(&session).await?)) };
        let (allowed, due) = cx.guarded(session.canceller(), asked).await?;
        session.close().await;
        Ok(Standing { shard, epoch, owned, allowed, due })
    })
    .await;
    standings.into_iter().collect()
}

/// The tables whose fence must be swapped, or can be proved now.
pub(super) async fn due(session: &Session) -> Result<Vec<String>> {
    let mut due = texts(session, STALE).await?;
    for query in texts(session, PROVABLE).await? {
        due.extend(session.value(&query).await?);
    }
    Ok(due)
}

async fn allowed(session: &Session, buckets: Buckets) -> Result<Vec<BucketSet>> {
    let set = |bits: &String| {
        if bits.len() != buckets.get() as usize {
            return Err(Error::internal("a fence has another number of buckets than the cluster"));
        }
        Ok(buckets.iter().zip(bits.bytes()).filter(|(_, bit)| *bit == b'1').map(|(bucket, _)| bucket).collect())
    };
    texts(session, BITS).await?.iter().map(set).collect()
}

async fn texts(session: &Session, sql: &str) -> Result<Vec<String>> {
    Ok(session.simple(sql).await?.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect())
}

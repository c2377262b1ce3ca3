//! The buckets that a shard starts with.
//!
//! The topology says how a new cluster is divided. Once shards own buckets they hold the truth: a shard
//! that is added later starts with none, and is given some by a move.

use flotilla::Context;
use flotilla::config::{Config, Shard};
use flotilla::error::{Code, Error, Result};
use flotilla::pg::Session;
use flotilla::placement::{Bucket, BucketRange, BucketSet, Buckets};
use flotilla::reach;

/// What a shard without ownership would be given.
#[derive(Debug)]
struct Share {
    owned: BucketSet,
    epoch: i64,
}

/// What another shard says; nothing where it isn't set up.
#[derive(Debug, Default)]
struct Others {
    claimed: BucketSet,
    epoch: i64,
}

const EXISTS: &str = "SELECT to_regclass('flotilla.ownership')";
const CLAIMED: &str = "SELECT first_bucket, last_bucket FROM flotilla.ownership WHERE state <> 'none'";
const OWNED: &str = "SELECT first_bucket, last_bucket FROM flotilla.ownership WHERE state = 'owned'";

/// Works out the share of a shard: its part of the topology's division, less what others claim. Past
/// the first epoch the cluster has its own history, and a new shard's share is nothing.
async fn share(cx: &Context, shard: &Shard) -> Result<Share> {
    let config = cx.config()?;
    let mut others = Others { epoch: 1, ..Others::default() };
    for other in config.shards.iter().filter(|other| other.name != shard.name) {
        let said = ask(cx, other).await.map_err(|e| {
            Error::new(e.code(), format!("shard \"{}\" could not be asked what it owns: {}", other.name, e.message()))
                .hint("A new shard gets its first buckets only when all others can say what they own.")
                .source(e)
        })?;
        others.claimed = BucketSet::new(others.claimed.ranges().iter().chain(said.claimed.ranges()).copied());
        others.epoch = others.epoch.max(said.epoch);
    }
    let owned = if others.epoch > 1 {
        BucketSet::default()
    } else {
        let part = config.division(shard)?;
        part.iter().filter(|bucket: &Bucket| !others.claimed.contains(*bucket)).collect()
    };
    Ok(Share { owned, epoch: others.epoch })
}

async fn ask(cx: &Context, other: &Shard) -> Result<Others> {
    let config = cx.config()?;
    let session = cx.connect(reach::primary(config, other, &config.users.admin)?).await?;
    let said = cx
        .guarded(session.canceller(), async {
            if session.value(EXISTS).await?.is_none() {
                return Ok(Others { epoch: 1, ..Others::default() });
            }
            let claimed = ranges(&session, CLAIMED, config.cluster.buckets).await?;
            Ok(Others { claimed, epoch: epoch(&session).await? })
        })
        .await?;
    session.close().await;
    Ok(said)
}

/// Gives the shard its share, unless it has ownership already; whether it did.
pub(super) async fn seed(cx: &Context, session: &Session, shard: &Shard) -> Result<bool> {
    if session.value("SELECT true FROM flotilla.ownership LIMIT 1").await?.is_some() {
        return Ok(false);
    }
    let Share { owned, epoch } = share(cx, shard).await?;
    session.simple(&format!("SELECT flotilla.advance_epoch({epoch})")).await?;
    let sql = format!("SELECT flotilla.seed_ownership('{}')", multirange(&owned));
    Ok(session.value(&sql).await?.as_deref() == Some("t"))
}

/// What the shard owns, and its epoch.
pub(super) async fn current(session: &Session, config: &Config) -> Result<(BucketSet, String)> {
    Ok((ranges(session, OWNED, config.cluster.buckets).await?, epoch(session).await?.to_string()))
}

async fn epoch(session: &Session) -> Result<i64> {
    Ok(session.query_one("SELECT flotilla.epoch()", &[]).await?.get(0))
}

async fn ranges(session: &Session, sql: &str, buckets: Buckets) -> Result<BucketSet> {
    let rows = session.query(sql, &[]).await?;
    let range = |row: &tokio_postgres::Row| {
        let number = |at: usize| u32::try_from(row.get::<_, i32>(at)).unwrap_or(u32::MAX);
        BucketRange::new(number(0), number(1), buckets).map_err(|e| {
            Error::new(Code::Mismatch, format!("the shard's ownership doesn't fit the topology: {}", e.message()))
                .hint("Is cluster.buckets in flotilla.toml the count that the cluster was set up with?")
        })
    };
    Ok(BucketSet::new(rows.iter().map(range).collect::<Result<Vec<_>>>()?))
}

/// The set as PostgreSQL writes an `int4multirange`.
fn multirange(set: &BucketSet) -> String {
    let spans: Vec<String> = set.ranges().iter().map(|range| format!("[{},{}]", range.first(), range.last())).collect();
    format!("{{{}}}", spans.join(","))
}

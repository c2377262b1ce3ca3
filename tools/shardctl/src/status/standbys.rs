//! Standby clusters in other regions: what each would lose if it took over now.

use std::time::{Duration, Instant};

use flotilla::Context;
use flotilla::config::{Config, StandbyCluster};
use flotilla::error::{Code, Error, Result};
use flotilla::fanout;
use flotilla::pg::{Endpoint, Session};
use flotilla::reach;
use flotilla::record::{Line, Record};
use schemars::JsonSchema;
use serde::Serialize;

/// One standby cluster. Its target is the shard that it follows, for it is none itself.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct StandbyStatus {
    /// The standby cluster.
    cluster: Option<String>,
    /// The store of archives that it restores from.
    store: Option<String>,
    /// The server that answered; of several that follow, the one that is furthest.
    node: Option<String>,
    /// The position up to which it has replayed the WAL.
    replayed_lsn: Option<String>,
    /// When the last commit that it has was made, by the shard's clock; null when it has replayed none since it
    /// was started.
    last_commit_at: Option<String>,
    /// WAL of the shard that it hasn't replayed, in bytes; null when the shard's leader doesn't answer.
    lag_bytes: Option<u64>,
    /// How long ago the first commit was made that it lacks, in seconds; 0 when it lacks none, null when the
    /// shard's leader doesn't answer.
    lag_seconds: Option<f64>,
    /// How many seconds of acknowledged writes may be lost, as the topology says.
    rpo_seconds: Option<u64>,
}

impl Record for StandbyStatus {
    const KIND: &'static str = "shardctl.standby";
    const COLUMNS: &'static [&'static str] =
        &["cluster", "store", "node", "last_commit_at", "lag_bytes", "lag_seconds", "rpo_seconds"];
}

/// What was learnt about one standby cluster.
pub(super) struct Answer {
    shard: String,
    took: Duration,
    body: StandbyStatus,
    wrong: Option<Error>,
}

/// What a server says of itself: with the position, the transactions that are open to it, and the first one
/// that it doesn't know of.
const FOLLOWER: &str = "\
SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn(), \
       to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
       pg_snapshot_xmax(pg_current_snapshot()), \
       (SELECT coalesce(string_agg(xid::text, ','), '') FROM pg_snapshot_xip(pg_current_snapshot()) AS xid)";

/// The leader's view of a follower. Transactions are numbered when they first write, so the first commits
/// that it lacks are among the first thousand numbers that it doesn't know.
fn behind(follower: &Follower) -> String {
    let Follower { replayed, unknown, open, .. } = follower;
    format!(
        "SELECT greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), '{replayed}'), 0)::bigint, \
         (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(pg_xact_commit_timestamp(n::text::xid8::xid))), 0) \
          FROM (SELECT unnest('{{{open}}}'::bigint[]) UNION ALL \
                SELECT generate_series({unknown}, least({unknown} + 1000, \
                       pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1))) AS lacking (n))"
    )
}

/// Asks the servers of every standby cluster, and the leaders of their shards.
pub(super) async fn read(cx: &Context) -> Result<Vec<Answer>> {
    let answers = fanout::ask(cx, cx.config()?.standby_clusters.clone(), |cluster, cx| async move {
        let began = Instant::now();
        let mut body = StandbyStatus {
            cluster: Some(cluster.name.clone()),
            store: Some(cluster.store.clone()),
            rpo_seconds: Some(cluster.rpo_seconds),
            ..StandbyStatus::default()
        };
        let wrong = ask(&cx, &cluster, &mut body).await.err();
        Answer { shard: cluster.shard, took: began.elapsed(), body, wrong }
    })
    .await;
    cx.stop().check()?;
    Ok(answers)
}

/// Writes a line for each standby cluster; one that lacks more than it may is an error line.
pub(super) fn write(cx: &Context, answers: Vec<Answer>) -> Result<()> {
    for answer in answers {
        let target = Some(answer.shard);
        let line = match &answer.wrong {
            None => Line::ok(target, false, answer.body, answer.took),
            Some(error) => Line::failed(target, error, answer.took).with_body(answer.body),
        };
        cx.output().line(&line)?;
    }
    Ok(())
}

/// What a follower said.
struct Follower {
    node: String,
    replayed: String,
    last_commit_at: Option<String>,
    /// The first transaction that it doesn't know of.
    unknown: u64,
    /// The ones before that are still open to it, with commas.
    open: String,
}

async fn ask(cx: &Context, cluster: &StandbyCluster, body: &mut StandbyStatus) -> Result<()> {
    let config = cx.config()?;
    let follower = furthest(cx, config, cluster).await?;
    let leader = reach::primary(config, config.shard(&cluster.shard)?, &config.users.monitor)?;
    let sql = behind(&follower);
    body.node = Some(follower.node);
    body.replayed_lsn = Some(follower.replayed);
    body.last_commit_at = follower.last_commit_at;
    let Ok(row) = row(cx, leader, &sql).await else {
        // The shard has a line of its own, which says that it doesn't answer.
        return Ok(());
    };
    body.lag_bytes = row.first().and_then(|text| text.as_deref()?.parse().ok());
    body.lag_seconds = row.get(1).and_then(|text| text.as_deref()?.parse().ok());
    match body.lag_seconds {
        // A fraction more or less is no news.
        #[expect(clippy::cast_precision_loss, reason = "the topology takes at most a day")]
        Some(lag) if lag > cluster.rpo_seconds as f64 => Err(Error::new(
            Code::Mismatch,
            format!(
                "standby cluster \"{}\" lacks the writes of {lag:.0} s, and may lack those of {} s",
                cluster.name, cluster.rpo_seconds
            ),
        )
        .hint(format!(
            "Does the WAL arrive? `walg-wrap copy -t {} --to {} --dry-run` says what is missing there; then look at the server's log.",
            cluster.shard, cluster.store
        ))),
        _ => Ok(()),
    }
}

/// The server that has replayed most.
async fn furthest(cx: &Context, config: &Config, cluster: &StandbyCluster) -> Result<Follower> {
    let mut found: Option<Follower> = None;
    let mut silent = None;
    for node in &cluster.nodes {
        let answer = match row(cx, reach::node(config, node, &config.users.monitor)?, FOLLOWER).await {
            Ok(answer) => answer,
            Err(error) => {
                silent.get_or_insert(error);
                continue;
            }
        };
        let [follows, replayed, last_commit_at, unknown, open] = answer.as_slice() else { continue };
        if follows.as_deref() != Some("t") {
            return Err(Error::new(
                Code::WrongRole,
                format!("standby cluster \"{}\" has been promoted: \"{}\" leads for itself", cluster.name, node.name),
            )
            .hint("Only one region may take writes. Work with the topology of the one that does."));
        }
        let (Some(replayed), Some(unknown)) = (replayed.clone(), unknown.as_deref().and_then(|n| n.parse().ok()))
        else {
            continue;
        };
        // Transactions are a measure that needs no arithmetic of positions.
        if found.as_ref().is_none_or(|most| unknown > most.unknown) {
            let (last_commit_at, open) = (last_commit_at.clone(), open.clone().unwrap_or_default());
            found = Some(Follower { node: node.name.clone(), replayed, last_commit_at, unknown, open });
        }
    }
    let none = || {
        Error::new(Code::Unreachable, format!("no server of standby cluster \"{}\" says how far it is", cluster.name))
    };
    found.ok_or_else(|| silent.unwrap_or_else(none))
}

/// The one row that a query gives.
async fn row(cx: &Context, endpoint: Endpoint, sql: &str) -> Result<Vec<Option<String>>> {
    let session: Session = cx.connect(endpoint).await?;
    let rows = cx.guarded(session.canceller(), session.simple(sql)).await?;
    let row = rows.first().ok_or_else(|| Error::internal("a query that gives one row gave none"))?;
    let values = (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect();
    session.close().await;
    Ok(values)
}

//! The shards: who leads, who follows and how far behind, what each owns.

use std::time::{Duration, Instant};

use flotilla::Context;
use flotilla::config::Shard;
use flotilla::error::Result;
use flotilla::fanout;
use flotilla::ownership::is_not_set_up;
use flotilla::pg::Session;
use flotilla::reach;
use flotilla::record::{Line, Record};
use schemars::JsonSchema;
use serde::Serialize;

use super::leadership::Leadership;
use super::ledger::LedgerRow;

/// One shard.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ShardStatus {
    /// The node that takes writes.
    leader: Option<String>,
    /// How many servers the topology gives the shard.
    nodes: Option<u32>,
    /// Nodes that take writes: there must be one.
    primaries: Option<Vec<String>>,
    /// Those of them whose Patroni doesn't answer: what they acknowledge is lost when another node leads.
    orphans: Option<Vec<String>>,
    /// How many replicas stream from the leader.
    replicas_streaming: Option<u32>,
    /// How many of them must have a commit before it is acknowledged.
    replicas_sync: Option<u32>,
    /// How far the slowest of them is behind in replaying, in bytes of WAL.
    lag_bytes: Option<u64>,
    /// The same as time, in seconds; 0 when nothing is to be replayed.
    lag_seconds: Option<f64>,
    /// The epoch of the shard's ownership, as a decimal string; null before `shardctl init`.
    epoch: Option<String>,
    /// How many buckets the shard owns.
    bucket_count: Option<u32>,
    /// The version of the server that leads.
    server_version: Option<String>,
}

impl Record for ShardStatus {
    const KIND: &'static str = "shardctl.status";
    const COLUMNS: &'static [&'static str] = &[
        "leader",
        "nodes",
        "replicas_streaming",
        "replicas_sync",
        "lag_bytes",
        "lag_seconds",
        "epoch",
        "bucket_count",
        "server_version",
    ];
}

/// What was learnt about one shard.
pub(super) struct Answer {
    pub(super) shard: String,
    took: Duration,
    status: Result<ShardStatus>,
    leadership: Leadership,
    pub(super) ledger: Vec<LedgerRow>,
}

/// The leader's view of its replicas. The slowest decides.
const REPLICAS: &str = "\
SELECT count(*) FILTER (WHERE state = 'streaming'), \
       count(*) FILTER (WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')), \
       max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), replay_lsn))::bigint, \
       extract(epoch FROM max(coalesce(replay_lag, interval '0'))) \
FROM pg_catalog.pg_stat_replication WHERE state <> 'backup'";

const OWNERSHIP: &str = "\
SELECT flotilla.epoch(), coalesce(sum(last_bucket - first_bucket + 1) FILTER (WHERE state = 'owned'), 0) \
FROM flotilla.ownership";

/// Asks every shard's leader.
pub(super) async fn read(cx: &Context, ledger: u16) -> Result<Vec<Answer>> {
    let answers = fanout::ask(cx, cx.config()?.shards.clone(), move |shard, cx| async move {
        let began = Instant::now();
        let (asked, leadership) = tokio::join!(ask(&cx, &shard, ledger), Leadership::of(&cx, &shard));
        let (status, ledger) = match asked {
            Ok((status, ledger)) => (Ok(status), ledger),
            Err(error) => (Err(error), Vec::new()),
        };
        Answer { shard: shard.name, took: began.elapsed(), status, leadership: leadership.unwrap_or_default(), ledger }
    })
    .await;
    cx.stop().check()?;
    Ok(answers)
}

/// Writes a line for each shard.
pub(super) fn write(cx: &Context, answers: &[Answer]) -> Result<()> {
    for answer in answers {
        let target = Some(answer.shard.clone());
        let led = |status: ShardStatus| ShardStatus {
            primaries: Some(answer.leadership.primaries.clone()),
            orphans: Some(answer.leadership.orphans.clone()),
            ..status
        };
        let line = match (&answer.status, answer.leadership.check(&answer.shard)) {
            (Ok(status), Ok(())) => Line::ok(target, false, led(status.clone()), answer.took),
            (Ok(status), Err(error)) => Line::failed(target, &error, answer.took).with_body(led(status.clone())),
            // Who takes writes says more than that some server didn't answer.
            (Err(_), Err(error)) => Line::failed(target, &error, answer.took).with_body(led(ShardStatus::default())),
            (Err(error), Ok(())) => Line::failed(target, error, answer.took),
        };
        cx.output().line(&line)?;
    }
    Ok(())
}

async fn ask(cx: &Context, shard: &Shard, ledger: u16) -> Result<(ShardStatus, Vec<LedgerRow>)> {
    let config = cx.config()?;
    let session = cx.connect(reach::primary(config, shard, &config.users.monitor)?).await?;
    cx.guarded(session.canceller(), async {
        let mut status = ShardStatus {
            leader: leader(shard, &session),
            nodes: u32::try_from(shard.nodes.len()).ok(),
            server_version: Some(session.server_version().to_owned()),
            ..ShardStatus::default()
        };
        if let Some(row) = session.simple(REPLICAS).await?.first() {
            status.replicas_streaming = row.get(0).and_then(|n| n.parse().ok());
            status.replicas_sync = row.get(1).and_then(|n| n.parse().ok());
            status.lag_bytes = row.get(2).and_then(|n| n.parse().ok());
            status.lag_seconds = row.get(3).and_then(|n| n.parse().ok());
        }
        let Some(rows) = if_set_up(session.simple(OWNERSHIP).await)? else { return Ok((status, Vec::new())) };
        if let Some(row) = rows.first() {
            status.epoch = row.get(0).map(str::to_owned);
            status.bucket_count = row.get(1).and_then(|n| n.parse().ok());
        }
        Ok((status, super::ledger::read(&session, ledger).await?))
    })
    .await
}

/// The topology's name for the server that answered.
fn leader(shard: &Shard, session: &Session) -> Option<String> {
    let host = session.host();
    let node = shard.nodes.iter().find(|n| n.host == host.host && n.hostaddr == host.hostaddr && n.port == host.port);
    node.map(|n| n.name.clone())
}

/// A shard that was never set up is no failure here: its other facts still count.
fn if_set_up<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_not_set_up(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

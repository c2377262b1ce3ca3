//! Settling what the shards disagree about, after a restore or a failover that lost WAL.
//!
//! What is proven settles it: of two claims the one of the higher epoch; for a bucket that nobody
//! owns, the one shard that holds its rows. Two claims of one epoch, or rows on two shards, are a
//! question for a person, and refused. Every shard is revoked before any is granted, so there are
//! never two owners.

mod decide;
mod holders;

use std::time::Duration;

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::ownership::{ShardClaims, State, read_claims};
use flotilla::pg::Session;
use flotilla::reach;
use flotilla::record::{Line, Record, Status};
use schemars::JsonSchema;
use serde::Serialize;

use self::decide::{Decision, decide};

/// One change of ownership.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ReconcileRow {
    /// The buckets, as a range; null where only the epoch rises.
    buckets: Option<String>,
    /// What the shard says of them from now on: `owned` or `none`.
    state: Option<&'static str>,
    /// The epoch from now on, as a decimal string.
    epoch: Option<String>,
    /// Why.
    because: Option<String>,
}

impl Record for ReconcileRow {
    const KIND: &'static str = "shardctl.reconcile";
    const COLUMNS: &'static [&'static str] = &["buckets", "state", "epoch", "because"];
}

/// Compares, decides, and brings every shard to what was decided.
pub(super) async fn run(cx: &Context) -> Result<()> {
    let claims = read_claims(cx).await?;
    every_shard_answers(&claims)?;
    let decisions = decide(cx, &claims).await?;
    if cx.global().dry_run {
        for decision in &decisions {
            write(cx, decision, Status::Planned, false)?;
        }
        return Ok(());
    }
    // Revokes first: for a moment nobody owns a bucket, but never do two.
    let (revokes, grants): (Vec<_>, Vec<_>) = decisions.into_iter().partition(|d| !d.grants());
    for decision in revokes.iter().chain(&grants) {
        cx.stop().check()?;
        let changed = apply(cx, decision).await?;
        write(cx, decision, Status::Ok, changed)?;
    }
    Ok(())
}

fn every_shard_answers(claims: &[ShardClaims]) -> Result<()> {
    let Some((shard, error)) = claims.iter().find_map(|c| Some((&c.shard, c.claims.as_ref().err()?))) else {
        return Ok(());
    };
    Err(Error::refused(format!("shard \"{shard}\" could not be asked: {}; nothing was touched", error.message()))
        .hint("Ownership is settled only when every shard can be heard: the silent one may own what the others lack."))
}

fn write(cx: &Context, decision: &Decision, status: Status, changed: bool) -> Result<()> {
    let row = ReconcileRow {
        buckets: decision.range.map(|r| r.to_string()),
        state: decision.state.map(State::name),
        epoch: Some(decision.epoch.to_string()),
        because: Some(decision.because.clone()),
    };
    cx.output().line(&Line::ok(Some(decision.shard.clone()), changed, row, Duration::ZERO).with_status(status))
}

/// Changes one shard: the rows of `flotilla.ownership`, then every fence, so that the shard refuses
/// what it no longer owns before anybody else is granted it.
async fn apply(cx: &Context, decision: &Decision) -> Result<bool> {
    let config = cx.config()?;
    let shard = config.shard(&decision.shard)?;
    let session = cx.connect(reach::primary(config, shard, &config.users.admin)?).await?;
    cx.guarded(session.canceller(), change(cx, &session, decision)).await
}

async fn change(cx: &Context, session: &Session, decision: &Decision) -> Result<bool> {
    let epoch = decision.epoch;
    let sql = match (decision.range, decision.state) {
        (Some(range), Some(state)) => {
            format!("SELECT flotilla.set_ownership({}, {}, '{}', {epoch})", range.first(), range.last(), state.name())
        }
        _ => format!("SELECT flotilla.advance_epoch({epoch})"),
    };
    session.simple("BEGIN").await?;
    // What a commit acknowledges must survive the loss of this node.
    session.simple("SET LOCAL synchronous_commit = on").await?;
    let changed = session.value(&sql).await?.as_deref() == Some("t");
    if changed {
        let detail =
            serde_json::json!({ "buckets": decision.range.map(|r| r.to_string()), "epoch": epoch.to_string() });
        cx.entry(&decision.shard).detail(detail).write(session).await?;
    }
    session.simple("COMMIT").await?;
    session.simple("CALL flotilla.swap_fences()").await.map_err(|e| {
        Error::new(Code::LockTimeout, format!("a fence on shard \"{}\" could not be swapped", decision.shard))
            .source(e)
            .hint("Run `shardctl map --reconcile` again; it goes on where this stopped.")
    })?;
    Ok(changed)
}

//! Settling what the shards disagree about, after a restore or a failover that lost WAL.
//!
//! What is proven settles it: of two claims the one of the higher epoch; for a bucket that nobody
//! owns, the one shard that holds its rows. Two claims of one epoch, or rows on two shards, are a
//! question for a person, and refused.
//!
//! Ownership is one transaction and the fences that follow it are others, so a run may end between
//! them. Fences that don't say what ownership does are therefore looked for and swapped by every run,
//! before any shard is granted anything: what a shard has lost, its fences must refuse first.

mod decide;
mod fences;
mod holders;
mod order;

use std::time::{Duration, Instant};

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::ownership::{ShardClaims, State, read_claims};
use flotilla::pg::Session;
use flotilla::reach;
use flotilla::record::{Line, Record, Status};
use schemars::JsonSchema;
use serde::Serialize;

use self::decide::{Decision, decide};
use self::fences::Standing;

/// One change of ownership, or of the fences that follow it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ReconcileRow {
    /// The buckets, as a range; null where only the epoch rises, or only fences are swapped.
    buckets: Option<String>,
    /// What the shard says of them from now on: `owned` or `none`.
    state: Option<&'static str>,
    /// The epoch from now on, as a decimal string.
    epoch: Option<String>,
    /// The tables whose fences didn't follow the ownership and are swapped; null where ownership changes.
    fences: Option<Vec<String>>,
    /// Why.
    because: Option<String>,
}

impl Record for ReconcileRow {
    const KIND: &'static str = "shardctl.reconcile";
    const COLUMNS: &'static [&'static str] = &["buckets", "state", "epoch", "fences", "because"];
}

/// What is to be done on all shards.
struct Plan {
    /// What shards lose, and epochs that rise: ownership first, then every fence.
    revokes: Vec<Decision>,
    /// The fences that don't follow the ownership as it stands.
    stale: Vec<Standing>,
    /// The order in which shards whose fences must change may change them.
    order: Vec<String>,
    /// What shards gain, once no fence lets anything through that its shard doesn't own.
    grants: Vec<Decision>,
}

/// Compares, decides, and brings every shard to what was decided.
pub(super) async fn run(cx: &Context) -> Result<()> {
    let claims = read_claims(cx).await?;
    every_shard_answers(&claims)?;
    let plan = plan(cx, &claims).await?;
    if cx.global().dry_run { foretell(cx, &plan) } else { carry_out(cx, &plan).await }
}

fn every_shard_answers(claims: &[ShardClaims]) -> Result<()> {
    let Some((shard, error)) = claims.iter().find_map(|c| Some((&c.shard, c.claims.as_ref().err()?))) else {
        return Ok(());
    };
    Err(Error::refused(format!("shard \"{shard}\" could not be asked: {}; nothing was touched", error.message()))
        .hint("Ownership is settled only when every shard can be heard: the silent one may own what the others lack."))
}

async fn plan(cx: &Context, claims: &[ShardClaims]) -> Result<Plan> {
    let decisions = decide(cx, claims).await?;
    let standings = fences::ask(cx, claims).await?;
    let (grants, revokes): (Vec<_>, Vec<_>) = decisions.into_iter().partition(Decision::grants);
    let order = order::of(order::shifts(&standings, &revokes))?;
    let stale = standings.into_iter().filter(|standing| !standing.due.is_empty()).collect();
    Ok(Plan { revokes, stale, order, grants })
}

fn foretell(cx: &Context, plan: &Plan) -> Result<()> {
    for decision in &plan.revokes {
        write(cx, &decision.shard, decision.row(), Status::Planned, false, Duration::ZERO)?;
    }
    for standing in &plan.stale {
        write(cx, &standing.shard, standing.row(), Status::Planned, false, Duration::ZERO)?;
    }
    for decision in &plan.grants {
        write(cx, &decision.shard, decision.row(), Status::Planned, false, Duration::ZERO)?;
    }
    Ok(())
}

async fn carry_out(cx: &Context, plan: &Plan) -> Result<()> {
    let mut revoked = Vec::new();
    for decision in &plan.revokes {
        cx.stop().check()?;
        let began = Instant::now();
        revoked.push((decision, own(cx, decision).await?, began));
    }
    for shard in &plan.order {
        cx.stop().check()?;
        let began = Instant::now();
        let stale = plan.stale.iter().find(|standing| standing.shard == *shard);
        let swapped = swap(cx, shard, stale).await?;
        for (decision, changed, began) in revoked.iter().filter(|(decision, ..)| decision.shard == *shard) {
            write(cx, shard, decision.row(), Status::Ok, *changed, began.elapsed())?;
        }
        if let Some(standing) = stale {
            write(cx, shard, standing.row(), Status::Ok, swapped, began.elapsed())?;
        }
    }
    for decision in &plan.grants {
        cx.stop().check()?;
        let began = Instant::now();
        let changed = own(cx, decision).await?;
        swap(cx, &decision.shard, None).await?;
        write(cx, &decision.shard, decision.row(), Status::Ok, changed, began.elapsed())?;
    }
    Ok(())
}

fn write(cx: &Context, shard: &str, row: ReconcileRow, status: Status, changed: bool, took: Duration) -> Result<()> {
    cx.output().line(&Line::ok(Some(shard.to_owned()), changed, row, took).with_status(status))
}

impl Decision {
    fn row(&self) -> ReconcileRow {
        ReconcileRow {
            buckets: self.range.map(|r| r.to_string()),
            state: self.state.map(State::name),
            epoch: Some(self.epoch.to_string()),
            fences: None,
            because: Some(self.because.clone()),
        }
    }
}

impl Standing {
    fn row(&self) -> ReconcileRow {
        ReconcileRow {
            epoch: Some(self.epoch.to_string()),
            fences: Some(self.due.clone()),
            because: Some("their fences didn't follow the ownership; was a run cut off?".to_owned()),
            ..ReconcileRow::default()
        }
    }
}

async fn connect(cx: &Context, shard: &str) -> Result<Session> {
    let config = cx.config()?;
    cx.connect(reach::primary(config, config.shard(shard)?, &config.users.admin)?).await
}

/// Changes the rows of one shard's `flotilla.ownership`.
async fn own(cx: &Context, decision: &Decision) -> Result<bool> {
    let cx = &cx.beginning();
    let session = connect(cx, &decision.shard).await?;
    let changed = cx.guarded(session.canceller(), change(cx, &session, decision)).await?;
    session.close().await;
    Ok(changed)
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
    Ok(changed)
}

/// Brings every fence of a shard to what its ownership says. Whether any of those that were stale isn't
/// any more.
async fn swap(cx: &Context, shard: &str, stale: Option<&Standing>) -> Result<bool> {
    let cx = &cx.beginning();
    let session = connect(cx, shard).await?;
    let changed = cx
        .guarded(session.canceller(), async {
            session.simple("CALL flotilla.swap_fences()").await.map_err(|e| {
                Error::new(Code::LockTimeout, format!("a fence on shard \"{shard}\" could not be swapped"))
                    .source(e)
                    .hint("Run `shardctl map --reconcile` again; it goes on where this stopped.")
            })?;
            let Some(standing) = stale else { return Ok(false) };
            let left = fences::due(&session).await?;
            let swapped: Vec<&String> = standing.due.iter().filter(|table| !left.contains(table)).collect();
            if !swapped.is_empty() {
                cx.entry(shard).detail(serde_json::json!({ "fences": swapped })).write(&session).await?;
            }
            Ok(!swapped.is_empty())
        })
        .await?;
    session.close().await;
    Ok(changed)
}

//! `shardctl switchover`: another node leads a shard, and no client sees an error.
//!
//! The poolers hold the clients back (PAUSE), Patroni moves the lead, and when the balancers lead to the
//! new primary the poolers let the clients go on (RESUME). PgBouncer keeps a PAUSE for ever; so a process of
//! its own holds it, which lets go when this one ends, however it ends, and after [`flotilla::pause::LEASE`] in any
//! case. What is left paused all the same, because both were killed, the next run lets go.
//!
//! Failpoints: `switchover.guarded`, `switchover.paused`, `switchover.asked`, `switchover.led`,
//! `switchover.resumed`.

mod idle;
mod pause;
mod plan;
mod settle;

use std::time::{Duration, Instant};

use flotilla::clock::millis;
use flotilla::config::Shard;
use flotilla::consent::Consent;
use flotilla::error::{Code, Error, Result};
use flotilla::patroni::Rest;
use flotilla::pause::Paused;
use flotilla::pg::{Session, advisory};
use flotilla::record::{Line, Record, RecordInfo, Status};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, failpoint, reach};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

pub(crate) use self::plan::Move;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "switchover",
    effect: Effect::Changes,
    scope: Scope::None,
    exclusive: true,
    records: &[RecordInfo::of::<Switched>()],
    examples: &[
        Example {
            line: "shardctl switchover s0 --dry-run",
            does: "See which node would lead, and what stands in the way",
        },
        Example {
            line: "shardctl switchover s0 --yes",
            does: "Let the best replica lead; clients wait for some seconds",
        },
        Example {
            line: "shardctl switchover s0 --to s0-c --kill-idle --yes",
            does: "Let this node lead, and end transactions that stand idle in the way",
        },
    ],
};

/// Which shard, and who is to lead it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shard
    #[arg(value_name = "SHARD")]
    pub(crate) shard: String,
    /// The node that is to lead [default: one of those in sync, as Patroni chooses; clients wait a second less]
    #[arg(long, value_name = "NODE")]
    pub(crate) to: Option<String>,
    /// How long the poolers may take to finish transactions under way, from 100ms to 5s
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = flotilla::pause::limit)]
    pub(crate) pause_limit: Duration,
    /// End transactions that stand idle and hold the poolers up longer than that
    #[arg(long)]
    pub(crate) kill_idle: bool,
}

/// A switchover.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Switched {
    /// The node that led.
    pub(crate) from: Option<String>,
    /// The node that leads now, or would; none while Patroni has the choice.
    pub(crate) to: Option<String>,
    /// The nodes among which Patroni had the choice, or would have, the one that had received most first.
    pub(crate) candidates: Option<Vec<String>>,
    /// The poolers' databases that were paused.
    pub(crate) paused: Option<Vec<String>>,
    /// Databases that an earlier run had left paused, and that were let go first.
    pub(crate) repaired: Option<Vec<String>>,
    /// Transactions that stood idle and were ended.
    pub(crate) killed_idle: Option<u32>,
    /// How long the checkpoint took beforehand, in milliseconds.
    pub(crate) checkpoint_ms: Option<u64>,
    /// How long the poolers took to finish what was under way, in milliseconds.
    pub(crate) pause_ms: Option<u64>,
    /// How long Patroni took to move the lead, in milliseconds.
    pub(crate) switch_ms: Option<u64>,
    /// How long it took from then until every balancer led to the new primary, in milliseconds.
    pub(crate) reach_ms: Option<u64>,
    /// How long the poolers took to let clients go on, in milliseconds.
    pub(crate) resume_ms: Option<u64>,
    /// How long clients waited at most, in milliseconds.
    pub(crate) stall_ms: Option<u64>,
    /// Whether the poolers let clients go on before it was over, because ten seconds would have passed.
    pub(crate) lease_passed: Option<bool>,
    /// The new primary's timeline.
    pub(crate) timeline: Option<u64>,
}

impl Record for Switched {
    const KIND: &'static str = "shardctl.switchover";
    const COLUMNS: &'static [&'static str] =
        &["from", "to", "checkpoint_ms", "pause_ms", "switch_ms", "reach_ms", "resume_ms", "stall_ms"];
}

/// Moves the lead of one shard.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let began = Instant::now();
    let config = cx.config()?;
    let shard = config.shard(&args.shard)?;
    let rest = Rest::new(config)?;
    let planned = cx.unless_ended(plan::make(&rest, shard, args.to.as_deref())).await?;
    let body = Switched {
        from: Some(planned.from.name.clone()),
        to: planned.only().map(|node| node.name.clone()),
        candidates: Some(planned.candidates()),
        paused: Some(pause::databases(config, shard)),
        ..Switched::default()
    };
    if cx.global().dry_run {
        let line = Line::ok(Some(shard.name.clone()), false, body, began.elapsed());
        return cx.output().line(&line.with_status(Status::Planned));
    }
    Consent::by_yes(cx.global(), &format!("moves the lead of shard \"{}\" from {planned}", shard.name))?;
    let mut body = body;
    let done = act(cx, &rest, shard, &planned, &args, &mut body).await;
    let entry = cx.entry(&shard.name).detail(json!(body));
    let line = match &done {
        Ok(session) => {
            entry.write(session).await?;
            Line::ok(Some(shard.name.clone()), true, body, began.elapsed())
        }
        Err(error) => {
            entry.failed(error).to_file();
            let moved = body.switch_ms.is_some();
            Line::failed(Some(shard.name.clone()), error, began.elapsed()).with_body(body).with_changed(moved)
        }
    };
    cx.output().line(&line)
}

/// The best move that nothing stands in the way of.
pub(crate) async fn plan<'a>(rest: &Rest, shard: &'a Shard) -> Result<Move<'a>> {
    plan::make(rest, shard, None).await
}

/// The act itself; a session with the new primary.
pub(crate) async fn act(
    cx: &Context,
    rest: &Rest,
    shard: &Shard,
    planned: &Move<'_>,
    args: &Args,
    body: &mut Switched,
) -> Result<Session> {
    let config = cx.config()?;
    let old = cx.connect(reach::node(config, planned.from, &config.users.admin)?).await?;
    // Whoever else wants to move this shard, from whatever machine, is told so now.
    let key = advisory::Key::Name(format!("switchover {}", shard.name));
    if !advisory::try_lock(&old, &key).await? {
        return Err(Error::new(Code::LockHeld, format!("another switchover of shard \"{}\" is under way", shard.name))
            .hint("Wait for it to end."));
    }
    // A clean shutdown writes what is dirty; the more of it beforehand, the shorter clients wait.
    let began = Instant::now();
    cx.guarded(old.canceller(), old.simple("CHECKPOINT")).await?;
    body.checkpoint_ms = Some(millis(began.elapsed()));

    let began = Instant::now();
    let mut paused = cx.unless_ended(Paused::prepare(cx, &pause::databases(config, shard), None)).await?;
    body.repaired = Some(paused.repaired().to_vec());
    failpoint::hit("switchover.guarded");
    let asked = Instant::now();
    tracing::debug!("the guard was ready after {:?}", began.elapsed());
    let held = cx.unless_ended(hold(cx, &mut paused, planned, args)).await;
    failpoint::hit("switchover.paused");
    match held.and_then(|killed| cx.stop().check().map(|()| killed)) {
        Ok(killed) => body.killed_idle = Some(killed),
        Err(error) => {
            // Before anybody is told that it failed.
            let _ = paused.release(cx).await;
            return Err(error);
        }
    }
    body.pause_ms = Some(millis(asked.elapsed()));

    // From here on it is Patroni's; a signal comes too late to undo it.
    let reached = lead(cx, rest, shard, planned, body).await;
    failpoint::hit("switchover.led");
    let began = Instant::now();
    let lease_passed = paused.release(cx).await;
    body.resume_ms = Some(millis(began.elapsed()));
    body.stall_ms = Some(millis(asked.elapsed()));
    failpoint::hit("switchover.resumed");
    body.lease_passed = Some(lease_passed?);
    let session = reached?;
    // What the control file says is as old as the last checkpoint.
    body.timeline = session
        .value(
            "SELECT ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8))\
             ::bit(32)::int",
        )
        .await
        .ok()
        .flatten()
        .and_then(|timeline| timeline.parse().ok());
    Ok(session)
}

/// Pauses the poolers; how many idle transactions had to be ended for it.
async fn hold(cx: &Context, paused: &mut Paused, planned: &Move<'_>, args: &Args) -> Result<u32> {
    if paused.hold(args.pause_limit).await? {
        return Ok(0);
    }
    let idle = idle::look(cx, planned).await?;
    if !args.kill_idle {
        return Err(Error::new(
            Code::LockTimeout,
            format!("the poolers could not be paused within {:?}: {idle}; nothing was moved", args.pause_limit),
        )
        .hint("End what is named, give --pause-limit more time, or --kill-idle to end idle transactions."));
    }
    let killed = idle::kill(cx, planned).await?;
    if paused.hold(args.pause_limit).await? {
        return Ok(killed);
    }
    Err(Error::new(
        Code::LockTimeout,
        format!("the poolers could not be paused though {killed} idle transactions were ended; nothing was moved"),
    )
    .hint("A transaction is at work for longer; give --pause-limit more time."))
}

/// Tells Patroni, and looks for the new primary meanwhile: Patroni itself looks each second only, and answers then.
async fn lead(cx: &Context, rest: &Rest, shard: &Shard, planned: &Move<'_>, body: &mut Switched) -> Result<Session> {
    let began = Instant::now();
    let mut order = json!({ "leader": planned.from_member });
    if let Some(member) = &planned.to_member {
        order["candidate"] = json!(member);
    }
    // Sent apart, so that a failpoint can hit while it is under way.
    let sent = rest.post(planned.from, "/switchover", &order, Duration::from_mins(1));
    let led = settle::lead(cx, shard, &planned.to);
    tokio::pin!(sent, led);
    let mut is_hit = false;
    let (node, session) = loop {
        tokio::select! {
            // Whatever it says, it has moved.
            led = &mut led => break led?,
            answer = &mut sent => {
                answered(shard, planned, &answer?)?;
                break led.await?;
            }
            () = tokio::time::sleep(Duration::from_millis(50)), if !is_hit => {
                is_hit = true;
                failpoint::hit("switchover.asked");
            }
        }
    };
    body.switch_ms = Some(millis(began.elapsed()));
    body.to = Some(node.name.clone());
    let began = Instant::now();
    let reached = settle::reach(cx, shard).await;
    body.reach_ms = Some(millis(began.elapsed()));
    reached.map(|()| session)
}

fn answered(shard: &Shard, planned: &Move<'_>, answer: &flotilla::patroni::Answer) -> Result<()> {
    if answer.status == 200 {
        return Ok(());
    }
    let (code, hint) = match answer.status {
        401 | 403 => {
            (Code::AuthFailed, "Name a client certificate that Patroni trusts: `sslcert` and `sslkey` of [patroni].")
        }
        412 => (Code::Refused, "Look at `shardctl status` and at Patroni's log."),
        _ => (Code::QueryFailed, "Look at `shardctl status`: whether it has moved after all, and at Patroni's log."),
    };
    Err(Error::new(
        code,
        format!(
            "Patroni of \"{}\" did not move the lead of shard \"{}\": {}",
            planned.from.name, shard.name, answer.body
        ),
    )
    .hint(hint))
}

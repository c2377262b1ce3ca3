//! `shardctl drill`: breaks something on purpose and measures what clients see of it.
//!
//! Writers on every way at once, each write numbered, each acknowledgement remembered. Afterwards every
//! acknowledged write is looked for on the primary. What is broken is noted until it is mended, so that a run
//! that is killed is made up for by the next.
//!
//! Failpoints: `drill.writing`, `drill.broken`, `drill.mended`, and those of `switchover`.

mod count;
mod fault;
mod health;
mod inject;
mod load;
mod table;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use flotilla::clock::millis;
use flotilla::config::Shard;
use flotilla::consent::Consent;
use flotilla::error::{Code, Error, Result};
use flotilla::patroni::Rest;
use flotilla::pg::Session;
use flotilla::record::{Line, Record, RecordInfo, Status};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, failpoint, reach};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use self::count::LayerRecord;
use self::fault::Fault;
use self::inject::{Broken, Injector};
use self::load::{Load, Log, Way};
use crate::switchover;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "drill",
    effect: Effect::Changes,
    scope: Scope::None,
    exclusive: true,
    records: &[RecordInfo::of::<LayerRecord>(), RecordInfo::of::<DrillRecord>()],
    examples: &[
        Example {
            line: "shardctl drill s0 --fault host-dies --yes",
            does: "Kill the leader with its host, and see for how long writes are away and what is lost",
        },
        Example {
            line: "shardctl drill s0 --fault etcds-die --yes -o json | jq 'select(.kept != null)'",
            does: "See whether writes go on without etcd",
        },
    ],
};

/// How long the shard may take to be whole, and then the clients until all of them have written.
const STARTING: Duration = Duration::from_secs(30);
/// How long all must have gone well before it counts as over.
const CALM: Duration = Duration::from_secs(2);
/// How long what was mended may take to be whole again.
const REJOINING: Duration = Duration::from_mins(3);

/// What to break, and where.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shard
    #[arg(value_name = "SHARD")]
    shard: String,
    /// What breaks
    #[arg(long, value_enum, value_name = "FAULT")]
    fault: Fault,
}

/// A drill.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct DrillRecord {
    /// What broke.
    fault: Option<String>,
    /// Whom it struck.
    struck: Option<Vec<String>>,
    /// The node that led before.
    leader_before: Option<String>,
    /// The node that led afterwards.
    leader_after: Option<String>,
    /// From the fault until another node led, in milliseconds; null where none did.
    new_leader_ms: Option<u64>,
    /// From the fault, or from its mending where it lasts until then, until every node was whole again, in
    /// milliseconds.
    rejoin_ms: Option<u64>,
    /// The longest time without an acknowledged write on any way, in milliseconds.
    gap_ms: Option<u64>,
    /// Writes that were acknowledged, on all ways.
    acknowledged: Option<u64>,
    /// Those of them that were gone afterwards.
    lost: Option<u64>,
    /// How much WAL these span, in bytes.
    lost_wal_bytes: Option<u64>,
    /// What the shard promises: writes are back within so many seconds.
    rto_seconds: Option<u32>,
    /// What the shard promises: a failover loses no more WAL than this, in bytes.
    rpo_bytes: Option<u64>,
    /// Whether it has kept its promises.
    kept: Option<bool>,
    /// What was not whole again when the drill ended.
    ill: Option<Vec<String>>,
}

impl Record for DrillRecord {
    const KIND: &'static str = "shardctl.drill";
    const COLUMNS: &'static [&'static str] = &[
        "fault",
        "leader_before",
        "leader_after",
        "new_leader_ms",
        "rejoin_ms",
        "gap_ms",
        "acknowledged",
        "lost",
        "kept",
    ];
}

/// A drill that is about to begin.
struct Drill<'a> {
    cx: &'a Context,
    rest: Rest,
    shard: &'a Shard,
    fault: Fault,
    injector: Option<Injector>,
    broken: Broken,
    leader: String,
}

/// What the clients saw of the fault.
struct Seen {
    began: Instant,
    new_leader: Option<Duration>,
    rejoin: Duration,
    ill: Vec<String>,
    logs: Vec<(Way, Log)>,
}

/// Runs one drill.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let began = Instant::now();
    let config = cx.config()?;
    let shard = config.shard(&args.shard)?;
    if !shard.drillable {
        return Err(Error::refused(format!("shard \"{}\" isn't marked drillable; nothing was touched", shard.name))
            .hint("A drill breaks servers. If it may, set `drillable = true` on the shard in the topology."));
    }
    let rest = Rest::new(config)?;
    let injector = if args.fault == Fault::Switchover { None } else { Some(Injector::new(config)?) };
    let act = format!("breaks servers of shard \"{}\" ({})", shard.name, args.fault.word());
    if !cx.global().dry_run {
        Consent::by_yes(cx.global(), &act)?;
        if let Some(injector) = &injector
            && let Some(left) = injector.left()
        {
            flotilla::log::say(&format!(
                "mending what an earlier drill left broken: {} of {}",
                left.fault,
                left.struck.join(", ")
            ));
            injector.mend(&left).await?;
            cx.unless_ended(health::until_well(cx, &rest, shard, REJOINING)).await?;
        }
    }
    // A busy server may be late with an answer; that is no illness.
    let ill = cx.unless_ended(health::until_well(cx, &rest, shard, STARTING)).await?;
    let leader = health::leader(&rest, shard).await;
    let (true, Some(leader)) = (ill.is_empty(), leader) else {
        return Err(Error::refused(format!(
            "shard \"{}\" isn't whole, so a drill would tell nothing: {}; nothing was touched",
            shard.name,
            ill.join("; ")
        ))
        .hint("Wait until it is, or see what is wrong with `shardctl status`."));
    };
    let struck = args.fault.strikes(config, shard, &leader)?;
    let body = DrillRecord {
        fault: Some(args.fault.word()),
        struck: Some(struck.clone()),
        leader_before: Some(leader.clone()),
        rto_seconds: Some(shard.rto_seconds),
        rpo_bytes: Some(shard.rpo_bytes),
        ..DrillRecord::default()
    };
    if cx.global().dry_run {
        let line = Line::ok(Some(shard.name.clone()), false, body, began.elapsed());
        return cx.output().line(&line.with_status(Status::Planned));
    }
    let broken = Broken { fault: args.fault.word(), struck };
    let drill = Drill { cx, rest, shard, fault: args.fault, injector, broken, leader };
    let mut body = body;
    let ended = drill.run(&mut body).await;
    let entry = cx.entry(&shard.name).detail(json!(body));
    match &ended {
        Ok(session) => entry.write(session).await?,
        Err(error) => entry.failed(error).to_file(),
    }
    let verdict = ended.and_then(|_| verdict(shard, &body));
    let line = match &verdict {
        Ok(()) => Line::ok(Some(shard.name.clone()), true, body, began.elapsed()),
        Err(error) => Line::failed(Some(shard.name.clone()), error, began.elapsed()).with_body(body).with_changed(true),
    };
    cx.output().line(&line)
}

/// Whether the promises were kept, and if not, which.
fn verdict(shard: &Shard, body: &DrillRecord) -> Result<()> {
    if body.kept == Some(true) && body.ill.as_ref().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    let mut broken = Vec::new();
    let gap = body.gap_ms.unwrap_or_default();
    if gap > u64::from(shard.rto_seconds) * 1000 {
        broken.push(format!("writes were away for {gap} ms, and its RTO is {} s", shard.rto_seconds));
    }
    let (lost, bytes) = (body.lost.unwrap_or_default(), body.lost_wal_bytes.unwrap_or_default());
    if (shard.rpo_bytes == 0 && lost > 0) || bytes > shard.rpo_bytes {
        broken.push(format!(
            "{lost} acknowledged writes are lost ({bytes} bytes of WAL), and its RPO is {}",
            shard.rpo_bytes
        ));
    }
    broken.extend(body.ill.iter().flatten().map(|ill| format!("not whole again: {ill}")));
    Err(Error::new(
        Code::Mismatch,
        format!("shard \"{}\" has not kept its promises: {}", shard.name, broken.join("; ")),
    )
    .hint("See what the lines of the layers say, and the logs of Patroni."))
}

impl Drill<'_> {
    /// Runs it; a session with whoever leads afterwards.
    async fn run(&self, body: &mut DrillRecord) -> Result<Session> {
        let config = self.cx.config()?;
        let session = self.cx.connect(reach::primary(config, self.shard, &config.users.admin)?).await?;
        table::make(&session, &config.users.app, &config.users.app_ro).await?;
        session.close().await;
        let run = self.cx.run_id();
        let load = Load::start(load::ways(config, self.shard)?, run);
        let seen = self.strike(load).await?;

        let session = self.cx.connect(reach::primary(config, self.shard, &config.users.admin)?).await?;
        let kept: HashSet<(u32, u64)> = table::kept(&session, run).await?.into_iter().collect();
        table::remove(&session).await?;
        let lost = count::lost(&seen.logs, &kept);
        let fault = self.fault.word();
        let mut gap = 0;
        let mut acknowledged = 0;
        for (way, log) in &seen.logs {
            let layer = count::layer(&fault, way, log, &kept, seen.began);
            if way.access == "write" {
                gap = gap.max(layer.gap_ms.unwrap_or_default());
                acknowledged += layer.acknowledged.unwrap_or_default();
            }
            self.cx.output().line(&Line::ok(Some(self.shard.name.clone()), false, layer, seen.began.elapsed()))?;
        }
        body.leader_after = health::leader(&self.rest, self.shard).await;
        body.new_leader_ms = seen.new_leader.map(millis);
        body.rejoin_ms = Some(millis(seen.rejoin));
        body.gap_ms = Some(gap);
        body.acknowledged = Some(acknowledged);
        body.lost = Some(lost.writes);
        body.lost_wal_bytes = Some(lost.wal_bytes);
        body.ill = Some(seen.ill);
        let within = gap <= u64::from(self.shard.rto_seconds) * 1000;
        let spared = if self.shard.rpo_bytes == 0 { lost.writes == 0 } else { lost.wal_bytes <= self.shard.rpo_bytes };
        body.kept = Some(within && spared);
        Ok(session)
    }

    /// Breaks, waits until clients are served again, mends, waits until all is whole.
    async fn strike(&self, load: Load) -> Result<Seen> {
        let writing = Instant::now();
        let all = health::until(STARTING, || load.flows_since(writing)).await;
        if !all {
            load.end().await;
            return Err(Error::new(Code::Timeout, format!("the clients could not all write within {STARTING:?}"))
                .hint("Nothing was broken. Can the application's role log in on every way?"));
        }
        failpoint::hit("drill.writing");
        let began = Instant::now();
        if let Err(error) = self.break_it().await {
            load.end().await;
            return Err(error);
        }
        failpoint::hit("drill.broken");
        let new_leader = self.until_served(&load, began).await;
        let mended = Instant::now();
        if let Some(injector) = &self.injector {
            injector.mend(&self.broken).await?;
        }
        failpoint::hit("drill.mended");
        let ill = health::until_well(self.cx, &self.rest, self.shard, REJOINING).await?;
        let rejoin = if self.mends_itself() { began.elapsed() } else { mended.elapsed() };
        // The way back may hurt clients, too.
        let calm = Instant::now() + CALM;
        health::until(Duration::from_secs(30), || Instant::now() >= calm && load.flows_since(calm)).await;
        let logs = load.end().await;
        self.cx.stop().check()?;
        Ok(Seen { began, new_leader, rejoin, ill, logs })
    }

    async fn break_it(&self) -> Result<()> {
        if let Some(injector) = &self.injector {
            return injector.break_it(&self.broken).await;
        }
        let args = switchover::Args {
            shard: self.shard.name.clone(),
            to: None,
            pause_limit: Duration::from_secs(1),
            kill_idle: false,
        };
        let planned = switchover::plan(&self.rest, self.shard).await?;
        let mut body = switchover::Switched::default();
        let session = switchover::act(self.cx, &self.rest, self.shard, &planned, &args, &mut body).await?;
        session.close().await;
        Ok(())
    }

    /// Waits until it has lasted long enough and writes flow on every way; when another node led.
    async fn until_served(&self, load: &Load, began: Instant) -> Option<Duration> {
        let limit = Duration::from_secs(u64::from(self.shard.rto_seconds) * 2 + 30);
        let least = began + self.fault.lasts(self.shard);
        let (mut new_leader, mut calm_since) = (None, None);
        while Instant::now() < least + limit && !self.cx.stop().is_asked() {
            if new_leader.is_none() {
                let leader = health::leader(&self.rest, self.shard).await;
                new_leader = leader.filter(|leader| *leader != self.leader).map(|_| began.elapsed());
            }
            let led = new_leader.is_some() || !self.fault.moves_the_lead();
            let flows = load.flows_since(Instant::now().checked_sub(health::FLOWING).unwrap_or(began));
            if led && flows && Instant::now() >= least {
                if calm_since.get_or_insert_with(Instant::now).elapsed() >= CALM {
                    break;
                }
            } else {
                calm_since = None;
            }
            tokio::time::sleep(health::TICK).await;
        }
        new_leader
    }

    /// Whether nothing has to be mended: a supervisor or Patroni does it.
    fn mends_itself(&self) -> bool {
        matches!(self.fault, Fault::PostgresDies | Fault::NodeCrashes | Fault::PatroniCrashes | Fault::Switchover)
    }
}

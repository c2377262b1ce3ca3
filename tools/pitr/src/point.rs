//! `pitr point`: a restore point of the same name on all shards, between two commits everywhere.
//!
//! On each shard a barrier inside the database holds whoever writes. While all barriers are up, the
//! point is made on all shards; then they are let go. A barrier is a lock of a session: when this
//! process is killed the session ends, when its machine is cut off the server ends it.
//!
//! The point counts once it is proven to be in the archive of every shard, and noted there.
//!
//! Failpoints: `point.locking`, `point.up`, `point.made`, `point.released`, `point.archived`,
//! `point.noted`.

mod archived;
mod barrier;
mod name;
mod noted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use flotilla::clock::{parse_duration, rfc3339};
use flotilla::config::Shard;
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Line, Record, RecordInfo, Status};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, failpoint, fanout};
use flotilla_archive::Archive;
use schemars::JsonSchema;
use serde::Serialize;

use self::barrier::{Barrier, Made};
pub(crate) use self::noted::{Noted, positions};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "point",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: true,
    records: &[RecordInfo::of::<PointRecord>()],
    examples: &[
        Example {
            line: "pitr point before-release-42 --all",
            does: "Make a point to which all shards can go back together",
        },
        Example {
            line: "pitr point nightly-$(date -u +%F) --all -q --pause-limit 500ms --retry-for 10m",
            does: "The same from cron, with the shortest pause",
        },
    ],
};

/// What the point is called, and how long writers may wait.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the point: at most 63 letters, digits, dots, hyphens and underscores
    #[arg(value_name = "NAME", value_parser = name::parse)]
    name: String,
    /// Longest that writers wait for the point, from 10ms to 8s
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = pause)]
    pause_limit: Duration,
    /// How long to try again when somebody writes for longer than that
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration)]
    retry_for: Duration,
    /// How long the archive may take to have the WAL
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration, hide_short_help = true)]
    archive_wait: Duration,
    /// Note the point in this store instead of the first
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
}

/// Nothing may stay paused for longer than ten seconds, whatever becomes of this process.
fn pause(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        limit if (Duration::from_millis(10)..=Duration::from_secs(8)).contains(&limit) => Ok(limit),
        _ => Err("from 10ms to 8s".to_owned()),
    }
}

/// A restore point on one shard.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct PointRecord {
    /// The shard.
    shard: Option<String>,
    /// The point's name.
    name: Option<String>,
    /// Where its record begins, as a WAL position.
    lsn: Option<String>,
    /// The timeline.
    timeline: Option<u32>,
    /// The segment that holds it.
    segment: Option<String>,
    /// When it was made, UTC, by the server's clock.
    made_at: Option<String>,
    /// How long writers waited, in milliseconds.
    pause_ms: Option<u64>,
    /// How many tables were held.
    table_count: Option<u32>,
    /// How often it was tried until all barriers were up.
    attempt_count: Option<u32>,
    /// The cluster's system identifier.
    system_identifier: Option<String>,
    /// The schema's version in the history of migrations; null where there is none.
    schema_version: Option<String>,
    /// The object that notes it.
    object: Option<String>,
}

impl Record for PointRecord {
    const KIND: &'static str = "pitr.point";
    const COLUMNS: &'static [&'static str] =
        &["name", "lsn", "timeline", "pause_ms", "attempt_count", "schema_version"];
}

/// A shard at work.
#[derive(Clone)]
struct Member {
    target: Target,
    shard: Shard,
    archive: Archive,
}

/// Makes the point.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let began = Instant::now();
    let targets = cx.targets()?;
    let outcome = work(cx, &targets, &args, began).await;
    let entry = |target: &str| cx.entry(target).detail(serde_json::json!({ "name": args.name }));
    if let Err(error) = &outcome
        && !cx.global().dry_run
    {
        // One for all: it is one act.
        entry(&cx.config()?.cluster.name).failed(error).to_file();
    }
    outcome
}

async fn work(cx: &Context, targets: &[Target], args: &Args, began: Instant) -> Result<()> {
    let members = members(cx, targets, args).await?;
    for member in &members {
        if noted::exists(&member.archive, &args.name).await? {
            return Err(Error::refused(format!(
                "there is a restore point \"{}\" in the archive of shard \"{}\"; nothing was touched",
                args.name, member.shard.name
            ))
            .hint("A name is used once. Give another."));
        }
    }
    if cx.global().dry_run {
        for member in members {
            let body = PointRecord {
                shard: Some(member.shard.name),
                name: Some(args.name.clone()),
                object: Some(noted::key(&args.name)),
                ..PointRecord::default()
            };
            let line = Line::ok(Some(member.target.name), false, body, began.elapsed());
            cx.output().line(&line.with_status(Status::Planned))?;
        }
        return Ok(());
    }
    let (made, attempts) = make(cx, &members, args).await?;
    failpoint::hit("point.released");
    let pairs: Vec<(Member, Made)> = members.into_iter().zip(made).collect();
    let (name, wait) = (Arc::new(args.name.clone()), args.archive_wait);
    let found = fanout::ask(cx, pairs, |(member, made), cx| {
        let name = Arc::clone(&name);
        async move {
            let place = archived::wait(&cx, &member.archive, &made, &name, wait).await?;
            Ok::<_, Error>((member, made, place))
        }
    })
    .await;
    let found = found.into_iter().collect::<Result<Vec<_>>>()?;
    failpoint::hit("point.archived");
    let shards: Vec<String> = found.iter().map(|(member, ..)| member.shard.name.clone()).collect();
    for (member, made, place) in found {
        let noted = Noted {
            version: 1,
            name: args.name.clone(),
            cluster: cx.config()?.cluster.name.clone(),
            shard: member.shard.name.clone(),
            shards: shards.clone(),
            lsn: place.at.to_string(),
            timeline: made.timeline,
            made_at: rfc3339(place.time),
            pause_ms: made.pause_ms,
            system_identifier: made.system.clone(),
            schema_version: made.schema_version.clone(),
        };
        noted.write(&member.archive).await?;
        failpoint::hit("point.noted");
        cx.entry(&member.shard.name).detail(serde_json::json!({ "name": args.name, "lsn": noted.lsn })).to_file();
        let body = PointRecord {
            shard: Some(member.shard.name),
            name: Some(noted.name.clone()),
            lsn: Some(noted.lsn),
            timeline: Some(noted.timeline),
            segment: Some(place.segment.to_string()),
            made_at: Some(noted.made_at),
            pause_ms: Some(noted.pause_ms),
            table_count: Some(made.tables),
            attempt_count: Some(attempts),
            system_identifier: Some(noted.system_identifier),
            schema_version: noted.schema_version,
            object: Some(noted::key(&noted.name)),
        };
        cx.output().line(&Line::ok(Some(member.target.name), true, body, began.elapsed()))?;
    }
    Ok(())
}

/// Every shard of the cluster, with its archive.
async fn members(cx: &Context, targets: &[Target], args: &Args) -> Result<Vec<Member>> {
    let config = cx.config()?;
    let mut members: Vec<Member> = Vec::new();
    for target in targets {
        if let Some(status) = &target.upstream_failure {
            return Err(Error::new(
                Code::UpstreamFailed,
                format!("the line of \"{}\" arrived with status \"{status}\"; nothing was touched", target.name),
            )
            .hint("A restore point is of all shards or of none."));
        }
        let shard = flotilla_archive::Archive::shard_of(target)?.clone();
        if members.iter().any(|member| member.shard.name == shard.name) {
            continue;
        }
        let archive = Archive::open(config, &shard, args.store.as_deref()).await?;
        members.push(Member { target: target.clone(), shard, archive });
    }
    let left_out: Vec<&str> = config
        .shards
        .iter()
        .map(|shard| shard.name.as_str())
        .filter(|name| members.iter().all(|member| member.shard.name != *name))
        .collect();
    if left_out.is_empty() {
        return Ok(members);
    }
    Err(Error::usage(format!("shards {} are left out; nothing was touched", left_out.join(", ")))
        .hint("A restore point is of all shards, so that all can go back to it together: give --all."))
}

/// Makes it on all shards while all barriers are up, trying again when a barrier meets a long write.
async fn make(cx: &Context, members: &[Member], args: &Args) -> Result<(Vec<Made>, u32)> {
    let until = Instant::now() + args.retry_for;
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(10))
        .with_jitter()
        .without_max_times()
        .build();
    for attempt in 1.. {
        match once(cx, members, args).await {
            Ok(made) => return Ok((made, attempt)),
            Err(error) if error.code() != Code::LockTimeout => return Err(error),
            Err(error) => {
                let pause = pauses.next().unwrap_or(Duration::from_secs(10));
                if Instant::now() + pause > until {
                    return Err(error);
                }
                tracing::info!("try {attempt}: {error}; trying again in {pause:?}");
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = cx.stop().asked() => return Err(flotilla::signal::cancelled()),
                    () = cx.deadline_passed() => return Err(cx.deadline_error()),
                }
            }
        }
    }
    Err(Error::internal("trying has no end"))
}

async fn once(cx: &Context, members: &[Member], args: &Args) -> Result<Vec<Made>> {
    let connected = fanout::ask(cx, members.to_vec(), |member, cx| async move {
        Barrier::connect(&cx, &member.target, &member.archive).await
    })
    .await;
    let barriers = connected.into_iter().collect::<Result<Vec<_>>>()?;
    let limit = args.pause_limit;
    let asked = Instant::now();
    let raised = fanout::ask(cx, barriers, |barrier, _| async move {
        let raised = barrier.raise(limit).await;
        failpoint::hit("point.locking");
        raised
    })
    .await;
    // Whatever fails here drops all sessions, and with them the barriers.
    let barriers = raised.into_iter().collect::<Result<Vec<_>>>()?;
    failpoint::hit("point.up");
    if asked.elapsed() > limit {
        return Err(Error::new(Code::LockTimeout, "the barriers were not up on all shards within the pause limit")
            .hint("Give --retry-for more time, or a longer --pause-limit."));
    }
    let name = Arc::new(args.name.clone());
    let made = fanout::ask(cx, barriers, |barrier, _| {
        let name = Arc::clone(&name);
        async move { barrier.make(&name).await }
    })
    .await;
    let made = made.into_iter().collect::<Result<Vec<_>>>().map_err(burnt)?;
    failpoint::hit("point.made");
    let released = fanout::ask(cx, made, |(barrier, made), _| async move { barrier.release(made, asked).await }).await;
    released.into_iter().collect::<Result<Vec<_>>>().map_err(burnt)
}

/// Once it was made somewhere, the name is in the WAL.
fn burnt(error: Error) -> Error {
    let code = if error.code() == Code::LockTimeout { Code::Timeout } else { error.code() };
    Error::new(code, format!("the restore point was made on some shards only: {}", error.message()))
        .hint("It is noted nowhere and can't be restored. Make another, under another name.")
        .source(error)
}

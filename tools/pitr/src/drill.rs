//! `pitr drill`: proves that a shard can be restored by restoring it: to a random time, in a folder
//! apart, with every page, index and commit looked at, and a report that names the one before it.
//!
//! Failpoints: those of `restore`, `drill.proved`, `drill.reported`.

mod proof;
mod report;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use flotilla::clock::{millis, now, rfc3339};
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, failpoint};
use schemars::JsonSchema;
use serde::Serialize;

use self::proof::{Proof, TableHash};
use self::report::Report;
use crate::coverage::say_zone;
use crate::goal::{Goal, GoalArgs};
use crate::past::{Past, PastArgs};
use crate::restore::reading::Wish;
use crate::restore::{self, Order};
use crate::window;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "drill",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: true,
    records: &[RecordInfo::of::<DrillRecord>()],
    examples: &[
        Example {
            line: "pitr drill --all -q -j 1 --into /srv/drills",
            does: "Prove from cron that every shard can be restored, one after another",
        },
        Example {
            line: "pitr drill -t s0 --latest --into /srv/drills",
            does: "Measure how long it takes to have a shard back, and how much would be lost",
        },
    ],
};

/// What to prove.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    goal: GoalArgs,
    /// Restore into this folder; each shard's own is removed after a drill that went well
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Keep what was restored
    #[arg(long)]
    keep: bool,
    /// Port of the restored servers, in the names of their sockets
    #[arg(long, value_name = "PORT", default_value_t = 5433, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Folder of PostgreSQL's programs instead of where Debian has them
    #[arg(long, value_name = "DIR")]
    bin: Option<PathBuf>,
    #[command(flatten)]
    past: PastArgs,
}

/// What was proved of a shard.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct DrillRecord {
    /// The shard.
    pub(crate) shard: Option<String>,
    /// What was restored: `time`, `lsn`, `xid`, `name` or `latest`.
    pub(crate) goal: Option<String>,
    /// Its value; null of the latest point.
    pub(crate) goal_value: Option<String>,
    /// The backup.
    pub(crate) backup: Option<String>,
    /// The record at which recovery stopped, as a WAL position.
    pub(crate) stop_lsn: Option<String>,
    /// The time of the last commit that was there, UTC.
    pub(crate) last_commit: Option<String>,
    /// How many segments were replayed.
    pub(crate) segment_count: Option<usize>,
    /// Bytes that came from the backups.
    pub(crate) restored_bytes: Option<u64>,
    /// How long it took until the restored server could be used, in milliseconds: the RTO.
    pub(crate) rto_ms: Option<u64>,
    /// How old the last commit in the archive was when the drill began, in seconds: the most that could have been lost, the RPO.
    pub(crate) rpo_seconds: Option<f64>,
    /// How many pages had their checksums compared; null where the cluster has none.
    pub(crate) checked_pages: Option<u64>,
    /// How many relations `pg_amcheck` looked at.
    pub(crate) checked_relations: Option<u64>,
    /// How many rows were read, and found to be committed no later than the point.
    pub(crate) row_count: Option<u64>,
    /// Each table's rows and hash.
    pub(crate) tables: Option<Vec<TableHash>>,
    /// The object that holds the report.
    pub(crate) object: Option<String>,
    /// SHA-256 of the report before it; null of the first.
    pub(crate) previous: Option<String>,
    /// SHA-256 of this report.
    pub(crate) report: Option<String>,
}

impl Record for DrillRecord {
    const KIND: &'static str = "pitr.drill";
    const COLUMNS: &'static [&'static str] =
        &["goal_value", "last_commit", "rto_ms", "rpo_seconds", "checked_pages", "row_count", "report"];
}

/// Drills each target.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    if let Some(when) = args.goal.when() {
        say_zone(cx, when);
    }
    let targets = cx.targets()?;
    let args = Arc::new(args);
    cx.each(targets, move |target, cx| {
        let args = Arc::clone(&args);
        async move {
            let shard = flotilla_archive::Archive::shard_of(&target)?;
            let done = Box::pin(drill(&cx, &target, &args)).await;
            if !cx.global().dry_run {
                let entry = match &done {
                    Ok(done) => {
                        let detail = serde_json::json!({ "goal": done.goal_value, "report": done.report });
                        cx.entry(&shard.name).detail(detail)
                    }
                    Err(error) => cx.entry(&shard.name).failed(error),
                };
                entry.leave(&cx, shard, &cx.config()?.users.backup).await;
            }
            Ok(if cx.global().dry_run { Done::planned(done?) } else { Done::changed(done?) })
        }
    })
    .await
}

async fn drill(cx: &Context, target: &Target, args: &Args) -> Result<DrillRecord> {
    let began = Instant::now();
    let shard = flotilla_archive::Archive::shard_of(target)?;
    let past = Past::load(cx.config()?, shard, &args.past).await?;
    let ranges = window::ranges(&past).await?;
    let latest = ranges.iter().rev().find(|range| range.stretch().is_some()).and_then(|range| range.to);
    let goal = match args.goal.goal() {
        Some(goal) => goal,
        None => Goal::Time(random(&ranges, &shard.name)?),
    };
    let order = Order {
        into: args.into.clone(),
        port: args.port,
        bin: args.bin.clone(),
        leave_running: false,
        past: args.past.clone(),
    };
    let wish = Wish { goal, exclusive: false, store: None, timeline: None, plan: None };
    let ready = restore::prepare(cx, target, &wish, &order, false).await?;
    let plan = &ready.decided.record;
    let mut record = DrillRecord {
        shard: Some(shard.name.clone()),
        goal: plan.goal.clone(),
        goal_value: plan.goal_value.clone(),
        backup: plan.backup.clone(),
        stop_lsn: plan.stop_lsn.clone(),
        rpo_seconds: latest.map(age),
        ..DrillRecord::default()
    };
    if cx.global().dry_run {
        return Ok(record);
    }
    let restored = restore::restore(cx, &shard.name, &ready, &order).await?;
    record.rto_ms = Some(millis(began.elapsed()));
    record.stop_lsn.clone_from(&restored.stop_lsn);
    record.last_commit.clone_from(&restored.last_commit);
    record.segment_count = restored.segment_count;
    record.restored_bytes = restored.restored_bytes;
    let proof = Proof::of(cx, &ready, args.port, &shard.name, restored.last_commit.as_deref()).await?;
    record.checked_pages = proof.pages;
    record.checked_relations = Some(proof.relations);
    record.row_count = Some(proof.tables.iter().map(|table| table.row_count).sum());
    record.tables = Some(proof.tables);
    failpoint::hit("drill.proved");
    Report::write(&past.archive, &mut record, now()).await?;
    failpoint::hit("drill.reported");
    if !args.keep {
        let root = ready.place.root();
        fs::remove_dir_all(root).map_err(|e| restore::place::failed(root, e))?;
    }
    Ok(record)
}

/// The age of a time, in seconds.
fn age(at: DateTime<Utc>) -> f64 {
    (now() - at).as_seconds_f64().max(0.0)
}

/// A random time of those that can be restored, each as likely as any other.
fn random(ranges: &[window::Range], shard: &str) -> Result<DateTime<Utc>> {
    let spans: Vec<(DateTime<Utc>, TimeDelta)> = ranges
        .iter()
        .filter(|range| range.stretch().is_some())
        .filter_map(|range| Some((range.from?, range.to? - range.from?)))
        .collect();
    let total: i64 = spans.iter().filter_map(|(_, length)| length.num_microseconds()).map(|length| length + 1).sum();
    if total == 0 {
        return Err(Error::new(Code::Mismatch, format!("no time of shard \"{shard}\" can be restored"))
            .hint("`pitr coverage` says why."));
    }
    let mut left = rand::random_range(0..total);
    for (from, length) in spans {
        let length = length.num_microseconds().unwrap_or(0) + 1;
        if left < length {
            return Ok(from + TimeDelta::microseconds(left));
        }
        left -= length;
    }
    Err(Error::internal("a random time was in no range"))
}

impl DrillRecord {
    /// The time of the report's making, as a part of its key.
    fn stamp(at: DateTime<Utc>) -> String {
        rfc3339(at).replace([':', '-'], "").replace('.', "-")
    }
}

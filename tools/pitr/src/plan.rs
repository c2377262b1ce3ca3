//! `pitr plan`: how a point would be restored, or why it can't be. Its lines can be piped into `restore`,
//! which then does exactly that or refuses.

use std::sync::Arc;

use flotilla::Context;
use flotilla::clock::rfc3339;
use flotilla::config::{Config, Shard};
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla_archive::catalog::Backup;
use flotilla_archive::names::BackupName;
use flotilla_archive::wal::Lsn;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::coverage::say_zone;
use crate::cut::{self, Cut};
use crate::goal::{Goal, GoalArgs, SideArgs};
use crate::past::{Past, PastArgs};
use crate::{point, window};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "plan",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<PlanRecord>()],
    examples: &[
        Example { line: "pitr plan --to '2024-06-28 15:30:00Z'", does: "Show how every shard would go back to a time" },
        Example { line: "pitr plan --latest -t s0", does: "Show how a shard would be rebuilt from its archive" },
    ],
};

/// How fast bytes come from a store and are written, in bytes a second: of a backup's parts as stored.
const BYTES_A_SECOND: u64 = 50_000_000;
/// How many segments are fetched and replayed in a second.
const SEGMENTS_A_SECOND: u64 = 5;
/// How long a server takes to start, and to end recovery, in seconds.
const START_SECONDS: u64 = 5;

/// What to plan.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    goal: GoalArgs,
    #[command(flatten)]
    side: SideArgs,
    #[command(flatten)]
    past: PastArgs,
}

/// How a shard would be restored.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct PlanRecord {
    /// The shard.
    pub(crate) shard: Option<String>,
    /// The store.
    pub(crate) store: Option<String>,
    /// What was asked for: `time`, `lsn`, `xid`, `name` or `latest`.
    pub(crate) goal: Option<String>,
    /// Its value; null of the latest point.
    pub(crate) goal_value: Option<String>,
    /// Whether what happened exactly then is left out.
    pub(crate) exclusive: Option<bool>,
    /// `exact`, or `± clock skew` where a plain time is taken on several hosts.
    pub(crate) precision: Option<&'static str>,
    /// The record at which recovery stops, as a WAL position.
    pub(crate) stop_lsn: Option<String>,
    /// Whether that record is replayed: recovery stops behind it, otherwise before it.
    pub(crate) stop_inclusive: Option<bool>,
    /// The time of the last commit that is restored, UTC; null where none was found nearby.
    pub(crate) last_commit: Option<String>,
    /// How many commits are left out although they are not later than the time: they were written after
    /// one that is.
    pub(crate) late_count: Option<usize>,
    /// Their transactions.
    pub(crate) late_xids: Option<Vec<u32>>,
    /// The backup.
    pub(crate) backup: Option<String>,
    /// All backups that are fetched: the full one first, deltas in their order.
    pub(crate) chain: Option<Vec<String>>,
    /// The timeline that was asked for with `--timeline`; null where it is the newest.
    pub(crate) way_timeline: Option<u32>,
    /// The way through the timelines.
    pub(crate) path: Option<Vec<Step>>,
    /// The first segment that is replayed.
    pub(crate) first_segment: Option<String>,
    /// The last segment that is replayed.
    pub(crate) last_segment: Option<String>,
    /// How many segments that are.
    pub(crate) segment_count: Option<usize>,
    /// The backups' size as stored, in bytes.
    pub(crate) backup_bytes: Option<u64>,
    /// The segments' size as stored, in bytes.
    pub(crate) wal_bytes: Option<u64>,
    /// All that is fetched, in bytes.
    pub(crate) download_bytes: Option<u64>,
    /// The size of the restored data folder, in bytes; 0 where the backup doesn't say.
    pub(crate) restored_bytes: Option<u64>,
    /// About how long it takes, in seconds.
    pub(crate) estimate_seconds: Option<u64>,
    /// How that was reckoned.
    pub(crate) estimate_by: Option<String>,
    /// The server's version, as `server_version_num`.
    pub(crate) pg_version: Option<u32>,
    /// The cluster's system identifier.
    pub(crate) system_identifier: Option<String>,
    /// A hash over all of this that decides what is restored; `restore` refuses the plan when it has changed.
    pub(crate) plan: Option<String>,
}

impl Record for PlanRecord {
    const KIND: &'static str = "pitr.plan";
    const COLUMNS: &'static [&'static str] = &[
        "goal_value",
        "precision",
        "stop_lsn",
        "last_commit",
        "backup",
        "segment_count",
        "download_bytes",
        "estimate_seconds",
    ];
}

/// A stretch of the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Step {
    /// The timeline.
    pub(crate) timeline: u32,
    /// Where it begins, as a WAL position.
    pub(crate) from_lsn: String,
    /// Where it is left, as a WAL position; null of the last one.
    pub(crate) to_lsn: Option<String>,
}

/// What was decided.
pub(crate) struct Decided {
    /// The record.
    pub(crate) record: PlanRecord,
    /// Where recovery stops.
    pub(crate) cut: Cut,
    /// The backup.
    pub(crate) backup: BackupName,
    /// The past that it was decided from.
    pub(crate) past: Past,
}

/// Plans each target.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let goal = args.goal.required()?;
    if let Some(when) = args.goal.when() {
        say_zone(cx, when);
    }
    let targets = cx.targets()?;
    let (goal, several) = (Arc::new(goal), targets.len() > 1);
    let (past, exclusive) = (Arc::new(args.past), args.side.exclusive);
    cx.each(targets, move |target, cx| {
        let (goal, past) = (Arc::clone(&goal), Arc::clone(&past));
        async move {
            let shard = flotilla_archive::Archive::shard_of(&target)?;
            Ok(Done::planned(decide(cx.config()?, shard, &past, &goal, exclusive, several).await?.record))
        }
    })
    .await
}

/// Decides how a shard goes back to a point, and fails where it can't.
pub(crate) async fn decide(
    config: &Config,
    shard: &Shard,
    args: &PastArgs,
    goal: &Goal,
    exclusive: bool,
    several: bool,
) -> Result<Decided> {
    let past = Past::load(config, shard, args).await?;
    let ranges = window::ranges(&past).await?;
    let noted = match goal {
        Goal::Name(name) => point::positions(config, &past.archive, args.store.as_deref(), name).await?.map(Goal::Lsn),
        _ => None,
    };
    let cut = cut::find(&past, &ranges, noted.as_ref().unwrap_or(goal), exclusive).await?;
    let backup = choose(&past, &cut, goal)?;
    let chain = past.catalog.chain(backup).map_err(|broken| {
        Error::new(Code::Mismatch, format!("backup {} can't be restored: {broken}", backup.name))
            .hint("`walg-wrap verify` looks at all of the archive.")
    })?;
    for below in &chain {
        if let Some(lack) = below.lacks(&past.archive).await? {
            return Err(Error::new(Code::Mismatch, format!("backup {} can't be restored: {lack}", below.name))
                .hint("`walg-wrap verify` looks at all of the archive."));
        }
    }
    let mut record = PlanRecord {
        shard: Some(shard.name.clone()),
        store: Some(past.archive.store().name().to_owned()),
        goal: Some(goal.kind().to_owned()),
        goal_value: goal.value(),
        exclusive: Some(exclusive),
        precision: Some(if several && matches!(goal, Goal::Time(_)) { "± clock skew" } else { "exact" }),
        stop_lsn: Some(cut.at.to_string()),
        stop_inclusive: Some(cut.inclusive),
        last_commit: cut.last_commit.map(rfc3339),
        late_count: Some(cut.late.len()),
        late_xids: Some(cut.late.clone()),
        backup: Some(backup.name.to_string()),
        chain: Some(chain.iter().map(|backup| backup.name.to_string()).collect()),
        way_timeline: args.timeline,
        path: Some(path(&past, backup.sentinel.start_lsn, cut.at)),
        backup_bytes: Some(chain.iter().map(|backup| size(backup.sentinel.compressed_size)).sum()),
        restored_bytes: Some(size(backup.sentinel.data_catalog_size)),
        pg_version: Some(backup.sentinel.pg_version),
        system_identifier: past.system.map(|system| system.to_string()),
        ..PlanRecord::default()
    };
    let hash = wal(&past, backup, &cut, &mut record)?;
    estimate(&mut record);
    record.plan = Some(fingerprint(hash, &record, &chain));
    let backup = backup.name.clone();
    Ok(Decided { record, cut, backup, past })
}

/// The newest backup that ends before the cut.
fn choose<'p>(past: &'p Past, cut: &Cut, goal: &Goal) -> Result<&'p Backup> {
    let backups = past.backups(cut.run);
    let found = backups.iter().rev().find(|backup| backup.sentinel.finish_lsn <= cut.at);
    found.copied().ok_or_else(|| {
        let first = backups.first().map_or_else(
            || "no backup can be used with the WAL there".to_owned(),
            |backup| format!("the first backup, {}, ends at {} only", backup.name, backup.sentinel.finish_lsn),
        );
        Error::new(Code::Mismatch, format!("{goal} can't be restored: it lies at {}, and {first}", cut.at))
            .hint("`pitr coverage` shows what can be.")
    })
}

fn path(past: &Past, from: Lsn, to: Lsn) -> Vec<Step> {
    let on_it = |span: &flotilla_archive::wal::Span| span.begin <= to && span.end.is_none_or(|end| end > from);
    past.way
        .spans()
        .into_iter()
        .filter(on_it)
        .map(|span| Step {
            timeline: span.timeline.0,
            from_lsn: span.begin.max(from).to_string(),
            to_lsn: span.end.filter(|end| *end <= to).map(|end| end.to_string()),
        })
        .collect()
}

/// Notes the segments, each of which must be there, and begins the hash with them.
fn wal(past: &Past, backup: &Backup, cut: &Cut, record: &mut PlanRecord) -> Result<Sha256> {
    let mut hash = Sha256::new();
    let (mut bytes, mut count) = (0, 0);
    let (mut first, mut last) = (None, None);
    for segment in past.segments(backup.sentinel.start_lsn, cut.needs) {
        let Some(object) = past.catalog.segment(segment) else {
            return Err(Error::new(Code::Mismatch, format!("segment {segment} is not in the archive"))
                .hint("`pitr coverage` names every gap."));
        };
        hash.update(format!("{}\0{}\n", object.key(), object.bytes));
        bytes += object.bytes;
        count += 1;
        first = first.or(Some(segment));
        last = Some(segment);
    }
    record.first_segment = first.map(|segment| segment.to_string());
    record.last_segment = last.map(|segment| segment.to_string());
    record.segment_count = Some(count);
    record.wal_bytes = Some(bytes);
    record.download_bytes = Some(bytes + record.backup_bytes.unwrap_or_default());
    Ok(hash)
}

fn estimate(record: &mut PlanRecord) {
    let bytes = record.backup_bytes.unwrap_or_default();
    let segments = record.segment_count.unwrap_or_default() as u64;
    let seconds = START_SECONDS + bytes.div_ceil(BYTES_A_SECOND) + segments.div_ceil(SEGMENTS_A_SECOND);
    record.estimate_seconds = Some(seconds);
    record.estimate_by = Some(format!(
        "{START_SECONDS} s + backup_bytes / {} MB/s + segment_count / {SEGMENTS_A_SECOND} a second",
        BYTES_A_SECOND / 1_000_000
    ));
}

/// The hash of what decides the restore: not of how the point was named.
fn fingerprint(mut hash: Sha256, record: &PlanRecord, chain: &[&Backup]) -> String {
    for backup in chain {
        let sentinel = &backup.sentinel;
        hash.update(format!("{}\0{}\0{}\n", backup.name, sentinel.start_lsn, sentinel.finish_lsn));
    }
    let path = record.path.iter().flatten().map(|step| format!("{} {}", step.timeline, step.from_lsn));
    let path: Vec<String> = path.collect();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    hash.update(format!(
        "{}\0{}\0{:?}\0{}\0{}\n",
        text(&record.stop_lsn),
        text(&record.system_identifier),
        record.stop_inclusive,
        text(&record.store),
        path.join(",")
    ));
    hex(&hash.finalize()[..10])
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn size(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(0)
}

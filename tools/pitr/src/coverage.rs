//! `pitr coverage`: which times can be restored, per shard and for all of them together. Every time is in
//! a range that can be restored or in a gap with a name.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flotilla::clock::rfc3339;
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Done, Line, Record, RecordInfo};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, log};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use crate::past::{Past, PastArgs};
use crate::when::{self, When};
use crate::window::{self, Range, State};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "coverage",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<CoverageRange>(), RecordInfo::of::<CoverageEnd>()],
    examples: &[
        Example { line: "pitr coverage", does: "Show what can be restored, and every gap with its reason" },
        Example {
            line: "pitr coverage -q --to '2024-06-28 15:30:00Z' && echo yes",
            does: "Ask whether the whole cluster can go back to a time",
        },
        Example { line: "pitr coverage -t s0 --store west", does: "Look at one shard in the second region" },
    ],
};

/// What to show.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Ask for this time only; without an offset it is UTC
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    to: Option<When>,
    #[command(flatten)]
    past: PastArgs,
}

/// A range of times.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct CoverageRange {
    /// The shard; null for what all shards together can.
    pub(crate) shard: Option<String>,
    /// What it is about: `shard` or `cluster`.
    pub(crate) scope: Option<&'static str>,
    /// Its beginning, UTC; null of the first range.
    pub(crate) from: Option<String>,
    /// Its end, UTC; null of the last range.
    pub(crate) to: Option<String>,
    /// `restorable`, which includes both ends, or `gap`, which includes neither.
    pub(crate) coverage: Option<&'static str>,
    /// Why it can't be restored; null where it can.
    pub(crate) reason: Option<String>,
    /// The first segment that is missing or damaged, of a gap that comes from it.
    pub(crate) missing_segment: Option<String>,
    /// The backup from which the beginning of the range is restored.
    pub(crate) backup: Option<String>,
    /// The timeline at the end of the range.
    pub(crate) timeline: Option<u32>,
    /// Where that backup ends, as a WAL position.
    pub(crate) from_lsn: Option<String>,
    /// Where the WAL of the range ends, as a WAL position.
    pub(crate) to_lsn: Option<String>,
}

impl Record for CoverageRange {
    const KIND: &'static str = "pitr.coverage";
    const COLUMNS: &'static [&'static str] = &["from", "to", "coverage", "reason"];
}

/// What the ranges of a shard, or of all together, come to.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct CoverageEnd {
    /// The shard; null for what all shards together can.
    pub(crate) shard: Option<String>,
    /// What it is about: `shard` or `cluster`.
    pub(crate) scope: Option<&'static str>,
    /// The earliest time that can be restored, UTC.
    pub(crate) earliest: Option<String>,
    /// The latest time that is proven to be in the archive, UTC.
    pub(crate) latest: Option<String>,
    /// How many holes there are between the two, or where the archive has no end that can be reached.
    pub(crate) hole_count: Option<usize>,
    /// The time that was asked for, UTC.
    pub(crate) asked: Option<String>,
    /// Whether that can be restored.
    pub(crate) restorable: Option<bool>,
}

impl Record for CoverageEnd {
    const KIND: &'static str = "pitr.coverage_end";
    const COLUMNS: &'static [&'static str] = &["earliest", "latest", "hole_count", "asked", "restorable"];
}

/// Says that a time without an offset was read as UTC.
pub(crate) fn say_zone(cx: &Context, when: When) {
    if !when.has_offset && !cx.global().quiet {
        log::say(&format!("{}: the time has no offset and is read as UTC: {}", cx.tool(), rfc3339(when.at)));
    }
}

/// Shows each shard's ranges, then those of all shards together.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let began = Instant::now();
    let targets = cx.targets()?;
    let count = targets.len();
    if let Some(when) = args.to {
        say_zone(cx, when);
    }
    let asked = args.to.map(|when| when.at);
    let all: Arc<Mutex<Vec<Vec<Range>>>> = Arc::default();
    let (found, options) = (Arc::clone(&all), Arc::new(args.past));
    cx.each(targets, move |target, cx| {
        let (found, options) = (Arc::clone(&found), Arc::clone(&options));
        async move {
            let shard = flotilla_archive::Archive::shard_of(&target)?;
            let past = Past::load(cx.config()?, shard, &options).await?;
            let ranges = window::ranges(&past).await?;
            for range in ranges.iter().filter(|range| asked.is_none_or(|at| range.holds(at))) {
                let body = record(Some(&shard.name), range);
                cx.output().line(&Line::ok(Some(target.name.clone()), false, body, Duration::ZERO))?;
            }
            let (body, error) = summary(Some(&shard.name), &ranges, asked);
            found.lock().unwrap_or_else(PoisonError::into_inner).push(ranges);
            Ok(error.map_or_else(|| Done::unchanged(body.clone()), |error| Done::failed(false, body.clone(), error)))
        }
    })
    .await?;
    let all = std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner));
    if all.len() < count {
        let error = Error::new(Code::Mismatch, "what all shards together can restore is not known")
            .hint("See the lines of the shards that failed.");
        return cx.output().line(&Line::<CoverageEnd>::failed(None, &error, began.elapsed()));
    }
    cluster(cx, &all, asked, began)
}

/// What all shards together can.
fn cluster(cx: &Context, all: &[Vec<Range>], asked: Option<DateTime<Utc>>, began: Instant) -> Result<()> {
    let ranges = common(all);
    for range in ranges.iter().filter(|range| asked.is_none_or(|at| range.holds(at))) {
        cx.output().line(&Line::ok(None, false, record(None, range), Duration::ZERO))?;
    }
    let (body, error) = summary(None, &ranges, asked);
    let line = match error {
        Some(error) => Line::failed(None, &error, began.elapsed()).with_body(body),
        None => Line::ok(None, false, body, began.elapsed()),
    };
    cx.output().line(&line)
}

/// The ranges of all shards together; a gap is named by the shards that have one then.
fn common(all: &[Vec<Range>]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    let mut end = None;
    for (from, to) in window::intersection(all) {
        let is_hole = !ranges.is_empty();
        let reason = "one of the shards can't be restored then".to_owned();
        ranges.push(Range { from: end, to: Some(from), state: State::Gap { reason, missing: None, is_hole } });
        let stretch = all.iter().flatten().find(|range| range.holds(from)).and_then(|range| range.stretch().cloned());
        if let Some(stretch) = stretch {
            ranges.push(Range { from: Some(from), to: Some(to), state: State::Restorable(stretch) });
        }
        end = Some(to);
    }
    let is_hole = ranges.is_empty();
    let reason = if is_hole { "no time can be restored on all shards" } else { "not in every shard's archive yet" };
    ranges.push(Range { from: end, to: None, state: State::Gap { reason: reason.to_owned(), missing: None, is_hole } });
    ranges
}

fn record(shard: Option<&String>, range: &Range) -> CoverageRange {
    let mut body = CoverageRange {
        shard: shard.cloned(),
        scope: Some(if shard.is_some() { "shard" } else { "cluster" }),
        from: range.from.map(rfc3339),
        to: range.to.map(rfc3339),
        ..CoverageRange::default()
    };
    match &range.state {
        State::Restorable(stretch) => {
            body.coverage = Some("restorable");
            if shard.is_some() {
                body.backup = Some(stretch.backup.to_string());
                body.timeline = Some(stretch.timeline.0);
                body.from_lsn = Some(stretch.from.to_string());
                body.to_lsn = Some(stretch.to.to_string());
            }
        }
        State::Gap { reason, missing, .. } => {
            body.coverage = Some("gap");
            body.reason = Some(reason.clone());
            body.missing_segment = missing.map(|segment| segment.to_string());
        }
    }
    body
}

fn summary(shard: Option<&String>, ranges: &[Range], asked: Option<DateTime<Utc>>) -> (CoverageEnd, Option<Error>) {
    let whole: Vec<&Range> = ranges.iter().filter(|range| range.stretch().is_some()).collect();
    let holes: Vec<&str> = ranges
        .iter()
        .filter_map(|range| match &range.state {
            State::Gap { reason, is_hole: true, .. } => Some(reason.as_str()),
            _ => None,
        })
        .collect();
    let at = asked.and_then(|at| ranges.iter().find(|range| range.holds(at)));
    let body = CoverageEnd {
        shard: shard.cloned(),
        scope: Some(if shard.is_some() { "shard" } else { "cluster" }),
        earliest: whole.first().and_then(|range| range.from).map(rfc3339),
        latest: whole.last().and_then(|range| range.to).map(rfc3339),
        hole_count: Some(holes.len()),
        asked: asked.map(rfc3339),
        restorable: asked.map(|_| at.is_some_and(|range| range.stretch().is_some())),
    };
    let who = shard.map_or_else(|| "the cluster".to_owned(), |shard| format!("shard \"{shard}\""));
    let error = match (asked, at.map(|range| &range.state)) {
        (Some(_), Some(State::Restorable(_))) => None,
        (Some(at), Some(State::Gap { reason, .. })) => {
            Some(format!("{who} can't go back to {}: {reason}", rfc3339(at)))
        }
        (Some(at), None) => Some(format!("{who} can't go back to {}", rfc3339(at))),
        (None, _) => holes.first().map(|first| format!("{who} has {} that can't be restored: {first}", count(&holes))),
    };
    let error = error.map(|message| {
        Error::new(Code::Mismatch, message).hint("`pitr coverage` names every range of times and every gap.")
    });
    (body, error)
}

fn count(holes: &[&str]) -> String {
    if holes.len() == 1 { "a hole".to_owned() } else { format!("{} holes", holes.len()) }
}

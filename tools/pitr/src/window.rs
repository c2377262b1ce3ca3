//! Which times can be restored: every one is in a range that can, or in a gap that says why not.

use chrono::{DateTime, Utc};
use flotilla::error::Result;
use flotilla_archive::catalog::Backup;
use flotilla_archive::names::BackupName;
use flotilla_archive::wal::{Lsn, Segment, Timeline};

use crate::past::{Past, Run};

/// A range of times, both ends included where it can be restored, and neither where it can't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// Its beginning; none of the first one.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Its end; none of the last one.
    pub(crate) to: Option<DateTime<Utc>>,
    /// What can be restored, or why not.
    pub(crate) state: State,
}

/// Whether a range can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It can.
    Restorable(Stretch),
    /// It can't, because of this. Some gaps are what every archive has: before its first backup, and
    /// after its last segment.
    Gap {
        /// Why.
        reason: String,
        /// The first segment that is missing or damaged.
        missing: Option<Segment>,
        /// Whether it is between times that can be restored, or would be but for it.
        is_hole: bool,
    },
}

/// What a restorable range stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The segments.
    pub(crate) run: Run,
    /// The first backup in it.
    pub(crate) backup: BackupName,
    /// Where that ends.
    pub(crate) from: Lsn,
    /// Its end.
    pub(crate) to: Lsn,
    /// The timeline at the end.
    pub(crate) timeline: Timeline,
}

impl Range {
    /// Whether a time lies in it.
    pub(crate) fn holds(&self, at: DateTime<Utc>) -> bool {
        match self.state {
            State::Restorable(_) => self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at <= to),
            State::Gap { .. } => self.from.is_none_or(|from| from < at) && self.to.is_none_or(|to| at < to),
        }
    }

    /// What it stands on, where it can be restored.
    pub(crate) fn stretch(&self) -> Option<&Stretch> {
        match &self.state {
            State::Restorable(stretch) => Some(stretch),
            State::Gap { .. } => None,
        }
    }
}

/// Every time of a shard, in order.
pub(crate) async fn ranges(past: &Past) -> Result<Vec<Range>> {
    // A segment that turns out to be damaged is a gap like a missing one.
    loop {
        if let Some(ranges) = try_ranges(past).await? {
            return Ok(ranges);
        }
        tracing::debug!("a segment is damaged; the stretches are found anew");
    }
}

/// None when a segment turned out to be damaged.
async fn try_ranges(past: &Past) -> Result<Option<Vec<Range>>> {
    let runs = past.runs();
    let mut ranges = Vec::new();
    // Where the last restorable range ended, and the first segment that was missing behind it.
    let (mut end, mut missing): (Option<DateTime<Utc>>, Option<Segment>) = (None, None);
    let mut before: Option<Run> = None;
    for run in runs {
        if let Some(before) = before {
            missing = missing.or_else(|| Some(past.missing_behind(before)));
        }
        before = Some(run);
        let Some(backup) = past.backups(run).first().copied() else { continue };
        let Some(from) = lower(past, backup).await? else { return Ok(None) };
        let number = past.number(Lsn(backup.sentinel.finish_lsn.0.saturating_sub(1)));
        let Some(to) = upper(past, run, number).await? else { return Ok(None) };
        let to = to.map_or(from, |to| to.max(from));
        let leading = end.is_none() && missing.is_none();
        let reason = why_not(past, missing, ranges.is_empty(), Some(backup));
        ranges.push(Range { from: end, to: Some(from), state: State::Gap { reason, missing, is_hole: !leading } });
        let (timeline, last) = (past.segment(run.last).timeline, past.end(run));
        let name = backup.name.clone();
        let stretch = Stretch { run, backup: name, from: backup.sentinel.finish_lsn, to: last, timeline };
        ranges.push(Range { from: Some(from), to: Some(to), state: State::Restorable(stretch) });
        (end, missing) = (Some(to), None);
    }
    // Segments behind a gap, and no backup among them.
    if let (Some(_), Some(segment)) = (end, missing) {
        let reason = why_not(past, Some(segment), false, None);
        let state = State::Gap { reason, missing: Some(segment), is_hole: true };
        ranges.push(Range { from: end, to: None, state });
        return Ok(Some(ranges));
    }
    ranges.push(Range { from: end, to: None, state: last_gap(past, end) });
    Ok(Some(ranges))
}

/// Why nothing behind the last range can be restored.
fn last_gap(past: &Past, end: Option<DateTime<Utc>>) -> State {
    let gap = |reason: String, is_hole| State::Gap { reason, missing: None, is_hole };
    if let Some(timeline) = past.unreachable.last() {
        let file = format!("{:08X}.history", timeline.0);
        let why = match past.catalog.unreadable_histories.iter().find(|(broken, _)| broken == timeline) {
            Some((_, why)) => format!("{file} can't be understood: {why}"),
            None => format!("{file} is not in the archive"),
        };
        return gap(format!("timeline {timeline} can't be reached: {why}"), true);
    }
    if end.is_some() {
        return gap("not in the archive yet".to_owned(), false);
    }
    let unusable = unusable_backups(past, None);
    match (past.catalog.wal.is_empty() && past.catalog.backups.is_empty(), unusable.is_empty()) {
        (true, true) => gap("the archive is empty".to_owned(), true),
        (_, true) => gap("there is no backup with the WAL that it needs".to_owned(), true),
        (_, false) => gap(format!("there is no backup that can be used: {unusable}"), true),
    }
}

/// Why what is before a backup can't be restored.
fn why_not(past: &Past, missing: Option<Segment>, first: bool, backup: Option<&Backup>) -> String {
    let mut reason = match missing {
        Some(segment) => match past.damage(segment.number) {
            Some(damage) => damage,
            None => format!("missing segment {segment}"),
        },
        None if first => "no backup before".to_owned(),
        None => "no backup after it".to_owned(),
    };
    if missing.is_some() && backup.is_none() {
        reason.push_str(", and no backup since");
    }
    let unusable = unusable_backups(past, backup);
    if !unusable.is_empty() {
        reason.push_str("; ");
        reason.push_str(&unusable);
    }
    reason
}

/// The backups that can't be used and began before this one.
fn unusable_backups(past: &Past, before: Option<&Backup>) -> String {
    let earlier = |name: &BackupName| before.is_none_or(|before| name.start_digits() < before.name.start_digits());
    let unreadable = past.catalog.unreadable.iter().map(|(name, why)| (name, why.clone()));
    let broken = past.catalog.backups.iter().filter_map(|backup| Some((&backup.name, past.unusable(backup)?)));
    let unusable = unreadable.chain(broken).filter(|(name, _)| earlier(name));
    unusable.map(|(name, why)| format!("{name} can't be used: {why}")).collect::<Vec<_>>().join("; ")
}

/// The earliest time that can be restored from a backup: none of what was committed until then is after
/// its end. The outer none says that a segment is damaged.
async fn lower(past: &Past, backup: &Backup) -> Result<Option<DateTime<Utc>>> {
    let finish = backup.sentinel.finish_lsn;
    let (first, last) = (past.number(backup.sentinel.start_lsn), past.number(Lsn(finish.0.saturating_sub(1))));
    let mut after = None;
    for number in (first..=last).rev() {
        let Some(marks) = whole(past, number).await? else { return Ok(None) };
        if let Some(latest) = marks.found.iter().filter(|mark| mark.at < finish).map(|mark| mark.time).max() {
            return Ok(Some(latest));
        }
        if number == last {
            after = marks.found.iter().map(|mark| mark.time).min();
        }
    }
    let finished = backup.finished();
    Ok(Some(after.map_or(finished, |after| finished.min(after))))
}

/// The latest time that is proven to be in a stretch from this segment on; none in it when nothing there
/// has a time. The outer none says that a segment is damaged.
async fn upper(past: &Past, run: Run, first: u64) -> Result<Option<Option<DateTime<Utc>>>> {
    for number in (first..=run.last).rev() {
        let Some(marks) = whole(past, number).await? else { return Ok(None) };
        if let Some(latest) = marks.latest() {
            return Ok(Some(Some(latest)));
        }
    }
    Ok(Some(None))
}

async fn whole(past: &Past, number: u64) -> Result<Option<std::sync::Arc<crate::log::Marks>>> {
    match past.marks(number).await {
        Ok(marks) => Ok(Some(marks)),
        Err(error) => past.leave_out(number, error).map(|()| None),
    }
}

/// What can be restored of all shards at once: of each range the times, without what it stands on.
pub(crate) fn intersection(shards: &[Vec<Range>]) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let spans = |ranges: &[Range]| -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        ranges.iter().filter(|range| range.stretch().is_some()).filter_map(|r| Some((r.from?, r.to?))).collect()
    };
    let mut all = shards.iter().map(|ranges| spans(ranges));
    let Some(first) = all.next() else { return Vec::new() };
    all.fold(first, |common, spans| {
        let mut both = Vec::new();
        for (from, to) in &common {
            for (other_from, other_to) in &spans {
                let (from, to) = (*from.max(other_from), *to.min(other_to));
                if from <= to {
                    both.push((from, to));
                }
            }
        }
        both
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap_or_default()
    }

    fn restorable(spans: &[(i64, i64)]) -> Vec<Range> {
        let backup = "base_000000010000000000000001".parse().expect("a name");
        let run = Run { first: 1, last: 2 };
        let stretch = Stretch { run, backup, from: Lsn(1), to: Lsn(2), timeline: Timeline(1) };
        let range = |(from, to): &(i64, i64)| Range {
            from: Some(at(*from)),
            to: Some(at(*to)),
            state: State::Restorable(stretch.clone()),
        };
        spans.iter().map(range).collect()
    }

    proptest::proptest! {
        #[test]
        fn a_second_is_in_the_intersection_when_every_shard_has_it(
            shards in proptest::collection::vec(proptest::collection::btree_set(0_i64..60, 0..12), 1..4)
        ) {
            let shards: Vec<Vec<Range>> = shards.into_iter().map(|ends| {
                let ends: Vec<i64> = ends.into_iter().collect();
                restorable(&ends.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>())
            }).collect();
            let common = intersection(&shards);
            for second in 0..60 {
                let everywhere = shards.iter().all(|ranges| ranges.iter().any(|range| range.holds(at(second))));
                let found = common.iter().any(|(from, to)| *from <= at(second) && at(second) <= *to);
                proptest::prop_assert_eq!(found, everywhere);
            }
        }
    }
}

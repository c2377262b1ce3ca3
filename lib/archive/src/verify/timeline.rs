//! Histories that must agree, and segments that must be there.

use std::collections::{BTreeMap, BTreeSet};

use flotilla::Result;
use futures_util::TryStreamExt as _;

use super::{Finding, Rule, Run, strays};
use crate::catalog::Backup;
use crate::codec::Codec;
use crate::names;
use crate::store::Listing;
use crate::wal::{History, Segment, Timeline, WalFile};

/// Checks the ways, and looks for gaps on each.
pub(super) async fn check(run: &Run, standing: &[&Backup]) -> Result<()> {
    histories(run);
    let under_way = UnderWay::of(run);
    let mut missing: BTreeSet<Segment> = BTreeSet::new();
    let mut faint: BTreeSet<Segment> = BTreeSet::new();
    for (timeline, newest) in &run.newest {
        let Some(way) = run.catalog.way_to(*timeline).or_else(|| Some(History::first(*timeline))) else { continue };
        let is_on_way =
            |backup: &&&Backup| way.leaves(backup.timeline()).is_some_and(|left| backup.sentinel.start_lsn < left);
        let on_way: Vec<&&Backup> = standing.iter().filter(is_on_way).collect();
        // Of a permanent backup, its own segments alone are kept for ever.
        let first = on_way.iter().find(|backup| !backup.is_permanent()).or(on_way.last());
        let from = match first {
            Some(backup) => backup.sentinel.start_lsn.0 / run.catalog.size.bytes(),
            None => run
                .inventory
                .segments()
                .map(|(s, ..)| s)
                .filter(|s| s.timeline == *timeline)
                .map(|s| s.number)
                .min()
                .unwrap_or(0),
        };
        let into = if first.is_some() { &mut missing } else { &mut faint };
        for number in from..*newest {
            let segment = way.segment(number, run.catalog.size);
            if run.catalog.segment(segment).is_none() && !under_way.has(run, segment, None) {
                into.insert(segment);
            }
        }
    }
    for backup in standing {
        let way = run.catalog.way_to(backup.timeline()).unwrap_or_else(|| History::first(backup.timeline()));
        let (start, finish) = (backup.sentinel.start_lsn, backup.sentinel.finish_lsn);
        let lacks = |s: &Segment| run.catalog.segment(*s).is_none() && !under_way.has(run, *s, Some(backup));
        missing.extend(way.segments(start, finish, run.catalog.size).filter(lacks));
    }
    for gap in gaps(run, &missing).await? {
        run.find(
            Finding::error(Rule::Gap, &names::wal(WalFile::Segment(gap.0), Codec::None), told(gap)).at(gap.0.start()),
        );
    }
    for gap in gaps(run, &faint.difference(&missing).copied().collect()).await? {
        run.find(
            Finding::warning(Rule::Gap, &names::wal(WalFile::Segment(gap.0), Codec::None), told(gap)).at(gap.0.start()),
        );
    }
    if standing.is_empty() {
        run.find(Finding::warning(Rule::Missing, names::BACKUPS, "there is no backup, so nothing can be restored"));
    }
    Ok(())
}

/// Where the log is still being archived: WAL-G finishes a backup before its last segment is there, and
/// archives many segments at once, in no order.
struct UnderWay {
    /// The newest segment of each timeline that wasn't written just now.
    settled: BTreeMap<Timeline, u64>,
}

impl UnderWay {
    fn of(run: &Run) -> Self {
        let mut settled: BTreeMap<Timeline, u64> = BTreeMap::new();
        for (segment, _, facts) in run.inventory.segments() {
            if !strays::is_young(run, facts.modified) {
                let number = settled.entry(segment.timeline).or_default();
                *number = (*number).max(segment.number);
            }
        }
        Self { settled }
    }

    /// Whether a segment that isn't there may be about to come.
    fn has(&self, run: &Run, segment: Segment, backup: Option<&Backup>) -> bool {
        let is_behind = |known: &BTreeMap<Timeline, u64>| {
            known.get(&segment.timeline).is_none_or(|number| segment.number > *number)
        };
        let is_last = backup.is_some_and(|backup| strays::is_young(run, backup.written));
        is_behind(&self.settled) && (is_last || !is_behind(&run.newest))
    }
}

fn told((first, last): (Segment, Segment)) -> String {
    if first == last {
        format!("segment {first} is missing")
    } else {
        format!("segments {first} to {last} are missing")
    }
}

/// Puts segments that follow one another together, without those that have arrived since the archive
/// was listed.
async fn gaps(run: &Run, missing: &BTreeSet<Segment>) -> Result<Vec<(Segment, Segment)>> {
    let mut gaps: Vec<(Segment, Segment)> = Vec::new();
    for (count, segment) in missing.iter().enumerate() {
        // Looked at one by one as far as that may matter: many are no race.
        if count < 64 {
            let prefix = names::wal(WalFile::Segment(*segment), Codec::None);
            let entries: Vec<_> = run.archive.store().list(Listing::of(prefix.as_str())).try_collect().await?;
            let is_it = |key: &str| Codec::of_name(key).0 == prefix;
            if entries.iter().any(|entry: &crate::store::Entry| is_it(entry.key())) {
                continue;
            }
        }
        match gaps.last_mut() {
            Some((_, last)) if last.next() == *segment => *last = *segment,
            _ => gaps.push((*segment, *segment)),
        }
    }
    Ok(gaps)
}

fn histories(run: &Run) {
    let key = |timeline| {
        let file = WalFile::History(timeline);
        run.catalog.wal.get(file).map_or_else(|| names::wal(file, Codec::None), |object| object.key())
    };
    for (timeline, why) in &run.catalog.unreadable_histories {
        run.find(Finding::error(Rule::Damaged, &key(*timeline), why.clone()));
    }
    let all = run.catalog.timelines();
    for timeline in &all {
        let known = run.catalog.histories.get(timeline);
        let unreadable = run.catalog.unreadable_histories.iter().any(|(broken, _)| broken == timeline);
        match known {
            Some(history) => consistent(run, &key(*timeline), history),
            None if *timeline == Timeline(1) || unreadable => {}
            // The first timeline of an archive that was begun later is reached without.
            None if all.first() == Some(timeline) => {
                run.find(Finding::info(
                    Rule::Missing,
                    &key(*timeline),
                    "there is no history of the first timeline here",
                ));
            }
            None => {
                let said = format!("the way to timeline {timeline} isn't known");
                run.find(Finding::error(Rule::Missing, &key(*timeline), said));
            }
        }
    }
}

/// What a history says of an earlier timeline must be what that one's own says.
fn consistent(run: &Run, key: &str, history: &History) {
    let switches = history.switches();
    if switches.is_empty() {
        run.find(Finding::error(Rule::Damaged, key, "it names no timeline that was left"));
    }
    for (at, switch) in switches.iter().enumerate() {
        let Some(earlier) = run.catalog.histories.get(&switch.parent) else { continue };
        let same =
            earlier.switches().iter().map(|s| (s.parent, s.at)).eq(switches[..at].iter().map(|s| (s.parent, s.at)));
        if !same {
            let said = format!("it tells another way to timeline {} than that one's own history", switch.parent);
            run.find(Finding::error(Rule::Unfitting, key, said));
        }
    }
}

//! Where recovery stops: any goal, as one position in the WAL that was found by reading it.
//!
//! PostgreSQL stops at the first commit that is later than a time. Times are taken before commits are
//! written, so two sessions can commit in another order than their times say; a commit that is not
//! later than the time, and is written after the first that is, would go unnoticed. Here it is counted.

use chrono::{DateTime, TimeDelta, Utc};
use flotilla::clock::rfc3339;
use flotilla::error::{Code, Error, Result};
use flotilla_archive::wal::Lsn;

use crate::goal::Goal;
use crate::log::{Mark, What};
use crate::past::{Past, Run};
use crate::window::{Range, State};

/// How far behind the cut commits are looked for that came late: no session takes longer between its
/// time and its record than it may stand still.
const LATE: TimeDelta = TimeDelta::seconds(10);

/// Where recovery stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The record: where it begins.
    pub(crate) at: Lsn,
    /// Whether it is replayed itself.
    pub(crate) inclusive: bool,
    /// The position up to which the WAL is needed.
    pub(crate) needs: Lsn,
    /// The stretch of segments in which it is.
    pub(crate) run: Run,
    /// The time of the last commit before it, where one was seen.
    pub(crate) last_commit: Option<DateTime<Utc>>,
    /// Commits that are not later than the time asked for and are left out, for they were written after
    /// one that is.
    pub(crate) late: Vec<u32>,
}

/// Finds the cut, or says why there is none.
pub(crate) async fn find(past: &Past, ranges: &[Range], goal: &Goal, exclusive: bool) -> Result<Cut> {
    match goal {
        Goal::Time(at) => by_time(past, ranges, *at, exclusive).await,
        Goal::Lsn(at) => by_lsn(past, ranges, *at, exclusive).await,
        Goal::Latest => latest(past, ranges).await,
        Goal::Xid(xid) => by_xid(past, *xid, exclusive).await,
        Goal::Name(name) => by_name(past, name, exclusive).await,
    }
}

fn cannot(goal: impl std::fmt::Display, why: &str) -> Error {
    Error::new(Code::Mismatch, format!("{goal} can't be restored: {why}")).hint("`pitr coverage` shows what can be.")
}

async fn by_time(past: &Past, ranges: &[Range], asked: DateTime<Utc>, exclusive: bool) -> Result<Cut> {
    let goal = rfc3339(asked);
    let run = match ranges.iter().find(|range| range.holds(asked)).map(|range| &range.state) {
        Some(State::Restorable(stretch)) => stretch.run,
        Some(State::Gap { reason, .. }) => return Err(cannot(goal, reason)),
        None => return Err(cannot(goal, "it is in no range")),
    };
    let is_later = |time: DateTime<Utc>| if exclusive { time >= asked } else { time > asked };
    // The first segment from which on the first time is later; times rise, but for what comes late.
    let (mut low, mut high) = (run.first, run.last);
    while low < high {
        let middle = low.midpoint(high);
        if first_time(past, middle, run).await?.is_some_and(|time| !is_later(time)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let mut last_commit = None;
    // The first record that is later, should no commit be.
    let mut any: Option<Mark> = None;
    let mut before = Lsn::INVALID;
    for number in low.saturating_sub(2).max(run.first)..=run.last {
        for mark in &past.marks(number).await?.found {
            if mark.is_commit() && is_later(mark.time) {
                let late = late(past, run, number, mark, &is_later).await?;
                return Ok(Cut { at: mark.at, inclusive: false, needs: mark.end, run, last_commit, late });
            }
            if is_later(mark.time) {
                any = any.or_else(|| Some(mark.clone()));
            } else {
                if mark.is_commit() {
                    last_commit = Some(mark.time);
                }
                before = mark.at;
            }
        }
    }
    // A commit after what is later, and not later itself: the last record decides.
    if let Some(mark) = any.filter(|any| before < any.at) {
        return Ok(Cut { at: mark.at, inclusive: false, needs: mark.end, run, last_commit, late: Vec::new() });
    }
    // Nothing is later: all of the stretch.
    end_of(past, run, last_commit).await
}

async fn first_time(past: &Past, from: u64, run: Run) -> Result<Option<DateTime<Utc>>> {
    for number in from..=run.last {
        if let Some(mark) = past.marks(number).await?.found.first() {
            return Ok(Some(mark.time));
        }
    }
    Ok(None)
}

async fn late(
    past: &Past,
    run: Run,
    from: u64,
    cut: &Mark,
    is_later: &impl Fn(DateTime<Utc>) -> bool,
) -> Result<Vec<u32>> {
    let mut late = Vec::new();
    for number in from..=run.last {
        for mark in &past.marks(number).await?.found {
            if mark.at <= cut.at {
                continue;
            }
            if mark.time > cut.time + LATE {
                return Ok(late);
            }
            if let What::Commit(xid) = mark.what
                && !is_later(mark.time)
            {
                late.push(xid);
            }
        }
    }
    Ok(late)
}

/// The last whole record of a stretch.
async fn end_of(past: &Past, run: Run, last_commit: Option<DateTime<Utc>>) -> Result<Cut> {
    let mut number = run.last;
    loop {
        if let Some((at, end)) = past.marks(number).await?.last {
            return Ok(Cut { at, inclusive: true, needs: end, run, last_commit, late: Vec::new() });
        }
        if number == run.first {
            return Err(cannot("the latest point", "its WAL holds no whole record"));
        }
        number -= 1;
    }
}

async fn latest(past: &Past, ranges: &[Range]) -> Result<Cut> {
    let Some(stretch) = ranges.iter().rev().find_map(Range::stretch) else {
        return Err(cannot("the latest point", reason(ranges.last())));
    };
    // A hole behind the last range means that more was archived than can be reached.
    if let Some(Range { state: State::Gap { reason, is_hole: true, .. }, .. }) = ranges.last() {
        return Err(cannot("the latest point", reason));
    }
    let mut last_commit = None;
    for number in (stretch.run.first..=stretch.run.last).rev() {
        let marks = past.marks(number).await?;
        last_commit = marks.found.iter().rev().find(|mark| mark.is_commit()).map(|mark| mark.time);
        if last_commit.is_some() {
            break;
        }
    }
    end_of(past, stretch.run, last_commit).await
}

fn reason(range: Option<&Range>) -> &str {
    match range.map(|range| &range.state) {
        Some(State::Gap { reason, .. }) => reason,
        _ => "there is nothing",
    }
}

async fn by_lsn(past: &Past, ranges: &[Range], at: Lsn, exclusive: bool) -> Result<Cut> {
    let goal = Goal::Lsn(at);
    let number = past.number(at);
    let held = ranges.iter().filter_map(Range::stretch).find(|s| s.run.first <= number && number <= s.run.last);
    let Some(run) = held.map(|stretch| stretch.run) else {
        return Err(cannot(goal, &format!("no usable stretch of WAL holds segment {}", past.segment(number))));
    };
    let last = end_of(past, run, None).await?;
    if at > last.at {
        return Err(cannot(goal, &format!("the last record in the archive begins at {}", last.at)));
    }
    let marks = past.marks(number).await?;
    let before = marks.found.iter().rev().find(|mark| mark.is_commit() && mark.at < at);
    let needs = past.segment(number).end();
    Ok(Cut { at, inclusive: !exclusive, needs, run, last_commit: before.map(|mark| mark.time), late: Vec::new() })
}

async fn by_xid(past: &Past, xid: u32, exclusive: bool) -> Result<Cut> {
    let goal = Goal::Xid(xid);
    for run in past.runs().into_iter().rev() {
        for number in (run.first..=run.last).rev() {
            let marks = past.marks(number).await?;
            for mark in &marks.found {
                match mark.what {
                    What::Commit(found) if found == xid => return Ok(at_mark(mark, run, exclusive)),
                    What::Abort(found) if found == xid => return Err(cannot(goal, "it was rolled back")),
                    _ => {}
                }
            }
            // No later segment can hold the end of a transaction that hadn't begun.
            let ahead = marks.next_xid.map(|next| u64::from(xid).wrapping_sub(next) & u64::from(u32::MAX));
            if ahead.is_some_and(|ahead| ahead < 1 << 31) {
                return Err(no_end(&goal));
            }
        }
    }
    Err(no_end(&goal))
}

fn no_end(goal: &Goal) -> Error {
    cannot(goal, "its end is not in the archive").hint("It must be a transaction's own id, not a subtransaction's.")
}

async fn by_name(past: &Past, name: &str, exclusive: bool) -> Result<Cut> {
    let mut found: Option<Cut> = None;
    for run in past.runs().into_iter().rev() {
        for number in (run.first..=run.last).rev() {
            for mark in past.marks(number).await?.found.iter().rev() {
                if mark.what != What::Point(name.to_owned()) {
                    continue;
                }
                if let Some(other) = &found {
                    return Err(Error::refused(format!(
                        "there are two restore points \"{name}\", at {} and {}",
                        mark.at, other.at
                    ))
                    .hint("Name the one that you mean by its position, with --lsn."));
                }
                found = Some(at_mark(mark, run, exclusive));
            }
        }
    }
    found.ok_or_else(|| cannot(Goal::Name(name.to_owned()), "it is not in the archive"))
}

fn at_mark(mark: &Mark, run: Run, exclusive: bool) -> Cut {
    let last_commit = (mark.is_commit() && !exclusive).then_some(mark.time);
    Cut { at: mark.at, inclusive: !exclusive, needs: mark.end, run, last_commit, late: Vec::new() }
}

//! Histories of timelines (`timeline.c`): which log leads to a timeline.

use std::fmt;

use super::{Lsn, Segment, SegmentSize, Timeline};
use crate::Corrupt;

/// The longest history file that is read: a server of a thousand promotions stays far below it.
const MOST: usize = 16 << 20;

/// One line: a timeline was left at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The timeline that ended there.
    pub parent: Timeline,
    /// Where: the first position that is no longer its own.
    pub at: Lsn,
    /// Why, in the server's words.
    pub reason: String,
}

/// A stretch of the log on one timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The timeline.
    pub timeline: Timeline,
    /// Its first position; `0/0` of the first one.
    pub begin: Lsn,
    /// The first position that is the next timeline's; `None` of the last one.
    pub end: Option<Lsn>,
}

/// The way to a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    timeline: Timeline,
    switches: Vec<Switch>,
}

impl History {
    /// The history of a timeline that nothing came before: timeline 1 has no file.
    pub fn first(timeline: Timeline) -> Self {
        Self { timeline, switches: Vec::new() }
    }

    /// The history of a timeline from what its file says.
    pub fn new(timeline: Timeline, switches: Vec<Switch>) -> Result<Self, Corrupt> {
        let mut before = (Timeline(0), Lsn::INVALID);
        for switch in &switches {
            let wrong = |what: &str| Err(Corrupt::new(format!("history of timeline {timeline}: {what}")));
            if switch.parent <= before.0 {
                return wrong(&format!("timeline {} follows {}", switch.parent, before.0));
            }
            if switch.at < before.1 {
                return wrong(&format!("timeline {} ends at {}, before it began", switch.parent, switch.at));
            }
            before = (switch.parent, switch.at);
        }
        if before.0 >= timeline {
            return Err(Corrupt::new(format!("history of timeline {timeline}: it comes after timeline {}", before.0)));
        }
        Ok(Self { timeline, switches })
    }

    /// Reads `TTTTTTTT.history`. Blank lines and comments are allowed, as the server allows them.
    pub fn parse(timeline: Timeline, bytes: &[u8]) -> Result<Self, Corrupt> {
        let place = |what: &str| Corrupt::new(format!("history of timeline {timeline}: {what}"));
        if bytes.len() > MOST {
            return Err(place("it is longer than 16 MiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| place("it is not UTF-8"))?;
        let mut switches = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut fields = line.splitn(3, '\t');
            let parent = fields.next().and_then(|field| field.trim().parse().ok()).filter(|parent| *parent > 0);
            let at = fields.next().and_then(|field| field.trim().parse().ok());
            let (Some(parent), Some(at)) = (parent, at) else {
                return Err(place(&format!("line {number} has no timeline and position: {line:?}")));
            };
            let reason = fields.next().unwrap_or_default().to_owned();
            switches.push(Switch { parent: Timeline(parent), at, reason });
        }
        Self::new(timeline, switches)
    }

    /// The timeline that it leads to.
    pub fn timeline(&self) -> Timeline {
        self.timeline
    }

    /// What its file says, line by line.
    pub fn switches(&self) -> &[Switch] {
        &self.switches
    }

    /// The log that leads to the timeline's end, in order.
    pub fn spans(&self) -> Vec<Span> {
        let ends = self.switches.iter().map(|switch| Some(switch.at)).chain([None]);
        let timelines = self.switches.iter().map(|switch| switch.parent).chain([self.timeline]);
        let begins = [Lsn::INVALID].into_iter().chain(self.switches.iter().map(|switch| switch.at));
        timelines.zip(begins).zip(ends).map(|((timeline, begin), end)| Span { timeline, begin, end }).collect()
    }

    /// The timeline to which a position belongs on this way.
    pub fn timeline_at(&self, at: Lsn) -> Timeline {
        self.switches.iter().find(|switch| at < switch.at).map_or(self.timeline, |switch| switch.parent)
    }

    /// Where this timeline's log leaves another one: its end on this way, or `None` when the other isn't
    /// on it. The last timeline has no end and is given as the highest position.
    pub fn leaves(&self, other: Timeline) -> Option<Lsn> {
        let span = self.spans().into_iter().find(|span| span.timeline == other)?;
        Some(span.end.unwrap_or(Lsn(u64::MAX)))
    }

    /// Where the segment's timeline is left on this way, if that is within the segment.
    pub fn left_within(&self, segment: Segment) -> Option<Lsn> {
        let left = self.switches.iter().find(|switch| switch.parent == segment.timeline)?.at;
        (segment.start() < left && left < segment.end()).then_some(left)
    }

    /// The segment of this number as recovery takes it: from the newest timeline that begins in it or
    /// before, since a promotion copies the segment in which it happens.
    pub fn segment(&self, number: u64, size: SegmentSize) -> Segment {
        let began = |switch: &&Switch| switch.at.0 / size.bytes() <= number;
        let left = self.switches.iter().take_while(began).count();
        let timeline = self.switches.get(left).map_or(self.timeline, |switch| switch.parent);
        Segment { timeline, number, size }
    }

    /// The segments from the one that holds `from` to the one that holds the byte before `to`.
    pub fn segments(&self, from: Lsn, to: Lsn, size: SegmentSize) -> impl Iterator<Item = Segment> + '_ {
        let last = Segment::ending_at(self.timeline, to.max(from.plus(1)), size).number;
        (from.0 / size.bytes()..=last).map(move |number| self.segment(number, size))
    }
}

impl fmt::Display for History {
    /// The file, as the server writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.switches.iter().try_for_each(|s| writeln!(f, "{}\t{}\t{}", s.parent, s.at, s.reason))
    }
}

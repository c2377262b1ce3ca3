//! Segments of the log: every page's header, and every record over the segments' borders.
//!
//! A stretch is read at a time. A record that begins in it is read to its end in what follows; the end
//! of one that began before belongs to the stretch before. So stretches can be read side by side.

use std::collections::BTreeMap;
use std::io::{self, Read};

use bytes::Bytes;
use flotilla::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc;

use super::inventory::Inventory;
use super::records::{self, Ended};
use super::{Finding, Rule, Run, object};
use crate::catalog::WalObject;
use crate::codec::Codec;
use crate::names;
use crate::wal::{History, Lsn, PAGE_SIZE, PageHeader, Record, Segment, Timeline, WalFile, Wrong};

/// How many segments are a stretch.
const STRETCH: usize = 16;
/// How many pages are looked at at once.
const PAGES: usize = 64;

/// Segments that follow one another, with their packing.
pub(super) struct Stretch {
    segments: Vec<Packed>,
    /// The one after the last, where the last record may go on.
    next: Option<Packed>,
}

/// A segment, and how it is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packed {
    segment: Segment,
    codec: Codec,
}

impl Packed {
    pub(super) fn key(self) -> String {
        names::wal(WalFile::Segment(self.segment), self.codec)
    }
}

impl From<WalObject> for Option<Packed> {
    fn from(object: WalObject) -> Self {
        let WalFile::Segment(segment) = object.file else { return None };
        Some(Packed { segment, codec: object.codec })
    }
}

/// What is to be read: what isn't known, each time with the segment before it, for a record may go on
/// from there. In order, and each once.
pub(super) fn wanted(run: &Run) -> Vec<Packed> {
    let mut wanted = Vec::new();
    for (segment, key, _) in run.inventory.segments() {
        // Of one in two packings, the one that is read first by everybody.
        let codec = Codec::of_name(&key).1;
        if run.catalog.segment(segment).is_some_and(|first| first.codec != codec) || run.is_known(&key) {
            continue;
        }
        wanted.extend(before(run, segment).and_then(|before| packed(run, before)));
        wanted.push(Packed { segment, codec });
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// The object that a segment is read from by everybody, where it was there when all was listed.
fn packed(run: &Run, segment: Segment) -> Option<Packed> {
    let object: Option<Packed> = run.catalog.segment(segment)?.into();
    object.filter(|object| run.inventory.has(&object.key()))
}

/// The segments of the list from a place on that are one stretch.
fn stretch(run: &Run, wanted: &[Packed], from: usize) -> Stretch {
    let all = &wanted[from..wanted.len().min(from + STRETCH)];
    let together = all.windows(2).take_while(|pair| pair[0].segment.next() == pair[1].segment).count() + 1;
    let segments = all[..together.min(all.len())].to_vec();
    let next = segments.last().and_then(|last| following(run, last.segment));
    Stretch { segments, next }
}

/// The one after a segment: of its own timeline, or the first of one that leaves it behind the segment.
fn following(run: &Run, segment: Segment) -> Option<Packed> {
    let next = segment.next();
    let first_of = |way: &History| {
        let is_on_way = way.segment(segment.number, segment.size) == segment;
        is_on_way.then(|| way.segment(next.number, segment.size)).and_then(|first| packed(run, first))
    };
    packed(run, next).or_else(|| run.catalog.histories.values().find_map(first_of))
}

/// The one before on the way to its timeline.
fn before(run: &Run, segment: Segment) -> Option<Segment> {
    let number = segment.number.checked_sub(1)?;
    Some(match run.catalog.way_to(segment.timeline) {
        Some(way) => way.segment(number, segment.size),
        None => Segment { number, ..segment },
    })
}

/// Checks all that has to be read.
pub(super) async fn check(run: &Run) -> Result<()> {
    let wanted = wanted(run);
    run.note_known(run.inventory.segments().count().saturating_sub(wanted.len()));
    let mut at = 0;
    let stretches = std::iter::from_fn(|| {
        let stretch = (at < wanted.len()).then(|| stretch(run, &wanted, at))?;
        at += stretch.segments.len();
        Some(stretch)
    });
    stream::iter(stretches)
        .map(|stretch| async move { self::read(run, &stretch).await })
        .buffer_unordered(run.archive.parallelism())
        .try_for_each(|()| std::future::ready(Ok(())))
        .await
}

async fn read(run: &Run, stretch: &Stretch) -> Result<()> {
    let mut at = 0;
    let mut told = 0;
    while at < stretch.segments.len() {
        at = sound(run, stretch, at, &mut told).await?;
    }
    Ok(())
}

/// Reads from the segment of this number on, up to the end or the first fault, and says where to go on.
async fn sound(run: &Run, stretch: &Stretch, from: usize, told: &mut usize) -> Result<usize> {
    let segments = &stretch.segments;
    let (first, last) = (segments[from].segment, segments[segments.len() - 1].segment);
    let newest = stretch.next.map_or(last.timeline, |next| next.segment.timeline);
    let (send, reading) = records::read(first.start(), last.end(), records::expected(run, newest), |_| {});
    let (mut broken, mut goes_on) = (None, true);
    for (at, object) in segments.iter().enumerate().skip(from) {
        let whole = pages(run, *object, Some(&send), at >= *told).await?;
        *told = (*told).max(at + 1);
        if !whole {
            broken = Some(at);
            break;
        }
        if send.is_closed() {
            break;
        }
    }
    if broken.is_none()
        && !send.is_closed()
        && let Some(next) = stretch.next
    {
        goes_on = pages(run, next, Some(&send), false).await?;
    }
    drop(send);
    let ended = reading.await.map_err(|e| flotilla::Error::internal("reading the log failed").source(e))?;
    let after = |position: Lsn| {
        let found = segments.iter().rposition(|object| object.segment.start() <= position);
        found.unwrap_or(from).max(from)
    };
    match (ended, broken) {
        (Ended::Sound, None) => Ok(segments.len()),
        // What was told of the object is the cause of whatever its records look like.
        (Ended::Sound, Some(at)) => Ok(at + 1),
        // The log was left here, and what is behind the last record is none of it.
        (Ended::Fault(fault), None) if run.left_within(last).is_some_and(|left| fault.after >= left) => {
            Ok(segments.len())
        }
        // So it is of the one behind the stretch.
        (Ended::Fault(fault), None) if fault.at >= last.end() && !goes_on => Ok(segments.len()),
        (Ended::Fault(fault), broken) => {
            let at = after(fault.at);
            if broken.is_some_and(|broken| at >= broken) {
                return Ok(at.max(broken.unwrap_or(0)) + 1);
            }
            // A record that goes on in a segment which is told of already.
            if !(matches!(fault.wrong, Wrong::Cut) && broken.is_some()) {
                let finding = Finding::error(Rule::Wal, &segments[at].key(), fault.to_string());
                run.find(finding.at(fault.at));
            }
            Ok(at + 1)
        }
    }
}

/// Hands every record of these segments to `each`, as far as they can be read; what can't be is told of
/// where the log is checked.
pub(super) async fn each_record(
    run: &Run,
    segments: &[Packed],
    each: impl FnMut(&Record<'_>) + Send + 'static,
) -> Result<()> {
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Ok(()) };
    let (first, last) = (first.segment, last.segment);
    let (send, reading) = records::read(first.start(), last.end(), records::expected(run, last.timeline), each);
    for object in segments {
        if !pages(run, *object, Some(&send), false).await? {
            break;
        }
    }
    drop(send);
    reading.await.map_err(|e| flotilla::Error::internal("reading the log failed").source(e))?;
    Ok(())
}

/// Reads a segment, looks at the header of each page, and hands the pages on. False where it can't be
/// taken for the segment. Only where it is `told`, what is found is reported.
async fn pages(run: &Run, object: Packed, send: Option<&mpsc::Sender<Bytes>>, told: bool) -> Result<bool> {
    let (segment, codec) = (object.segment, object.codec);
    let key = &object.key();
    let walk = Walk {
        segment,
        way: run.catalog.way_to(segment.timeline),
        left: run.left_within(segment),
        send: send.cloned(),
        first: None,
        wrong: None,
        length: 0,
    };
    if !told {
        let read = run.archive.read(key, codec, move |content| walk.read(content)).await;
        return match read {
            Ok((_, walk)) => Ok(walk.is_whole()),
            Err(error) if matches!(error.code(), flotilla::Code::Mismatch | flotilla::Code::NotFound) => Ok(false),
            Err(error) => run.withheld(key, error).await.map(|()| false),
        };
    }
    let Some((_, walk)) = object::packed(run, key, codec, move |content| walk.read(content)).await? else {
        return Ok(false);
    };
    if walk.length != segment.size.bytes() {
        let said = format!("the segment has {} bytes instead of {}", walk.length, segment.size.bytes());
        run.find(Finding::error(Rule::Damaged, key, said));
        return Ok(false);
    }
    if let Some((at, wrong)) = &walk.wrong {
        run.find(Finding::error(Rule::Wal, key, format!("WAL at {at}: {wrong}")).at(at));
    }
    if let Some(header) = &walk.first {
        compare_system(run, key, header);
    }
    Ok(walk.is_whole())
}

/// A segment's first page says whose it is.
pub(super) fn compare_system(run: &Run, key: &str, header: &PageHeader) {
    match (header.long, run.system) {
        (Some(long), Some(system)) if long.system != system => {
            let said = format!("the segment is of system {}, and this is {system}", long.system);
            run.find(Finding::error(Rule::Foreign, key, said));
        }
        (None, _) => {
            run.find(Finding::error(Rule::Damaged, key, "its first page doesn't say whose it is"));
        }
        (Some(_), _) => {
            let major = header.magic.major();
            if let (Some(major), Some(pin)) = (major, &run.pin)
                && major != pin.pg_major
            {
                let said = format!("the segment is of PostgreSQL {major}, and this is {}", pin.pg_major);
                run.find(Finding::error(Rule::Foreign, key, said));
            }
        }
    }
}

struct Walk {
    segment: Segment,
    way: Option<History>,
    /// Where the segment's timeline was left.
    left: Option<Lsn>,
    send: Option<mpsc::Sender<Bytes>>,
    first: Option<PageHeader>,
    wrong: Option<(Lsn, String)>,
    length: u64,
}

impl Walk {
    fn is_whole(&self) -> bool {
        self.wrong.is_none() && self.length == self.segment.size.bytes()
    }

    fn read(mut self, content: &mut dyn Read) -> io::Result<Self> {
        loop {
            let mut buffer = Vec::with_capacity(PAGES * PAGE_SIZE);
            (&mut *content).take((PAGES * PAGE_SIZE) as u64).read_to_end(&mut buffer)?;
            if buffer.is_empty() {
                return Ok(self);
            }
            for page in buffer.chunks(PAGE_SIZE) {
                self.page(page);
                self.length += page.len() as u64;
            }
            // Whoever reads records has had enough, or what follows is of no use to them.
            if self.wrong.is_some() {
                self.send = None;
            }
            if let Some(send) = &self.send
                && send.blocking_send(buffer.into()).is_err()
            {
                self.send = None;
            }
        }
    }

    fn page(&mut self, page: &[u8]) {
        let at = self.segment.start().plus(self.length);
        if self.wrong.is_some() || self.length >= self.segment.size.bytes() || self.left.is_some_and(|left| at >= left)
        {
            return;
        }
        let mut wrong = |what: String| self.wrong = Some((at, what));
        let header = match PageHeader::parse(page) {
            Ok(header) => header,
            // Behind the switch to the next segment nothing was written.
            Err(_) if self.length > 0 && page.iter().all(|byte| *byte == 0) => return,
            Err(what) => return wrong(what.to_owned()),
        };
        let timeline = self.way.as_ref().map_or(self.segment.timeline, |way| way.timeline_at(at));
        let fits = if self.way.is_some() { header.timeline == timeline } else { header.timeline <= timeline };
        if header.at != at {
            return wrong(format!("the page is of position {}", header.at));
        }
        if !fits {
            return wrong(format!(
                "the page is of timeline {}, where timeline {timeline} was written",
                header.timeline
            ));
        }
        if self.length == 0 {
            self.first = Some(header);
        }
    }
}

/// The timelines of which there are segments, and the number of the newest of each.
pub(super) fn newest(inventory: &Inventory) -> BTreeMap<Timeline, u64> {
    let mut newest: BTreeMap<Timeline, u64> = BTreeMap::new();
    for (segment, ..) in inventory.segments() {
        let number = newest.entry(segment.timeline).or_default();
        *number = (*number).max(segment.number);
    }
    newest
}

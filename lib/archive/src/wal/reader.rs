//! Reads the records of a stream of segments, and checks everything on the way.

use std::fmt;
use std::io::{self, ErrorKind, Read};

use super::page::{Magic, PAGE_SIZE, PageHeader};
use super::record::{HEADER, Record, Rmgr};
use super::{Lsn, SegmentSize, Timeline, bytes};

/// How much is read at once.
const BUFFER: usize = 64 * PAGE_SIZE;

/// What the pages must say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected {
    /// The size of the segments.
    pub size: SegmentSize,
    /// The system identifier.
    pub system: Option<u64>,
    /// The newest timeline that a page may be of: the one in the name of the last segment.
    pub timeline: Option<Timeline>,
}

/// What is wrong at a position.
#[derive(Debug)]
pub enum Wrong {
    /// The page's header; in words.
    Page(&'static str),
    /// The page is of another position: left over from before the file was used again.
    Stale(Lsn),
    /// The segment is another cluster's.
    System(u64),
    /// The record; in words.
    Record(&'static str),
    /// There are zeros where a record must be: the log was not written to here.
    Zeros,
    /// The stream ends within a page.
    Cut,
    /// Reading failed.
    Io(io::Error),
}

/// What is wrong, and where.
#[derive(Debug)]
pub struct Fault {
    /// The position of the record or page. Everything before it was right.
    pub at: Lsn,
    /// Where the last whole record before it ended, and the next had to begin. Before `at` where that one
    /// goes on over several pages.
    pub after: Lsn,
    /// What it is.
    pub wrong: Wrong,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WAL at {}: ", self.at)?;
        match &self.wrong {
            Wrong::Page(what) | Wrong::Record(what) => f.write_str(what),
            Wrong::Stale(found) => write!(f, "the page is of position {found}"),
            Wrong::System(found) => write!(f, "the segment is of system identifier {found}"),
            Wrong::Zeros => f.write_str("there are zeros where a record must be"),
            Wrong::Cut => f.write_str("it ends within a page"),
            Wrong::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Fault {}

/// Where the records of a sound stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The position after the last byte that was read.
    pub read: Lsn,
    /// Where the last whole record ended: what can be reached with this much of the log.
    pub reached: Option<Lsn>,
    /// A record that began and would go on in the next segment.
    pub pending: Option<Lsn>,
}

/// The records of a stream of whole segments, each following the one before.
pub struct Records<R> {
    source: R,
    expected: Expected,
    buffer: Vec<u8>,
    /// Where in the buffer the next byte to look at is, and where what was read ends.
    at: usize,
    filled: usize,
    /// The position of the buffer's first byte.
    base: Lsn,
    header: Option<PageHeader>,
    /// A record that crosses pages.
    whole: Vec<u8>,
    prev: Option<Lsn>,
    reached: Option<Lsn>,
    pending: Option<Lsn>,
    /// The stream ended within a page.
    cut: bool,
    ended: bool,
}

impl<R> fmt::Debug for Records<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Where a record lies.
enum Place {
    Buffer(usize, usize),
    Whole,
}

impl<R: Read> Records<R> {
    /// Reads from the start of a segment. The end of a record that began before it is passed over.
    pub fn new(source: R, start: Lsn, expected: Expected) -> Self {
        let (prev, reached, pending) = (None, None, None);
        let whole = Vec::new();
        let buffer = vec![0; BUFFER];
        Self {
            source,
            expected,
            buffer,
            at: 0,
            filled: 0,
            base: start,
            header: None,
            whole,
            prev,
            reached,
            pending,
            cut: false,
            ended: false,
        }
    }

    /// The next record; `None` at the end of the stream, of which [`Self::stop`] says more.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, Fault> {
        let Some((begin, place)) = self.locate()? else { return Ok(None) };
        let bytes = match place {
            Place::Buffer(from, to) => &self.buffer[from..to],
            Place::Whole => &self.whole,
        };
        let magic = self.header.map_or(Magic(0), |header| header.magic);
        let after = self.reached.unwrap_or(begin);
        let wrong = |what| Fault { at: begin, after, wrong: Wrong::Record(what) };
        let mut record = parse(bytes, begin, magic).map_err(wrong)?;
        if self.prev.map_or(record.prev >= begin, |prev| record.prev != prev) {
            return Err(wrong("the record doesn't follow the one before it"));
        }
        self.prev = Some(begin);
        let after = Lsn(self.base.0 + self.at as u64);
        record.end = after.aligned();
        if is_switch(&record) {
            // The rest of the segment belongs to the switch.
            let size = self.expected.size.bytes();
            record.end = Lsn(after.0.div_ceil(size) * size);
        }
        self.reached = Some(record.end);
        Ok(Some(record))
    }

    /// Where it ended, after [`Self::next_record`] gave `None`.
    pub fn stop(&self) -> Stop {
        Stop { read: self.here(), reached: self.reached, pending: self.pending }
    }

    fn here(&self) -> Lsn {
        Lsn(self.base.0 + self.at as u64)
    }

    fn fault<T>(&self, wrong: Wrong) -> Result<T, Fault> {
        let at = self.here();
        let after = self.reached.or(self.pending).unwrap_or_else(|| at.aligned());
        Err(Fault { at, after, wrong })
    }

    /// Finds the next record's bytes.
    fn locate(&mut self) -> Result<Option<(Lsn, Place)>, Fault> {
        if self.ended {
            return Ok(None);
        }
        if let Some(switched) = self.reached.filter(|reached| *reached > self.here().aligned())
            && !self.pass_to(switched)?
        {
            return Ok(None);
        }
        loop {
            if !self.at_a_record()? {
                return Ok(None);
            }
            let begin = self.here();
            let left = PAGE_SIZE - self.at % PAGE_SIZE;
            let Some(length) = bytes::u32(&self.buffer[..self.filled], self.at).map(|length| length as usize) else {
                return self.fault(Wrong::Cut);
            };
            if length == 0 {
                return self.fault(Wrong::Zeros);
            }
            if length < HEADER {
                return self.fault(Wrong::Record("the record is shorter than its header"));
            }
            if length <= left {
                let from = self.at;
                self.at += length;
                return Ok(Some((begin, Place::Buffer(from, self.at))));
            }
            match self.gather(begin, length)? {
                Gathered::Whole => return Ok(Some((begin, Place::Whole))),
                Gathered::Ended => return Ok(None),
                Gathered::GivenUp => {}
            }
        }
    }

    /// Goes to where a record begins, over padding, page headers and the end of a record from before
    /// the stream. False at the end of the stream.
    fn at_a_record(&mut self) -> Result<bool, Fault> {
        loop {
            self.at = self.at.next_multiple_of(8);
            if !self.at.is_multiple_of(PAGE_SIZE) && self.header.is_some() {
                return Ok(true);
            }
            let Some(header) = self.turn()? else { return Ok(false) };
            if header.remaining == 0 {
                return Ok(true);
            }
            if self.prev.is_some() {
                return self.fault(Wrong::Page("the page continues a record that had ended"));
            }
            let room = PAGE_SIZE - header.len();
            self.at += room.min(header.remaining as usize);
        }
    }

    /// Puts together a record that goes on over the page's end.
    fn gather(&mut self, begin: Lsn, length: usize) -> Result<Gathered, Fault> {
        self.pending = Some(begin);
        self.whole.clear();
        let end = self.at.next_multiple_of(PAGE_SIZE);
        self.whole.extend_from_slice(&self.buffer[self.at..end]);
        self.at = end;
        while self.whole.len() < length {
            let Some(header) = self.turn()? else { return Ok(Gathered::Ended) };
            if header.overwrites {
                // A crash cut the record off, and the server began anew on this page.
                self.pending = None;
                return Ok(Gathered::GivenUp);
            }
            let missing = length - self.whole.len();
            if header.remaining as usize != missing {
                return self.fault(Wrong::Page("the page doesn't continue the record before it"));
            }
            let take = missing.min(PAGE_SIZE - header.len());
            self.whole.extend_from_slice(&self.buffer[self.at..self.at + take]);
            self.at += take;
        }
        self.pending = None;
        Ok(Gathered::Whole)
    }

    /// Passes over what a switch left unused, up to the end of its segment.
    fn pass_to(&mut self, end: Lsn) -> Result<bool, Fault> {
        self.unused(self.at, self.at.next_multiple_of(PAGE_SIZE))?;
        while self.here() < end {
            if !self.fill()? {
                return Ok(false);
            }
            // A page behind a switch has a header or is all zeros.
            let page = self.at;
            let blank = self.buffer[page..page + PageHeader::SHORT].iter().all(|byte| *byte == 0);
            let header = if blank { 0 } else { self.check()?.len() };
            self.unused(page + header, page + PAGE_SIZE)?;
        }
        Ok(true)
    }

    /// Passes over zeros.
    fn unused(&mut self, from: usize, to: usize) -> Result<(), Fault> {
        if self.buffer[from..to].iter().any(|byte| *byte != 0) {
            return self.fault(Wrong::Record("there is something behind the switch of the segment"));
        }
        self.at = to;
        Ok(())
    }

    /// Turns to the next page and checks its header. `None` at the end of the stream.
    fn turn(&mut self) -> Result<Option<PageHeader>, Fault> {
        if !self.fill()? {
            return Ok(None);
        }
        let header = self.check()?;
        self.at += header.len();
        self.header = Some(header);
        Ok(Some(header))
    }

    fn check(&self) -> Result<PageHeader, Fault> {
        let page = &self.buffer[self.at..self.at + PAGE_SIZE];
        let here = self.here();
        let header = match PageHeader::parse(page) {
            Ok(header) => header,
            Err(_) if page.iter().all(|byte| *byte == 0) => return self.fault(Wrong::Zeros),
            Err(what) => return self.fault(Wrong::Page(what)),
        };
        if header.at != here {
            return self.fault(Wrong::Stale(header.at));
        }
        let first = here.0.is_multiple_of(self.expected.size.bytes());
        match header.long {
            None if first => return self.fault(Wrong::Page("the segment's first page has no long header")),
            Some(_) if !first => return self.fault(Wrong::Page("a page within the segment has a long header")),
            Some(long) if long.size != self.expected.size => {
                return self.fault(Wrong::Page("the segment is of another size"));
            }
            Some(long) if self.expected.system.is_some_and(|system| system != long.system) => {
                return self.fault(Wrong::System(long.system));
            }
            _ => {}
        }
        if self.header.is_some_and(|before| header.timeline < before.timeline || header.magic != before.magic) {
            return self.fault(Wrong::Page("the page is of an older timeline or another version"));
        }
        if self.expected.timeline.is_some_and(|newest| header.timeline > newest) {
            return self.fault(Wrong::Page("the page is of a later timeline than the segment"));
        }
        Ok(header)
    }

    /// Sees to it that the page at `at`, which is the start of one, is in the buffer.
    fn fill(&mut self) -> Result<bool, Fault> {
        if self.at < self.filled {
            return Ok(true);
        }
        self.base = self.here();
        (self.at, self.filled) = (0, 0);
        if self.cut {
            return self.fault(Wrong::Cut);
        }
        while self.filled < self.buffer.len() {
            match self.source.read(&mut self.buffer[self.filled..]) {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.fault(Wrong::Io(error)),
            }
        }
        // Whole pages are read first; a cut is told of when they are through.
        self.cut = !self.filled.is_multiple_of(PAGE_SIZE);
        self.filled -= self.filled % PAGE_SIZE;
        if self.cut && self.filled == 0 {
            return self.fault(Wrong::Cut);
        }
        self.ended = self.filled == 0;
        Ok(!self.ended)
    }
}

enum Gathered {
    Whole,
    GivenUp,
    Ended,
}

fn is_switch(record: &Record<'_>) -> bool {
    record.rmgr == Rmgr::XLOG && record.info & 0xF0 == 0x40
}

/// Checks the record's own sum and takes its header apart.
fn parse(whole: &[u8], at: Lsn, magic: Magic) -> Result<Record<'_>, &'static str> {
    let cut = "the record is cut off";
    let sum = bytes::u32(whole, 20).ok_or(cut)?;
    let body = &whole[HEADER..];
    if crate::digest::crc32c([body, &whole[..20]]) != sum {
        return Err("the record's checksum is wrong");
    }
    Ok(Record {
        at,
        end: at,
        xid: bytes::u32(whole, 4).ok_or(cut)?,
        prev: Lsn(bytes::u64(whole, 8).ok_or(cut)?),
        info: whole[16],
        rmgr: Rmgr(whole[17]),
        magic,
        body,
    })
}

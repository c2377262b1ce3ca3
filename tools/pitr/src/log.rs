//! What is marked in the WAL: commits with their times, and named restore points.
//!
//! Segments are read one by one and only where a question needs them. A record that begins in one and
//! ends in the next belongs to the one where it begins.

use std::io::{Cursor, Read as _};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use flotilla::error::{Code, Error, Result};
use flotilla_archive::wal::{Event, Expected, Lsn, Records, Segment};
use flotilla_archive::{Archive, Catalog};

/// What a mark is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A transaction committed.
    Commit(u32),
    /// A transaction was rolled back.
    Abort(u32),
    /// `pg_create_restore_point`.
    Point(String),
}

/// A record with a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Where it begins.
    pub(crate) at: Lsn,
    /// Where it ends.
    pub(crate) end: Lsn,
    /// Its time, by the server's clock.
    pub(crate) time: DateTime<Utc>,
    /// What it is.
    pub(crate) what: What,
}

impl Mark {
    /// Whether it is a commit.
    pub(crate) fn is_commit(&self) -> bool {
        matches!(self.what, What::Commit(_))
    }
}

/// What is marked in one segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    /// The marks, in the order of the WAL.
    pub(crate) found: Vec<Mark>,
    /// The last whole record: where it begins and ends.
    pub(crate) last: Option<(Lsn, Lsn)>,
    /// The lowest transaction that can't have begun before this segment's first checkpoint.
    pub(crate) next_xid: Option<u64>,
}

impl Marks {
    /// The latest time of any mark.
    pub(crate) fn latest(&self) -> Option<DateTime<Utc>> {
        self.found.iter().map(|mark| mark.time).max()
    }
}

/// Reads marks; the segment that was asked for last is kept.
#[derive(Debug)]
pub(crate) struct Reader {
    archive: Archive,
    system: Option<u64>,
    kept: tokio::sync::Mutex<Vec<(Segment, Arc<Marks>)>>,
}

/// How many segments' marks are kept.
const KEPT: usize = 8;

impl Reader {
    /// A reader of this archive. Where the system is known, segments of others are refused.
    pub(crate) fn new(archive: Archive, system: Option<u64>) -> Self {
        Self { archive, system, kept: tokio::sync::Mutex::default() }
    }

    /// The marks of a segment; `next` is the one that follows it on the way, where the archive has it.
    pub(crate) async fn marks(&self, catalog: &Catalog, segment: Segment, next: Segment) -> Result<Arc<Marks>> {
        let mut kept = self.kept.lock().await;
        if let Some((_, marks)) = kept.iter().find(|(known, _)| *known == segment) {
            return Ok(Arc::clone(marks));
        }
        let content = self.content(catalog, segment).await?;
        let (mut marks, mut pending) = self.scan(segment, vec![Arc::clone(&content)]).await?;
        // The last record goes on in the next segment.
        if pending.take().is_some() && catalog.segment(next).is_some() {
            let following = self.content(catalog, next).await?;
            marks = self.scan(segment, vec![content, following]).await?.0;
        }
        let marks = Arc::new(marks);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((segment, Arc::clone(&marks)));
        Ok(marks)
    }

    async fn content(&self, catalog: &Catalog, segment: Segment) -> Result<Arc<Vec<u8>>> {
        let Some(object) = catalog.segment(segment) else {
            return Err(Error::new(Code::NotFound, format!("segment {segment} is not in the archive"))
                .hint("See what can be restored with `pitr coverage`."));
        };
        let size = segment.size.bytes();
        let read = self.archive.read(&object.key, object.codec, move |content| {
            let mut bytes = Vec::new();
            content.take(size + 1).read_to_end(&mut bytes).map(|_| bytes)
        });
        let (_, bytes) = read.await?;
        if bytes.len() as u64 != size {
            return Err(Error::new(Code::Mismatch, format!("segment {segment} is not of {size} bytes"))
                .hint("`walg-wrap verify` tells more."));
        }
        Ok(Arc::new(bytes))
    }

    /// Takes the records apart that begin in the segment, off the runtime's threads. The second value is
    /// a record whose end is missing.
    async fn scan(&self, segment: Segment, contents: Vec<Arc<Vec<u8>>>) -> Result<(Marks, Option<Lsn>)> {
        let system = self.system;
        let scanned = tokio::task::spawn_blocking(move || scan(segment, system, &contents));
        scanned.await.map_err(|e| Error::internal("reading a segment failed").source(e))?
    }
}

fn scan(segment: Segment, system: Option<u64>, contents: &[Arc<Vec<u8>>]) -> Result<(Marks, Option<Lsn>)> {
    let damaged = |why: String| {
        Error::new(Code::Mismatch, format!("segment {segment} can't be used: {why}"))
            .hint("`walg-wrap verify` looks at all of the archive.")
    };
    let first = contents.first().map_or(&[][..], |content| content.as_slice());
    let second = contents.get(1).map_or(&[][..], |content| content.as_slice());
    let source = Cursor::new(first).chain(Cursor::new(second));
    // The following segment may be the first of a later timeline.
    let timeline = second.is_empty().then_some(segment.timeline);
    let mut records = Records::new(source, segment.start(), Expected { size: segment.size, system, timeline });
    let mut marks = Marks::default();
    while let Some(record) = records.next_record().map_err(|fault| damaged(fault.to_string()))? {
        if record.at >= segment.end() {
            return Ok((marks, None));
        }
        let (at, end) = (record.at, record.end);
        marks.last = Some((at, end));
        let event = Event::of(&record).map_err(|what| damaged(format!("WAL at {at}: {what}")))?;
        let (time, what) = match event {
            Some(Event::Commit(ended)) => (ended.time, What::Commit(ended.xid)),
            Some(Event::Abort(ended)) => (ended.time, What::Abort(ended.xid)),
            Some(Event::RestorePoint { name, time }) => (time, What::Point(name)),
            Some(Event::Checkpoint { next_xid, .. }) => {
                marks.next_xid = marks.next_xid.or(Some(next_xid));
                continue;
            }
            _ => continue,
        };
        marks.found.push(Mark { at, end, time, what });
    }
    Ok((marks, records.stop().pending))
}

//! What is marked in the WAL: commits with their times, and named restore points.
//!
//! Segments are read one by one and only where a question needs them. A record that begins in one and
//! ends in the next belongs to the one where it begins.

use std::io::{self, Read as _, Seek as _, Write as _};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use flotilla::error::{Code, Error, Result};
use flotilla_archive::wal::{Event, Expected, Lsn, Records, Segment};
use flotilla_archive::{Archive, Catalog};
use tempfile::SpooledTempFile;

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

/// Where later timelines leave a segment's own within it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Left {
    /// The one on the way that is followed: what is behind isn't on it.
    pub(crate) on_way: Option<Lsn>,
    /// Any: the segment may have been archived only so far.
    pub(crate) by_any: Option<Lsn>,
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

/// A longer segment goes through a temporary file: PostgreSQL's segments may have 1 GiB.
const HELD: usize = 32 << 20;
/// How many segments' marks are kept.
const KEPT: usize = 8;

impl Reader {
    /// A reader of this archive. Where the system is known, segments of others are refused.
    pub(crate) fn new(archive: Archive, system: Option<u64>) -> Self {
        Self { archive, system, kept: tokio::sync::Mutex::default() }
    }

    /// The marks of a segment; `next` is the one that follows it on the way, where the archive has it.
    pub(crate) async fn marks(
        &self,
        catalog: &Catalog,
        segment: Segment,
        next: Segment,
        left: Left,
    ) -> Result<Arc<Marks>> {
        let mut kept = self.kept.lock().await;
        if let Some((_, marks)) = kept.iter().find(|(known, _)| *known == segment) {
            return Ok(Arc::clone(marks));
        }
        let content = self.content(catalog, segment).await?;
        let (mut marks, pending, content) = self.scan(segment, left, content, None).await?;
        // The last record goes on in the next segment.
        if pending.is_some() && catalog.segment(next).is_some() {
            let following = self.content(catalog, next).await?;
            marks = self.scan(segment, left, content, Some(following)).await?.0;
        }
        let marks = Arc::new(marks);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((segment, Arc::clone(&marks)));
        Ok(marks)
    }

    async fn content(&self, catalog: &Catalog, segment: Segment) -> Result<SpooledTempFile> {
        let Some(object) = catalog.segment(segment) else {
            return Err(Error::new(Code::NotFound, format!("segment {segment} is not in the archive"))
                .hint("See what can be restored with `pitr coverage`."));
        };
        let (size, key) = (segment.size.bytes(), object.key());
        let read = self.archive.unpack(&key, object.codec, move |content| {
            let mut spooled = SpooledTempFile::new(HELD);
            let length = io::copy(&mut content.take(size + 1), &mut spooled)?;
            spooled.flush().map(|()| (spooled, length))
        });
        let (_, (spooled, length)) = read.await?;
        if length != size {
            return Err(Error::new(Code::Mismatch, format!("segment {segment} is not of {size} bytes"))
                .hint("`walg-wrap verify` tells more."));
        }
        Ok(spooled)
    }

    /// Takes the records apart that begin in the segment, off the runtime's threads. The second value is
    /// a record whose end is missing, the third the content again.
    async fn scan(
        &self,
        segment: Segment,
        left: Left,
        mut content: SpooledTempFile,
        mut following: Option<SpooledTempFile>,
    ) -> Result<(Marks, Option<Lsn>, SpooledTempFile)> {
        let system = self.system;
        let scanned = tokio::task::spawn_blocking(move || {
            let (marks, pending) = scan(segment, left, system, &mut content, following.as_mut())?;
            Ok((marks, pending, content))
        });
        scanned.await.map_err(|e| Error::internal("reading a segment failed").source(e))?
    }
}

fn scan(
    segment: Segment,
    left: Left,
    system: Option<u64>,
    content: &mut SpooledTempFile,
    following: Option<&mut SpooledTempFile>,
) -> Result<(Marks, Option<Lsn>)> {
    let damaged = |why: String| {
        Error::new(Code::Mismatch, format!("segment {segment} can't be used: {why}"))
            .hint("`walg-wrap verify` looks at all of the archive.")
    };
    let again = |spooled: &mut SpooledTempFile| {
        spooled
            .rewind()
            .map_err(|e| Error::new(Code::Io, "a temporary file can't be read").hint("See TMPDIR.").source(e))
    };
    again(content)?;
    // The following segment may be the first of a later timeline.
    let timeline = following.is_none().then_some(segment.timeline);
    let second: &mut dyn io::Read = match following {
        Some(following) => {
            again(following)?;
            following
        }
        None => &mut io::empty(),
    };
    let source = content.chain(second);
    let mut records = Records::new(source, segment.start(), Expected { size: segment.size, system, timeline });
    let mut marks = Marks::default();
    loop {
        let record = match records.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => return Ok((marks, records.stop().pending)),
            Err(fault) if left.by_any.is_some_and(|left| fault.after >= left) => return Ok((marks, None)),
            Err(fault) => return Err(damaged(fault.to_string())),
        };
        if record.at >= segment.end() || left.on_way.is_some_and(|left| record.at >= left) {
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
}

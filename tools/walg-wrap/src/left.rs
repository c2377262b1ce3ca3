//! The last segment of a timeline that was left within it.
//!
//! PostgreSQL archives it under its plain name from every server that followed the timeline there: from
//! standbys by `archive_mode = always`, from others once they are promoted themselves. Behind the position
//! where the timeline was left, each has what was in the file before it was used again, so that no two
//! need be alike.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flotilla::error::{Code, Error, Result};
use flotilla_archive::Archive;
use flotilla_archive::codec::Codec;
use flotilla_archive::wal::{Expected, History, Lsn, Records, Segment, WalFile};

/// How much is compared at once, in bytes.
const PIECE: usize = 64 << 10;
/// The longest history that is read, in bytes.
const HISTORY: u64 = 16 << 20;

/// A segment that ends where its timeline was left.
pub(crate) struct Left {
    path: PathBuf,
    /// How much of it is the timeline's log, in bytes.
    length: u64,
    /// The segments with which later timelines go on from there.
    successors: Vec<PathBuf>,
}

impl Left {
    /// Whether the records of a segment in `pg_wal` end exactly where a later timeline, whose history is
    /// beside it, leaves its own. None of one that is whole, or ends anywhere else.
    pub(crate) fn find(path: &Path, segment: Segment, system: u64) -> Result<Option<Self>> {
        let failed = |e| Error::new(Code::Io, format!("could not read {}", path.display())).source(e);
        let folder = path.parent().unwrap_or(Path::new("."));
        let histories = histories(folder, segment).map_err(failed)?;
        if histories.is_empty() {
            return Ok(None);
        }
        let Some(end) = end_of(File::open(path).map_err(failed)?, segment, system) else { return Ok(None) };
        let left = histories.iter().filter(|history| history.left_within(segment) == Some(end));
        let first = |history: &History| folder.join(history.segment(segment.number, segment.size).to_string());
        let successors: Vec<PathBuf> = left.map(first).collect();
        let length = end.0 - segment.start().0;
        Ok((!successors.is_empty()).then(|| Self { path: path.to_owned(), length, successors }))
    }

    /// Whether nothing is lost with the file: the object begins with all that it has of the log, or a later
    /// timeline's segment does, which the server archives in its turn.
    pub(crate) async fn is_held(&self, archive: &Archive, key: &str, codec: Codec) -> Result<bool> {
        let (path, length) = (self.path.clone(), self.length);
        let compared = archive.read(key, codec, move |content| {
            let same = begins_alike(&mut File::open(path)?, content, length)?;
            io::copy(content, &mut io::sink()).map(|_| same)
        });
        if compared.await?.1 {
            return Ok(true);
        }
        let is_in = |later: &PathBuf| -> io::Result<bool> {
            begins_alike(&mut File::open(&self.path)?, &mut File::open(later)?, self.length)
        };
        Ok(self.successors.iter().any(|later| is_in(later).unwrap_or(false)))
    }
}

/// Whether `pg_wal` itself holds all of a segment that came from the archive, and goes on where that ends: it is of a
/// server that was ahead when its timeline was left. A standby would put what comes from the archive in its place,
/// and `pg_rewind` then can't find the record at which the two parted.
pub(crate) fn goes_on(own: &Path, fetched: &Path, segment: Segment, system: u64) -> io::Result<bool> {
    let Some(end) = end_of(File::open(fetched)?, segment, system) else { return Ok(false) };
    let longer = end_of(File::open(own)?, segment, system).is_none_or(|own| own > end);
    Ok(longer && begins_alike(&mut File::open(own)?, &mut File::open(fetched)?, end.0 - segment.start().0)?)
}

/// Where the records of a segment end; none of one that is whole.
fn end_of(content: File, segment: Segment, system: u64) -> Option<Lsn> {
    let expected = Expected { size: segment.size, system: Some(system), timeline: Some(segment.timeline) };
    let mut records = Records::new(content, segment.start(), expected);
    loop {
        match records.next_record() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(fault) => return Some(fault.after),
        }
    }
}

/// The histories in `pg_wal` that leave the segment's timeline within it.
fn histories(folder: &Path, segment: Segment) -> io::Result<Vec<History>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Ok(WalFile::History(timeline)) = WalFile::parse(&name.to_string_lossy(), segment.size) else { continue };
        let mut bytes = Vec::new();
        File::open(entry.path())?.take(HISTORY).read_to_end(&mut bytes)?;
        // What can't be understood leaves no timeline.
        found.extend(History::parse(timeline, &bytes).ok().filter(|history| history.left_within(segment).is_some()));
    }
    Ok(found)
}

/// Whether two begin with the same bytes, so many.
fn begins_alike(one: &mut dyn Read, other: &mut dyn Read, length: u64) -> io::Result<bool> {
    let (mut one, mut other) = (one.take(length), other.take(length));
    let mut pieces = (Vec::with_capacity(PIECE), Vec::with_capacity(PIECE));
    let mut passed = 0;
    while passed < length {
        pieces.0.clear();
        pieces.1.clear();
        one.by_ref().take(PIECE as u64).read_to_end(&mut pieces.0)?;
        other.by_ref().take(PIECE as u64).read_to_end(&mut pieces.1)?;
        if pieces.0 != pieces.1 || pieces.0.is_empty() {
            return Ok(false);
        }
        passed += pieces.0.len() as u64;
    }
    Ok(true)
}

//! Files of `pg_dump` on their way into the archive: large ones as objects of their own, while they are
//! still being written; small ones together, in parts.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use flotilla::error::{Error, Result};
use flotilla_archive::Archive;
use flotilla_archive::archive::{Form, Sealed};
use flotilla_archive::names::DumpName;
use flotilla_archive::tarball::{Kind, Member, TarWriter};
use rustix::fs::{FallocateFlags, fallocate};
use tokio::sync::mpsc;

/// A part that is larger gets no further file.
const PART: u64 = 256 << 20;
const BUFFER: usize = 1 << 20;
/// How long to wait for more of a file.
const PAUSE: Duration = Duration::from_millis(10);

/// Where the objects of a dump go.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) archive: Archive,
    pub(super) name: DumpName,
    pub(super) system: u64,
    pub(super) folder: PathBuf,
    /// Nothing more will come: `pg_dump` failed, or nobody waits for it any more.
    pub(super) given_up: Arc<AtomicBool>,
}

/// A file that was stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) file: String,
    pub(super) bytes: u64,
    /// Line ends.
    pub(super) lines: u64,
}

/// How far a large file has been read.
#[derive(Clone, Debug, Default)]
pub(super) struct Following {
    pub(super) read: Arc<AtomicU64>,
    /// Whether `pg_dump` has closed it.
    pub(super) closed: Arc<AtomicBool>,
}

impl Place {
    /// Stores a large file as it grows, and gives its room back as it is read.
    pub(super) async fn follow(self, file: String, how: Following) -> Result<(Stored, Sealed)> {
        let path = self.folder.join(&file);
        let (given_up, gone) = (Arc::clone(&self.given_up), path.clone());
        let work = move |sink: &mut dyn Write| pass(&path, &how, &given_up, sink);
        let key = self.name.file(&file, self.archive.codec());
        let written = self.archive.write(&key, Form::Packed, Some(self.system), work);
        let (sealed, lines) = written.await?;
        fs::remove_file(&gone).map_err(|e| unusable(&gone, e))?;
        Ok((Stored { file, bytes: sealed.content.bytes, lines }, sealed))
    }

    /// Stores small files in parts, in the order in which they come. How much waits is told by `waiting`.
    pub(super) async fn pack(
        self,
        mut files: mpsc::UnboundedReceiver<String>,
        waiting: Arc<AtomicU64>,
    ) -> Result<(Vec<Stored>, Vec<Sealed>)> {
        let (mut stored, mut parts) = (Vec::new(), Vec::new());
        let number = |parts: &[Sealed]| u32::try_from(parts.len() + 1).unwrap_or(u32::MAX);
        while let Some(first) = files.recv().await {
            let key = self.name.part(number(&parts), self.archive.codec());
            let (place, waiting) = (self.clone(), Arc::clone(&waiting));
            let fill = move |sink: &mut dyn Write| {
                let mut tar = TarWriter::new(sink);
                let (mut next, mut packed, mut bytes) = (Some(first), Vec::new(), 0);
                while let Some(file) = next {
                    let one = place.add(&mut tar, file)?;
                    waiting.fetch_sub(one.bytes, Ordering::SeqCst);
                    bytes += one.bytes + 512;
                    packed.push(one);
                    next = if bytes < PART { files.blocking_recv() } else { None };
                }
                if place.given_up.load(Ordering::SeqCst) {
                    return Err(io::Error::other("nothing more came"));
                }
                tar.finish()?;
                Ok((files, packed))
            };
            let (sealed, back) = self.archive.write(&key, Form::Packed, Some(self.system), fill).await?;
            files = back.0;
            stored.extend(back.1);
            parts.push(sealed);
        }
        Ok((stored, parts))
    }

    fn add(&self, tar: &mut TarWriter<&mut dyn Write>, file: String) -> io::Result<Stored> {
        let path = self.folder.join(&file);
        let content = File::open(&path)?;
        let size = content.metadata()?.len();
        let member = Member { name: file.clone(), kind: Kind::File, size, mode: 0o600, uid: 0, gid: 0, mtime: 0 };
        let mut lines = Lines { inner: content, lines: 0 };
        if tar.file(&member, &mut lines)? > 0 {
            return Err(io::Error::other(format!("{file} has shrunk")));
        }
        fs::remove_file(&path)?;
        Ok(Stored { file, bytes: size, lines: lines.lines })
    }
}

/// Counts line ends.
struct Lines<R> {
    inner: R,
    lines: u64,
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.lines += count(&buffer[..read]);
        Ok(read)
    }
}

fn count(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Passes a file on until it is closed and read to its end; its line ends.
fn pass(path: &Path, how: &Following, given_up: &AtomicBool, sink: &mut dyn Write) -> io::Result<u64> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let (mut buffer, mut at, mut lines, mut punches) = (vec![0; BUFFER], 0_u64, 0, true);
    loop {
        // In this order: what was written before it was closed must be seen.
        let closed = how.closed.load(Ordering::SeqCst);
        let read = file.read(&mut buffer)?;
        if read == 0 {
            if closed {
                return Ok(lines);
            }
            if given_up.load(Ordering::SeqCst) {
                return Err(io::Error::other("nothing more came"));
            }
            std::thread::sleep(PAUSE);
            continue;
        }
        sink.write_all(&buffer[..read])?;
        lines += count(&buffer[..read]);
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if punches && let Err(error) = fallocate(&file, hole, at, read as u64) {
            punches = false;
            tracing::warn!("{} keeps its size until it is stored: {error}", path.display());
        }
        at += read as u64;
        how.read.store(at, Ordering::SeqCst);
    }
}

pub(super) fn unusable(path: &Path, source: io::Error) -> Error {
    Error::new(flotilla::Code::Io, format!("could not use {}", path.display())).hint("Is there room?").source(source)
}

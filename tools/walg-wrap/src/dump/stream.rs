//! Watches `pg_dump`'s folder and sends its files into the archive as they are written.
//!
//! `pg_dump` writes a file for each table, so a folder that holds whole files would have to be as large as
//! the largest tables. Here a large file is read behind the writer and its room given back at once, and
//! `pg_dump` is held while more than `limit` bytes wait for the store. The server notices nothing but a
//! client that reads slowly.

use std::collections::{HashMap, HashSet};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use flotilla::error::{Error, Result};
use flotilla_archive::archive::Sealed;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};

use super::store::{Following, Place, Stored, unusable};
use crate::program::Program;

/// A file from this size on is an object of its own. A restore unpacks the others to disk.
const LARGE: u64 = 4 << 20;
const TICK: Duration = Duration::from_millis(25);
/// The list of contents, which `pg_dump` writes last; `pg_restore --list` needs it.
pub(super) const TOC: &str = "toc.dat";

/// Everything that was stored.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    pub(super) large: Vec<Stored>,
    pub(super) small: Vec<Stored>,
    pub(super) objects: Vec<Sealed>,
    pub(super) parts: u32,
}

/// `pg_dump`'s folder under watch.
pub(super) struct Stream {
    place: Place,
    watch: OwnedFd,
    /// Those that `pg_dump` writes, and that aren't large yet.
    open: HashSet<String>,
    followed: HashMap<String, Following>,
    /// Those that wait to be packed, or are.
    packed: HashSet<String>,
    following: JoinSet<Result<(Stored, Sealed)>>,
    permits: Arc<Semaphore>,
    packer: JoinHandle<Result<(Vec<Stored>, Vec<Sealed>)>>,
    send: Option<mpsc::UnboundedSender<String>>,
    waiting: Arc<AtomicU64>,
    limit: u64,
    done: Streamed,
}

impl Stream {
    /// Begins to watch; `pg_dump` with so many jobs may start now.
    pub(super) fn begin(place: Place, jobs: usize, limit: u64) -> Result<Self> {
        let failed = |e: rustix::io::Errno| unusable(&place.folder, e.into());
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(failed)?;
        inotify::add_watch(&watch, &place.folder, WatchFlags::CREATE | WatchFlags::CLOSE_WRITE).map_err(failed)?;
        let (send, receive) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicU64::new(0));
        let packer = tokio::spawn(place.clone().pack(receive, Arc::clone(&waiting)));
        // Those that pg_dump still writes hold at most a permit for each job; others always find one.
        let permits = Arc::new(Semaphore::new(jobs + place.archive.parallelism()));
        Ok(Self {
            place,
            watch,
            open: HashSet::new(),
            followed: HashMap::new(),
            packed: HashSet::new(),
            following: JoinSet::new(),
            permits,
            packer,
            send: Some(send),
            waiting,
            limit,
            done: Streamed::default(),
        })
    }

    /// Sends files until `pg_dump` has ended, and those that it has left; all but the list of contents.
    pub(super) async fn run(&mut self, mut program: Program) -> Result<Vec<String>> {
        let mut held = false;
        loop {
            let ended = program.has_ended()?;
            self.look()?;
            while let Some(followed) = self.following.try_join_next() {
                self.stored(followed)?;
            }
            if self.packer.is_finished() {
                return Err(self.parts().await.err().unwrap_or_else(|| Error::internal("packing ended early")));
            }
            if ended {
                break;
            }
            let backlog = self.backlog();
            if !held && backlog > self.limit || held && backlog <= self.limit / 2 {
                held = !held;
                program.hold(held);
                tracing::debug!(
                    "{backlog} bytes wait for the store: pg_dump {}",
                    if held { "waits" } else { "goes on" }
                );
            }
            tokio::time::sleep(TICK).await;
        }
        let (_, said) = program.finish().await?;
        self.look()?;
        // Nobody writes any more, whatever was missed.
        let left = std::fs::read_dir(&self.place.folder).map_err(|e| unusable(&self.place.folder, e))?;
        for entry in left {
            let name = entry.map_err(|e| unusable(&self.place.folder, e))?.file_name();
            self.closed(&name.to_string_lossy())?;
        }
        Ok(said)
    }

    /// Stores the list of contents, and waits until all is there.
    pub(super) async fn finish(mut self) -> Result<Streamed> {
        self.pack(TOC)?;
        self.send = None;
        while let Some(followed) = self.following.join_next().await {
            self.stored(followed)?;
        }
        let (small, parts) = self.parts().await?;
        let mut done = std::mem::take(&mut self.done);
        done.parts = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        done.small = small;
        done.objects.extend(parts);
        Ok(done)
    }

    async fn parts(&mut self) -> Result<(Vec<Stored>, Vec<Sealed>)> {
        (&mut self.packer).await.map_err(|e| Error::internal("packing a dump failed").source(e))?
    }

    fn stored(&mut self, ended: std::result::Result<Result<(Stored, Sealed)>, tokio::task::JoinError>) -> Result<()> {
        let (stored, sealed) = ended.map_err(|e| Error::internal("storing a file failed").source(e))??;
        self.done.large.push(stored);
        self.done.objects.push(sealed);
        Ok(())
    }

    /// Takes in what has happened in the folder.
    fn look(&mut self) -> Result<()> {
        let mut events = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = inotify::Reader::new(&self.watch, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
                    // Without a name it says that events were lost: the end finds what they were about.
                    events.extend(name.map(|name| (name, event.events())));
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(unusable(&self.place.folder, errno.into())),
            }
        }
        for (name, what) in events {
            if what.contains(ReadFlags::CLOSE_WRITE) {
                self.closed(&name)?;
            } else if !self.followed.contains_key(&name) && !self.packed.contains(&name) {
                self.open.insert(name);
            }
        }
        let large: Vec<String> = self.open.iter().filter(|name| self.length(name) >= LARGE).cloned().collect();
        for name in large {
            self.follow(name, false);
        }
        Ok(())
    }

    fn length(&self, name: &str) -> u64 {
        std::fs::metadata(self.place.folder.join(name)).map_or(0, |meta| meta.len())
    }

    /// A file that `pg_dump` is done with.
    fn closed(&mut self, name: &str) -> Result<()> {
        match self.followed.get(name) {
            Some(following) => following.closed.store(true, Ordering::SeqCst),
            None if name == TOC || self.packed.contains(name) => {}
            None if self.length(name) >= LARGE => self.follow(name.to_owned(), true),
            None => self.pack(name)?,
        }
        Ok(())
    }

    fn follow(&mut self, name: String, closed: bool) {
        let following = Following::default();
        following.closed.store(closed, Ordering::SeqCst);
        self.open.remove(&name);
        self.followed.insert(name.clone(), following.clone());
        let (place, permits) = (self.place.clone(), Arc::clone(&self.permits));
        self.following.spawn(async move {
            let _permit = permits.acquire_owned().await;
            place.follow(name, following).await
        });
    }

    fn pack(&mut self, name: &str) -> Result<()> {
        self.waiting.fetch_add(self.length(name), Ordering::SeqCst);
        self.open.remove(name);
        self.packed.insert(name.to_owned());
        let sent = self.send.as_ref().map(|send| send.send(name.to_owned()));
        match sent {
            // Why nobody packs any more is told by the packer's own end.
            Some(_) => Ok(()),
            None => Err(Error::internal("a file came after the end")),
        }
    }

    /// How much was written and can be read. Nobody reads those that are open and small yet, so `pg_dump`
    /// mustn't be held for them.
    fn backlog(&self) -> u64 {
        let left = |(name, file): (&String, &Following)| {
            // One that was stored is no longer there, and has no length.
            self.length(name).saturating_sub(file.read.load(Ordering::SeqCst))
        };
        self.followed.iter().map(left).sum::<u64>() + self.waiting.load(Ordering::SeqCst)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.place.given_up.store(true, Ordering::SeqCst);
        self.packer.abort();
    }
}

/// Nobody has given up yet.
pub(super) fn hopeful() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

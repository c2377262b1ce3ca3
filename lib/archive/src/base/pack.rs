//! Parts that are open at the same time: each is packed, encrypted and sent by a thread of its own.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel};

use flotilla::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::archive::{Archive, Form, Sealed};
use crate::names::{self, BackupName};
use crate::tarball::{Kind, Member, TarWriter};

/// How much content travels to a part at once, in bytes.
pub(super) const CHUNK: usize = 256 << 10;
/// How many such pieces may wait for a part.
const WAITING: usize = 16;
/// A part that is larger gets no further member. Many parts let a restore use all cores.
const PART: u64 = 256 << 20;

enum Piece {
    Member(Member),
    Content(Vec<u8>),
    End,
}

/// A part that was sent.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) name: String,
    pub(super) sealed: Sealed,
}

struct Open {
    number: usize,
    send: mpsc::Sender<Piece>,
    bytes: u64,
}

/// Distributes members over open parts. Used from a thread that may block.
pub(super) struct Packer {
    archive: Archive,
    backup: BackupName,
    system: u64,
    runtime: Handle,
    open: Vec<Open>,
    at_once: usize,
    /// Memory of pieces comes back from the parts: new one would have to be cleared first.
    spare: Receiver<Vec<u8>>,
    give_back: Sender<Vec<u8>>,
    /// The name of each part, and its end.
    parts: Vec<(String, JoinHandle<Result<Sealed>>)>,
}

impl Packer {
    pub(super) fn new(archive: &Archive, backup: &BackupName, system: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let at_once = cores.min(archive.parallelism()).clamp(1, 4);
        let (archive, backup, runtime) = (archive.clone(), backup.clone(), Handle::current());
        let (give_back, spare) = channel();
        Self { archive, backup, system, runtime, open: Vec::new(), at_once, spare, give_back, parts: Vec::new() }
    }

    /// Adds a member with content of exactly its size; the number of its part.
    pub(super) fn add(&mut self, member: &Member, content: &mut dyn Read) -> io::Result<usize> {
        let at = self.choose();
        let number = self.open[at].number;
        self.send(at, Piece::Member(member.clone()))?;
        let mut left = if member.kind == Kind::File { member.size } else { 0 };
        while left > 0 {
            let length = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            let mut chunk = self.spare.try_recv().unwrap_or_default();
            chunk.resize(length, 0);
            content.read_exact(&mut chunk)?;
            self.send(at, Piece::Content(chunk))?;
            left -= length as u64;
        }
        self.open[at].bytes += member.size + 512;
        if self.open[at].bytes >= PART {
            self.send(at, Piece::End)?;
            self.open.remove(at);
        }
        Ok(number)
    }

    fn send(&self, at: usize, piece: Piece) -> io::Result<()> {
        // Who doesn't take it any more says why at its end.
        self.open[at].send.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// The open part that has the most room in its queue, or a new one.
    fn choose(&mut self) -> usize {
        if self.open.len() < self.at_once {
            let name = self.archive.codec().named(&format!("part_{:03}.tar", self.parts.len() + 1));
            let (send, receive) = mpsc::channel(WAITING);
            let number = self.parts.len();
            self.parts.push((
                name.clone(),
                self.runtime.spawn(write(
                    self.archive.clone(),
                    self.key(&name),
                    self.system,
                    receive,
                    self.give_back.clone(),
                )),
            ));
            self.open.push(Open { number, send, bytes: 0 });
            return self.open.len() - 1;
        }
        let roomiest = self.open.iter().enumerate().max_by_key(|(_, part)| part.send.capacity());
        roomiest.map_or(0, |(at, _)| at)
    }

    fn key(&self, name: &str) -> String {
        names::part(&self.backup, name)
    }

    /// Ends all parts: nothing more comes.
    pub(super) fn end(&mut self) -> io::Result<()> {
        for at in 0..self.open.len() {
            self.send(at, Piece::End)?;
        }
        self.open.clear();
        Ok(())
    }

    /// Waits until all parts are in the store, in the order of their numbers. The first failure that
    /// isn't the consequence of another is the one that is told.
    pub(super) async fn finish(mut self) -> Result<Vec<Packed>> {
        self.open.clear();
        let (mut packed, mut failed) = (Vec::new(), None);
        for (name, task) in self.parts {
            let ended = task.await.map_err(|e| Error::internal("packing a part failed").source(e));
            match ended.and_then(|sealed| sealed) {
                Ok(sealed) => packed.push(Packed { name, sealed }),
                Err(error) => {
                    let follows = |error: &Error| error.message().contains(UNFINISHED);
                    if failed.as_ref().is_none_or(follows) {
                        failed = Some(error);
                    }
                }
            }
        }
        failed.map_or(Ok(packed), Err)
    }
}

const UNFINISHED: &str = "nothing more came";

async fn write(
    archive: Archive,
    key: String,
    system: u64,
    mut receive: mpsc::Receiver<Piece>,
    give_back: Sender<Vec<u8>>,
) -> Result<Sealed> {
    let fill = move |sink: &mut dyn io::Write| {
        let mut tar = TarWriter::new(sink);
        loop {
            match receive.blocking_recv() {
                Some(Piece::Member(member)) if member.kind == Kind::Directory => tar.empty(&member)?,
                Some(Piece::Member(member)) => drop(tar.file_of(&member, |write| {
                    let mut left = member.size;
                    while left > 0 {
                        let Some(Piece::Content(piece)) = receive.blocking_recv() else {
                            return Err(io::Error::other(UNFINISHED));
                        };
                        left = left.saturating_sub(piece.len() as u64);
                        write(&piece)?;
                        // Nobody needs it any more once all has been read.
                        let _ = give_back.send(piece);
                    }
                    Ok(())
                })?),
                Some(Piece::End) => return tar.finish().map(drop),
                Some(Piece::Content(_)) => return Err(io::Error::other("content without a member")),
                None => return Err(io::Error::other(UNFINISHED)),
            }
        }
    };
    let (sealed, ()) = archive.write(&key, Form::Packed, Some(system), fill).await?;
    Ok(sealed)
}

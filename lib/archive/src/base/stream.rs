//! Takes a base backup's files from a server's stream: any machine can, and the server compares the checksums of the
//! pages.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use flotilla::pg::replication::{BaseBackup, Event};
use flotilla::{Code, Error, Result, failpoint};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Parent;
use super::pack::Packer;
use super::sort::Sorter;
use super::take::{Bounds, Taken};
use crate::archive::Archive;
use crate::names::BackupName;
use crate::reading::Pieces;
use crate::wal::{Lsn, Timeline};

/// What is handed over to be sorted at once, in bytes: the server sends 32 KiB at a time, and to wake a thread
/// for each takes longer than to sort it.
const HANDFUL: usize = 512 << 10;
/// How many such handfuls may wait to be sorted.
const WAITING: usize = 4;

/// A tar that is being sorted on a thread of its own.
struct Feed {
    send: mpsc::Sender<Vec<Bytes>>,
    handful: Vec<Bytes>,
    held: usize,
    sorting: JoinHandle<(Sorter, io::Result<()>)>,
}

impl Feed {
    /// Takes what has come. False when nobody reads it any more, who says why at its end.
    async fn take(&mut self, bytes: Bytes) -> bool {
        self.held += bytes.len();
        self.handful.push(bytes);
        self.held < HANDFUL || self.hand_over().await
    }

    async fn hand_over(&mut self) -> bool {
        self.held = 0;
        self.send.send(std::mem::take(&mut self.handful)).await.is_ok()
    }
}

/// Stores what the server sends. `progress` is told the bytes that have come.
pub async fn take(
    archive: &Archive,
    name: &BackupName,
    system: u64,
    stream: &mut BaseBackup<'_>,
    parent: Option<Parent>,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Taken> {
    let start: Lsn = stream.start.lsn.parse()?;
    let timeline = stream.start.timeline;
    let spaces = stream.tablespaces.iter().filter_map(|space| Some((space.oid?.to_string(), space.location.clone()?)));
    let locations: BTreeMap<String, String> = spaces.collect();
    let parent = parent.map(Arc::new);
    let mut idle = Some(Sorter::new(Packer::new(archive, name, system), parent));
    let mut feed: Option<Feed> = None;
    let mut came = 0;
    while let Some(event) = stream.next().await? {
        match event {
            Event::Archive { name, .. } => {
                if let Some(feed) = feed.take() {
                    idle = Some(ended(feed).await?);
                }
                let tablespace = name.strip_suffix(".tar").and_then(|name| name.parse().ok());
                let sorter = idle.take().ok_or_else(|| Error::internal("two tars at once"))?;
                feed = Some(begin(sorter, tablespace));
            }
            Event::Manifest => return Err(Error::internal("a manifest that nobody has asked for")),
            Event::Data(bytes) => {
                came += bytes.len() as u64;
                progress(came);
                if let Some(open) = &mut feed
                    && !open.take(bytes).await
                    && let Some(feed) = feed.take()
                {
                    ended(feed).await?;
                    return Err(Error::internal("sorting a backup ended early"));
                }
            }
            Event::Progress(_) => {}
        }
    }
    let end = stream.end().ok_or_else(|| Error::internal("a backup without an end"))?;
    if end.timeline != timeline {
        return Err(Error::new(Code::StateMoved, "the server was promoted while it was backed up")
            .hint("Nothing is listed of this backup. Take it again."));
    }
    let finish: Lsn = end.lsn.parse()?;
    let sorter = match (feed, idle) {
        (Some(feed), _) => ended(feed).await?,
        (None, Some(sorter)) => sorter,
        (None, None) => return Err(Error::internal("a backup without files")),
    };
    failpoint::hit("push.sorted");
    let bounds = Bounds { name: name.clone(), system, start, timeline: Timeline(timeline), locations };
    bounds.taken(archive, sorter, finish).await
}

fn begin(mut sorter: Sorter, tablespace: Option<u32>) -> Feed {
    let (send, mut receive) = mpsc::channel::<Vec<Bytes>>(WAITING);
    let sorting = tokio::task::spawn_blocking(move || {
        let mut handful = Vec::new().into_iter();
        let mut source = Pieces::new(|| {
            loop {
                if let Some(piece) = handful.next() {
                    return Some(Ok(piece));
                }
                handful = receive.blocking_recv()?.into_iter();
            }
        });
        let outcome = sorter.tar(tablespace, &mut source);
        (sorter, outcome)
    });
    Feed { send, handful: Vec::new(), held: 0, sorting }
}

/// Ends a tar. Where a part could not be sent, that is the reason why sorting broke off.
async fn ended(mut feed: Feed) -> Result<Sorter> {
    // Whether it arrives says the outcome.
    feed.hand_over().await;
    drop(feed.send);
    let (sorter, outcome) = feed.sorting.await.map_err(|e| Error::internal("sorting a backup failed").source(e))?;
    match outcome {
        Ok(()) => Ok(sorter),
        Err(error) => {
            let found = |e: io::Error| {
                let hint = "Nothing is listed of this backup. Look at the server's log, then take it again.";
                Error::new(Code::Io, "what the server sent could not be stored").hint(hint).source(e)
            };
            if error.kind() == io::ErrorKind::BrokenPipe {
                sorter.packer.finish().await?;
            }
            Err(found(error))
        }
    }
}

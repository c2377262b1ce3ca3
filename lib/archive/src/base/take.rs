//! Takes a base backup from a server's stream into the archive: parts first, the sentinel last.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flotilla::pg::replication::{BaseBackup, Event};
use flotilla::{Code, Error, Result, failpoint};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Parent;
use super::pack::{Packed, Packer};
use super::plan::{LABEL, PG_CONTROL};
use super::sort::{MAP, Sorter, Stored};
use crate::archive::{Archive, Sealed};
use crate::documents::{DATE_FORMAT, FilesWriter, Metadata, Sentinel, TablespaceSpec};
use crate::names::{self, BackupName};
use crate::reading::Pieces;
use crate::retention;
use crate::store::Over;
use crate::tarball::{Member, TarWriter};
use crate::wal::Lsn;

/// What is handed over to be sorted at once, in bytes: the server sends 32 KiB at a time, and to wake a thread
/// for each takes longer than to sort it.
const HANDFUL: usize = 512 << 10;
/// How many such handfuls may wait to be sorted.
const WAITING: usize = 4;

/// What has been stored of a backup that isn't one yet.
#[derive(Debug)]
pub struct Taken {
    /// Its name.
    pub name: BackupName,
    /// Where it began.
    pub start: Lsn,
    /// Where the WAL that it needs ends.
    pub finish: Lsn,
    /// How many files and folders.
    pub members: u64,
    /// How many of them hold changed pages alone.
    pub incremented: u64,
    /// How many parts.
    pub parts: u64,
    /// Bytes of the parts before packing.
    pub uncompressed: u64,
    /// Bytes of the parts as stored.
    pub compressed: u64,
    system: u64,
    parent: Option<Arc<Parent>>,
    catalog_bytes: u64,
    stored: Stored,
    packed: Vec<Packed>,
    locations: BTreeMap<String, String>,
}

/// What the documents of a backup say besides.
#[derive(Clone, Debug)]
pub struct Describe {
    /// When it began.
    pub started: DateTime<Utc>,
    /// `server_version_num`.
    pub pg_version: u32,
    /// The host that makes it.
    pub hostname: String,
    /// The server's data directory.
    pub data_dir: String,
    /// Whether retention leaves it alone.
    pub permanent: bool,
    /// What the operator wants to be noted.
    pub user_data: Option<Value>,
}

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
    let mut idle = Some(Sorter::new(Packer::new(archive, name, system), parent.clone()));
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
    let mut sorter = match (feed, idle) {
        (Some(feed), _) => ended(feed).await?,
        (None, Some(sorter)) => sorter,
        (None, None) => return Err(Error::internal("a backup without files")),
    };
    failpoint::hit("push.sorted");
    let sorter = tokio::task::spawn_blocking(move || sorter.packer.end().map(|()| sorter));
    let sorter = sorter.await.map_err(|e| Error::internal("ending a backup failed").source(e))?;
    let mut sorter = sorter.map_err(|e| Error::new(Code::Io, "a part could not be ended").source(e))?;
    let packed = sorter.packer.finish().await?;
    failpoint::hit("push.parts");

    let missing = |what: &str| Error::new(Code::QueryFailed, format!("the server sent no {what}"));
    let control = sorter.control.take().ok_or_else(|| missing("pg_control"))?;
    let label = sorter.label.take().ok_or_else(|| missing("backup_label"))?;
    let map = sorter.map.take();
    let mut taken = Taken {
        name: name.clone(),
        start,
        finish,
        members: sorter.stored.members(),
        incremented: sorter.stored.incremented(),
        parts: packed.len() as u64 + 2,
        uncompressed: 0,
        compressed: 0,
        system,
        parent,
        catalog_bytes: sorter.catalog_bytes,
        stored: sorter.stored,
        packed,
        locations,
    };
    taken.small(archive, "pg_control", vec![control]).await?;
    failpoint::hit("push.pg_control");
    taken.small(archive, "backup_label", map.into_iter().chain([label]).collect()).await?;
    failpoint::hit("push.backup_label");
    taken.uncompressed = taken.packed.iter().map(|part| part.sealed.content.bytes).sum();
    taken.compressed = taken.packed.iter().map(|part| part.sealed.stored.bytes).sum();
    Ok(taken)
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

impl Taken {
    /// Stores small files in a part of their own.
    async fn small(&mut self, archive: &Archive, stem: &str, files: Vec<(Member, Vec<u8>)>) -> Result<()> {
        let name = archive.codec().named(&format!("{stem}.tar"));
        let fill = move |sink: &mut dyn io::Write| {
            let mut tar = TarWriter::new(sink);
            for (member, bytes) in &files {
                tar.file(&Member { size: bytes.len() as u64, ..member.clone() }, &mut bytes.as_slice())?;
            }
            tar.finish().map(drop)
        };
        let key = names::part(&self.name, &name);
        let written = archive.write(&key, archive.codec(), Over::Replace, Some(self.system), fill).await?;
        let (sealed, ()): (Sealed, ()) = written;
        self.packed.push(Packed { name, sealed });
        Ok(())
    }
}

/// Makes what was taken a backup: its documents, and the sentinel last. The WAL that it needs must be
/// in the archive by now. Refused when retention has taken what it stands on meanwhile.
pub async fn seal(archive: &Archive, taken: Taken, how: Describe) -> Result<Sentinel> {
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let spec = TablespaceSpec { base_prefix: how.data_dir.clone(), locations: taken.locations.clone() };
    let parent = taken.parent.as_deref();
    let sentinel = Sentinel {
        start_lsn: taken.start,
        delta_lsn: parent.map(|parent| parent.since),
        delta_from: parent.map(|parent| parent.name.to_string()),
        delta_full_name: parent.map(|parent| parent.full.to_string()),
        delta_count: parent.map(|parent| parent.count),
        pg_version: how.pg_version,
        finish_lsn: taken.finish,
        system_identifier: Some(taken.system),
        uncompressed_size: signed(taken.uncompressed),
        compressed_size: signed(taken.compressed),
        data_catalog_size: signed(taken.catalog_bytes),
        spec: (!taken.locations.is_empty()).then_some(spec),
        user_data: how.user_data,
        files_metadata_disabled: false,
        checkpoint_number: None,
        version: 2,
        start_time: Some(how.started),
        finish_time: Some(Utc::now()),
        date_format: DATE_FORMAT.to_owned(),
        hostname: how.hostname,
        data_dir: how.data_dir,
        is_permanent: how.permanent,
        others: Map::new(),
    };
    let metadata = Metadata::of(&sentinel).ok_or_else(|| Error::internal("a backup without times"))?;
    let system = Some(taken.system);
    let name = taken.name.clone();
    let parent = taken.parent.as_deref().map(|parent| parent.name.clone());
    let parts: Vec<String> = taken.packed.iter().map(|part| part.name.clone()).collect();
    archive.write_plain(&names::metadata(&name), metadata.to_json().into(), Over::Replace, system).await?;
    failpoint::hit("push.metadata");
    archive
        .write_document(&names::files_metadata(&name), Over::Replace, system, move |sink| list(&taken, sink))
        .await?;
    failpoint::hit("push.files_metadata");
    retention::check_footing(archive, &name, parent.as_ref(), &parts).await?;
    archive.write_plain(&names::sentinel(&name), sentinel.to_json().into(), Over::Replace, system).await?;
    failpoint::hit("push.sentinel");
    Ok(sentinel)
}

/// Writes `files_metadata.json`.
fn list(taken: &Taken, sink: &mut dyn io::Write) -> io::Result<()> {
    let mut files = FilesWriter::new(io::BufWriter::new(sink))?;
    for (name, entry) in taken.stored.files() {
        files.file(&name, &entry)?;
    }
    for (number, part) in taken.packed.iter().enumerate() {
        let own: &[&str] = match part.name.split('.').next() {
            Some("pg_control") => &[PG_CONTROL],
            Some("backup_label") if taken.locations.is_empty() => &[LABEL],
            Some("backup_label") => &[LABEL, MAP],
            _ => &[],
        };
        files.part(&part.name, taken.stored.of_part(number).chain(own.iter().map(ToString::to_string)))?;
    }
    files.finish()?.flush()
}

//! Reading the catalog: two listings, and the small documents that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use flotilla::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Backup, Catalog, Coming, WalFiles, WalObject};
use crate::archive::Archive;
use crate::documents::{Metadata, Sentinel};
use crate::names::{self, BackupName, Object};
use crate::store::{Entry, Listing, Meta};
use crate::wal::{History, SegmentSize, Timeline, WalFile};

/// How many documents are read at once.
pub(super) const AT_ONCE: usize = 16;
/// A longer `metadata.json` is none, in bytes.
const LONGEST: usize = 1 << 20;
/// As much is read of a timeline's history, in bytes.
const HISTORY: u64 = 1 << 20;

impl Catalog {
    /// Reads what the archive holds.
    pub async fn load(archive: &Archive) -> Result<Self> {
        Self::load_sized(archive, archive.segment_size().await?).await
    }

    /// The same of an archive with segments of this size.
    pub(crate) async fn load_sized(archive: &Archive, size: SegmentSize) -> Result<Self> {
        let catalog = Self::load_sealed(archive, size).await?;
        let (histories, unreadable_histories) = read_histories(archive, &catalog.wal).await?;
        Ok(Self { histories, unreadable_histories, ..catalog })
    }

    /// The same without what takes a key to read: the histories of timelines.
    pub(crate) async fn load_sealed(archive: &Archive, size: SegmentSize) -> Result<Self> {
        let (backups, wal) = tokio::try_join!(list_backups(archive, size), list_wal(archive, size))?;
        let (sentinels, mut unfinished) = backups;
        for name in sentinels.keys() {
            unfinished.remove(name);
        }
        let read = stream::iter(sentinels).map(|(name, meta)| read_backup(archive, name, meta));
        let read: Vec<_> = read.buffer_unordered(AT_ONCE).try_collect().await?;
        let (mut backups, mut unreadable) = (Vec::new(), Vec::new());
        for one in read {
            match one {
                Ok(backup) => backups.push(backup),
                Err(broken) => unreadable.push(broken),
            }
        }
        backups.sort_by(|a: &Backup, b: &Backup| {
            (a.sentinel.start_lsn, a.timeline(), &a.name).cmp(&(b.sentinel.start_lsn, b.timeline(), &b.name))
        });
        unreadable.sort();
        let unproven = Coming::unproven(archive, &backups).await?;
        let (histories, unreadable_histories) = (BTreeMap::new(), Vec::new());
        Ok(Self { size, backups, unproven, unreadable, unfinished, wal, histories, unreadable_histories })
    }
}

type Listed = (BTreeMap<BackupName, Meta>, BTreeSet<BackupName>);

async fn list_backups(archive: &Archive, size: SegmentSize) -> Result<Listed> {
    let mut entries = archive.store().list(Listing::of(names::BACKUPS).flat());
    let (mut sentinels, mut folders) = (BTreeMap::new(), BTreeSet::new());
    while let Some(entry) = entries.try_next().await? {
        match entry {
            Entry::Object(meta) => {
                if let Object::Sentinel(name) = Object::of(&meta.key, size) {
                    sentinels.insert(name, meta);
                }
            }
            Entry::Folder(key) => {
                let name = key.strip_prefix(names::BACKUPS).and_then(|name| name.strip_suffix('/'));
                if let Some(name) = name.and_then(|name| name.parse().ok()) {
                    folders.insert(name);
                }
            }
        }
    }
    Ok((sentinels, folders))
}

async fn list_wal(archive: &Archive, size: SegmentSize) -> Result<WalFiles> {
    let mut entries = archive.store().list(Listing::of(names::WAL));
    let mut wal = WalFiles::new(size, archive.looked_for().collect());
    while let Some(entry) = entries.try_next().await? {
        let Entry::Object(meta) = entry else { continue };
        let Object::Wal { file, codec } = Object::of(&meta.key, size) else { continue };
        wal.insert(WalObject { file, codec, bytes: meta.size, written: meta.modified });
    }
    Ok(wal)
}

/// A backup, or why it can't be understood. An error is the store's.
async fn read_backup(
    archive: &Archive,
    name: BackupName,
    meta: Meta,
) -> Result<std::result::Result<Backup, (BackupName, String)>> {
    let sentinel = match document(archive, &meta.key, Sentinel::parse).await? {
        Document::Read(sentinel) => sentinel,
        // Deleted since it was listed: by retention, sentinel first.
        Document::Absent => return Ok(Err((name, "its sentinel has vanished".to_owned()))),
        Document::Damaged(why) => return Ok(Err((name, why))),
    };
    let metadata = match metadata(archive, &name, &sentinel).await? {
        Document::Read(metadata) => Some(metadata),
        Document::Absent => None,
        Document::Damaged(why) => return Ok(Err((name, why))),
    };
    Ok(Ok(Backup { name, sentinel, metadata, written: meta.modified }))
}

/// `metadata.json`. WAL-G writes it anew to make a backup permanent or no longer so, and knows no sums: what
/// doesn't fit these is taken if it says what the sentinel says.
async fn metadata(archive: &Archive, name: &BackupName, sentinel: &Sentinel) -> Result<Document<Metadata>> {
    let key = names::metadata(name);
    let read = document(archive, &key, Metadata::parse).await?;
    let Document::Damaged(why) = read else { return Ok(read) };
    let bytes = match archive.store().get(&key).await {
        Ok(body) => body.collect(LONGEST).await?,
        Err(error) if error.is_absent() => return Ok(Document::Absent),
        Err(error) => return Err(error.into()),
    };
    Ok(match Metadata::parse(&bytes) {
        Ok(metadata) if metadata.agrees(sentinel) => Document::Read(metadata),
        _ => Document::Damaged(why),
    })
}

enum Document<T> {
    Read(T),
    Absent,
    Damaged(String),
}

async fn document<T>(
    archive: &Archive,
    key: &str,
    parse: impl Fn(&[u8]) -> std::result::Result<T, crate::Corrupt>,
) -> Result<Document<T>> {
    match archive.read_plain(key).await {
        Ok(bytes) => Ok(match parse(&bytes) {
            Ok(document) => Document::Read(document),
            Err(corrupt) => Document::Damaged(corrupt.to_string()),
        }),
        Err(error) if error.code() == flotilla::Code::NotFound => Ok(Document::Absent),
        Err(error) if error.code() == flotilla::Code::Mismatch => Ok(Document::Damaged(error.message().to_owned())),
        Err(error) => Err(error),
    }
}

type Histories = (BTreeMap<Timeline, History>, Vec<(Timeline, String)>);

async fn read_histories(archive: &Archive, wal: &WalFiles) -> Result<Histories> {
    let (mut known, mut broken) = (BTreeMap::new(), Vec::new());
    for object in wal.others() {
        let WalFile::History(timeline) = object.file else { continue };
        let key = object.key();
        let read = archive.read(&key, object.codec, |content| {
            let mut bytes = Vec::new();
            // Some lines; what is longer is no history, and can't be understood.
            content.take(HISTORY).read_to_end(&mut bytes)?;
            std::io::copy(content, &mut std::io::sink()).map(|_| bytes)
        });
        match read.await {
            Ok((_, bytes)) => match History::parse(timeline, &bytes) {
                Ok(history) => drop(known.insert(timeline, history)),
                Err(corrupt) => broken.push((timeline, corrupt.to_string())),
            },
            Err(error) if error.code() == flotilla::Code::Mismatch => {
                broken.push((timeline, error.message().to_owned()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((known, broken))
}

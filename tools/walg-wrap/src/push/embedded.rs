//! A base backup by the embedded engine: its files are read from the server's data folder, or from its stream.

use std::path::PathBuf;
use std::sync::Arc;

use flotilla::Context;
use flotilla::config::Shard;
use flotilla::error::{Code, Error, Result};
use flotilla::pg::replication::BaseBackupOptions;
use flotilla_archive::base::{self, DataFolder, Parent, Taken};
use flotilla_archive::names::{self, BackupName};
use flotilla_archive::store::Listing;
use flotilla_archive::wal::{Lsn, Segment, Timeline};
use flotilla_archive::{Archive, Catalog};
use futures_util::TryStreamExt as _;

use super::folder::Begun;
use super::{Read, Source};
use crate::progress;

/// How the files were read.
pub(super) enum By {
    /// From the data folder.
    Folder,
    /// From the stream, and why though the data folder might have been.
    Stream(Option<String>),
}

impl By {
    /// How they are read, by where the data folder is.
    pub(super) fn of(folder: &Result<PathBuf, String>, how: Read) -> Self {
        match folder {
            Ok(_) => Self::Folder,
            Err(why) => Self::Stream((how == Read::Auto).then(|| why.clone())),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Stream(_) => "stream",
        }
    }

    pub(super) fn because(&self) -> Option<String> {
        match self {
            Self::Folder => None,
            Self::Stream(why) => why.clone(),
        }
    }
}

/// What a backup is taken into.
pub(super) struct Taking<'a> {
    pub(super) shard: &'a Shard,
    pub(super) archive: &'a Archive,
    pub(super) catalog: &'a Catalog,
    pub(super) label: String,
}

impl Taking<'_> {
    /// Stores the files of the source's data folder.
    pub(super) async fn read_folder(
        &self,
        cx: &Context,
        source: &Source,
        path: PathBuf,
        parent: Option<Parent>,
    ) -> Result<Taken> {
        let begun = Begun::begin(cx, self.shard, source, &self.label).await?;
        let segment = Segment::containing(source.timeline, begun.start, source.segment_size);
        let name = self.name(segment, parent.as_ref()).await?;
        let bar = progress::bytes(cx);
        // As much as the last time.
        let last = self.catalog.backups.iter().max_by_key(|backup| backup.sentinel.finish_time);
        bar.set_length(last.and_then(|last| u64::try_from(last.sentinel.data_catalog_size).ok()).unwrap_or_default());
        let folder = DataFolder { path, start: begun.start, timeline: source.timeline };
        let progress: Arc<dyn Fn(u64) + Send + Sync> = {
            let bar = bar.clone();
            Arc::new(move |came| bar.set_position(came))
        };
        let reading = base::read(self.archive, &name, source.system, folder, parent, progress).await;
        bar.finish_and_clear();
        reading?.end(self.archive, begun.end().await?).await
    }

    /// Stores the files that the source sends.
    pub(super) async fn read_stream(&self, cx: &Context, source: &mut Source, parent: Option<Parent>) -> Result<Taken> {
        let options = BaseBackupOptions {
            label: self.label.clone(),
            fast_checkpoint: true,
            verify_checksums: true,
            max_rate_kib: None,
            manifest: false,
        };
        let (system, size) = (source.system, source.segment_size);
        let mut stream = source.stream.base_backup(&options).await?;
        let start: Lsn = stream.start.lsn.parse()?;
        let segment = Segment::containing(Timeline(stream.start.timeline), start, size);
        let name = self.name(segment, parent.as_ref()).await?;
        let bar = progress::bytes(cx);
        bar.set_length(stream.tablespaces.iter().filter_map(|space| space.estimated_bytes).sum());
        let progress = |came| bar.set_position(came);
        let taken = base::take(self.archive, &name, system, &mut stream, parent, &progress).await;
        drop(stream);
        bar.finish_and_clear();
        taken
    }

    /// The name of a backup that begins in this segment, cleared of what an interrupted push has left.
    async fn name(&self, segment: Segment, parent: Option<&Parent>) -> Result<BackupName> {
        let name = match parent {
            None => BackupName::full(segment),
            Some(parent) => BackupName::delta(segment, &parent.name),
        };
        clear(self.archive, self.catalog, &name).await?;
        Ok(name)
    }
}

/// Refuses a name that is taken, and clears away what an interrupted push has left under it: whoever
/// restores takes every part that is there.
async fn clear(archive: &Archive, catalog: &Catalog, name: &BackupName) -> Result<()> {
    let there = catalog.backup(name).is_some() || catalog.unreadable.iter().any(|(other, _)| other == name);
    if there {
        return Err(Error::new(Code::Refused, format!("there is a backup {name} already"))
            .hint("It began where this one would begin. Try again, or use --from primary."));
    }
    let entries = archive.store().list(Listing::of(names::part(name, "")));
    let left: Vec<String> = entries.map_ok(|entry| entry.key().to_owned()).try_collect().await?;
    archive.store().delete(left.iter().map(String::as_str)).await?;
    Ok(())
}

//! What a base backup becomes in the archive: parts first, the sentinel last.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use flotilla::{Code, Error, Result, failpoint};
use serde_json::{Map, Value};

use super::Parent;
use super::pack::Packed;
use super::plan::{LABEL, PG_CONTROL};
use super::sort::{MAP, Sorter, Stored};
use crate::archive::{Archive, Form, Sealed};
use crate::documents::{DATE_FORMAT, FilesWriter, Metadata, Sentinel, TablespaceSpec};
use crate::names::{self, BackupName};
use crate::retention;
use crate::store::Over;
use crate::tarball::{Member, TarWriter};
use crate::wal::{Lsn, Timeline};

/// What has been stored of a backup that isn't one yet.
#[derive(Debug)]
pub struct Taken {
    /// Its name.
    pub name: BackupName,
    /// Where it began.
    pub start: Lsn,
    /// The timeline on which it began.
    pub timeline: Timeline,
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

/// Which backup it is, and where it began.
pub(super) struct Bounds {
    pub(super) name: BackupName,
    pub(super) system: u64,
    pub(super) start: Lsn,
    pub(super) timeline: Timeline,
    /// Where the server has its tablespaces, by their OID.
    pub(super) locations: BTreeMap<String, String>,
}

impl Bounds {
    /// Ends the parts, and stores the small ones: all that has come was sorted.
    pub(super) async fn taken(self, archive: &Archive, sorter: Sorter, finish: Lsn) -> Result<Taken> {
        let sorter = tokio::task::spawn_blocking(move || {
            let mut sorter = sorter;
            sorter.packer.end().map(|()| sorter)
        });
        let sorter = sorter.await.map_err(|e| Error::internal("ending a backup failed").source(e))?;
        let mut sorter = sorter.map_err(|e| Error::new(Code::Io, "a part could not be ended").source(e))?;
        let packed = sorter.packer.finish().await?;
        failpoint::hit("push.parts");

        let missing = |what: &str| Error::new(Code::QueryFailed, format!("the server sent no {what}"));
        let control = sorter.control.take().ok_or_else(|| missing("pg_control"))?;
        let label = sorter.label.take().ok_or_else(|| missing("backup_label"))?;
        let map = sorter.map.take();
        let mut taken = Taken {
            name: self.name,
            start: self.start,
            timeline: self.timeline,
            finish,
            members: sorter.stored.members(),
            incremented: sorter.stored.incremented(),
            parts: packed.len() as u64 + 2,
            uncompressed: 0,
            compressed: 0,
            system: self.system,
            parent: sorter.parent.take(),
            catalog_bytes: sorter.catalog_bytes,
            stored: sorter.stored,
            packed,
            locations: self.locations,
        };
        taken.small(archive, "pg_control", vec![control]).await?;
        failpoint::hit("push.pg_control");
        taken.small(archive, "backup_label", map.into_iter().chain([label]).collect()).await?;
        failpoint::hit("push.backup_label");
        taken.uncompressed = taken.packed.iter().map(|part| part.sealed.content.bytes).sum();
        taken.compressed = taken.packed.iter().map(|part| part.sealed.stored.bytes).sum();
        Ok(taken)
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
        let written = archive.write(&key, Form::Packed, Some(self.system), fill).await?;
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
    archive.write(&names::files_metadata(&name), Form::Plain, system, move |sink| list(&taken, sink)).await?;
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

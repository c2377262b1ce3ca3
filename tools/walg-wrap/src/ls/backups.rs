//! One line for each backup, and for whatever else lies where backups are.

use std::collections::BTreeMap;

use flotilla::Result;
use flotilla::clock::rfc3339;
use flotilla::record::Record;
use flotilla_archive::archive::Pin;
use flotilla_archive::catalog::{Backup, Broken};
use flotilla_archive::names::{self, BackupName, Object};
use flotilla_archive::store::{Entry, Listing, Meta};
use flotilla_archive::verify::Remembered;
use flotilla_archive::{Archive, Catalog};
use futures_util::TryStreamExt as _;
use schemars::JsonSchema;
use serde::Serialize;

/// What can be done with a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It is finished, and so is what it stands on.
    #[default]
    Finished,
    /// It has no sentinel: it is being made or deleted, or was given up.
    Unfinished,
    /// WAL-G made it, or what it stands on, for a push that was cut off or is at work: nobody has read it back.
    Unproven,
    /// What it stands on isn't there, or doesn't fit.
    Broken,
    /// Its documents can't be understood.
    Unreadable,
    /// It is of another cluster than the archive.
    Foreign,
    /// It is no backup, and nobody knows what it is.
    Unknown,
}

/// A backup.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ListedBackup {
    /// The shard.
    pub(crate) shard: Option<String>,
    /// The store.
    pub(crate) store: Option<String>,
    /// The backup's name; of something unknown, its key.
    pub(crate) backup: Option<String>,
    /// What can be done with it.
    state: Option<State>,
    /// Why it can't be restored; null where it can.
    reason: Option<String>,
    /// `full` or `delta`.
    kind: Option<String>,
    /// The backup that a delta stands on.
    parent: Option<String>,
    /// All that is restored for it, the full backup first, itself last.
    chain: Option<Vec<String>>,
    /// When it began.
    started_at: Option<String>,
    /// When it ended: no earlier time can be restored from it.
    pub(crate) finished_at: Option<String>,
    /// The timeline on which it was made.
    timeline: Option<u32>,
    /// Where it began.
    start_lsn: Option<String>,
    /// With the WAL up to here it is consistent.
    finish_lsn: Option<String>,
    /// The first segment of the WAL that it needs.
    first_segment: Option<String>,
    /// The last segment that it needs to be consistent.
    last_segment: Option<String>,
    /// Whether all of these are in the archive.
    has_wal: Option<bool>,
    /// Parts.
    parts: Option<usize>,
    /// Their size before packing, in bytes.
    content_bytes: Option<u64>,
    /// The size of everything that it is made of as stored, in bytes.
    pub(crate) stored_bytes: Option<u64>,
    /// Whether retention leaves it alone.
    permanent: Option<bool>,
    /// When `walg-wrap verify` had read all of it; null where it hasn't, or something has changed since.
    verified_at: Option<String>,
    /// PostgreSQL's version, as `server_version_num`.
    pg_version: Option<u32>,
    /// The host that made it.
    host: Option<String>,
}

impl Record for ListedBackup {
    const KIND: &'static str = "walg-wrap.backup";
    const COLUMNS: &'static [&'static str] = &[
        "backup",
        "kind",
        "state",
        "finished_at",
        "content_bytes",
        "stored_bytes",
        "permanent",
        "verified_at",
        "reason",
    ];
}

impl ListedBackup {
    pub(crate) fn is_finished(&self) -> bool {
        self.state == Some(State::Finished)
    }
}

/// Everything in the folder of backups, in the order in which it began, and what lies beside the folders.
pub(crate) async fn list(
    archive: &Archive,
    catalog: &Catalog,
    pin: Option<&Pin>,
    memory: &Remembered,
) -> Result<Vec<ListedBackup>> {
    let mut objects: BTreeMap<BackupName, Vec<Meta>> = BTreeMap::new();
    let mut unknown: BTreeMap<String, u64> = BTreeMap::new();
    let mut entries = archive.store().list(Listing::of(names::BACKUPS));
    while let Some(entry) = entries.try_next().await? {
        let Entry::Object(meta) = entry else { continue };
        match Object::of(&meta.key, catalog.size).backup() {
            Some(name) => objects.entry(name.clone()).or_default().push(meta),
            None => drop(unknown.insert(meta.key, meta.size)),
        }
    }
    let mut entries = archive.store().list(Listing::of("").flat());
    while let Some(entry) = entries.try_next().await? {
        match entry {
            Entry::Object(meta) => drop(unknown.insert(meta.key, meta.size)),
            Entry::Folder(key) if [names::BACKUPS, names::WAL, names::CATCHUP, names::OWN].contains(&key.as_str()) => {}
            Entry::Folder(key) => drop(unknown.insert(key, 0)),
        }
    }
    let system = catalog.system(pin);
    let known = |name: &BackupName| objects.get(name).map_or(&[][..], Vec::as_slice);
    let mut listed: Vec<ListedBackup> =
        catalog.backups.iter().map(|backup| finished(catalog, backup, system, known(&backup.name), memory)).collect();
    for (name, why) in &catalog.unreadable {
        listed.push(other(name, State::Unreadable, why, known(name)));
    }
    for name in catalog.unfinished.iter().filter(|name| !known(name).is_empty()) {
        listed.push(other(name, State::Unfinished, "it has no sentinel", known(name)));
    }
    for (key, bytes) in unknown {
        let reason = Some("it is no object of an archive".to_owned());
        let state = Some(State::Unknown);
        let stored_bytes = Some(bytes).filter(|_| !key.ends_with('/'));
        listed.push(ListedBackup { backup: Some(key), state, reason, stored_bytes, ..ListedBackup::default() });
    }
    Ok(listed)
}

fn finished(
    catalog: &Catalog,
    backup: &Backup,
    system: Option<u64>,
    objects: &[Meta],
    memory: &Remembered,
) -> ListedBackup {
    let sentinel = &backup.sentinel;
    let foreign = sentinel.system_identifier.filter(|of| system.is_some_and(|system| system != *of));
    let chain = catalog.chain(backup);
    let (state, reason) = match (&chain, foreign) {
        (_, Some(of)) => (State::Foreign, Some(format!("it is of system {of}"))),
        (Err(broken @ Broken::Unproven(_)), None) => (State::Unproven, Some(broken.to_string())),
        (Err(broken), None) => (State::Broken, Some(broken.to_string())),
        (Ok(_), None) => (State::Finished, None),
    };
    let (first, last) = backup.needs(catalog.size);
    let mut needed = first.number..=last.number;
    let has_wal = needed.all(|number| catalog.segment(flotilla_archive::wal::Segment { number, ..first }).is_some());
    let chain = chain.ok().map(|chain| chain.iter().map(|backup| backup.name.to_string()).collect());
    ListedBackup {
        state: Some(state),
        reason,
        kind: Some(if backup.is_delta() { "delta" } else { "full" }.to_owned()),
        parent: sentinel.delta_from.clone(),
        chain,
        started_at: sentinel.start_time.map(rfc3339),
        finished_at: Some(rfc3339(backup.finished())),
        timeline: Some(backup.timeline().0),
        start_lsn: Some(sentinel.start_lsn.to_string()),
        finish_lsn: Some(sentinel.finish_lsn.to_string()),
        first_segment: Some(first.to_string()),
        last_segment: Some(last.to_string()),
        has_wal: Some(has_wal),
        content_bytes: u64::try_from(sentinel.uncompressed_size).ok(),
        permanent: Some(backup.is_permanent()),
        verified_at: memory.since(objects).map(rfc3339),
        pg_version: Some(sentinel.pg_version),
        host: Some(sentinel.hostname.clone()).filter(|host| !host.is_empty()),
        ..sized(&backup.name, objects)
    }
}

fn other(name: &BackupName, state: State, reason: &str, objects: &[Meta]) -> ListedBackup {
    let kind = if name.parent_digits().is_some() { "delta" } else { "full" };
    ListedBackup {
        state: Some(state),
        reason: Some(reason.to_owned()),
        kind: Some(kind.to_owned()),
        timeline: name.timeline().map(|timeline| timeline.0),
        ..sized(name, objects)
    }
}

fn sized(name: &BackupName, objects: &[Meta]) -> ListedBackup {
    ListedBackup {
        backup: Some(name.to_string()),
        parts: Some(objects.iter().filter(|meta| meta.key.contains(names::PARTS)).count()),
        stored_bytes: Some(objects.iter().map(|meta| meta.size).sum()),
        ..ListedBackup::default()
    }
}

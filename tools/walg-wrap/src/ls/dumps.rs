//! One line for each logical dump.

use std::collections::BTreeMap;

use flotilla::Result;
use flotilla::clock::rfc3339;
use flotilla::record::Record;
use flotilla_archive::Archive;
use flotilla_archive::catalog::{Dumps, FinishedDump};
use flotilla_archive::names::DumpName;
use flotilla_archive::store::{Entry, Listing, Meta};
use flotilla_archive::verify::Remembered;
use futures_util::TryStreamExt as _;
use schemars::JsonSchema;
use serde::Serialize;

/// What can be done with a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It is finished, and every object of it is there.
    Finished,
    /// It has no document: it is being made or deleted, or was given up.
    Unfinished,
    /// An object of it isn't there.
    Broken,
    /// Its document can't be understood.
    Unreadable,
}

/// A logical dump.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ListedDump {
    /// The shard.
    pub(crate) shard: Option<String>,
    /// The store.
    pub(crate) store: Option<String>,
    /// The dump's name.
    dump: Option<String>,
    /// What can be done with it.
    state: Option<State>,
    /// Why it can't be restored; null where it can.
    reason: Option<String>,
    /// The database.
    database: Option<String>,
    /// When it began.
    started_at: Option<String>,
    /// When everything of it was stored.
    finished_at: Option<String>,
    /// The WAL position when its snapshot was taken.
    lsn: Option<String>,
    /// Tables with rows of their own.
    tables: Option<u64>,
    /// Their rows.
    rows: Option<u64>,
    /// Large objects.
    large_objects: Option<u64>,
    /// The size of `pg_dump`'s files, in bytes.
    content_bytes: Option<u64>,
    /// The size of everything that it is made of as stored, in bytes.
    pub(crate) stored_bytes: Option<u64>,
    /// Whether retention leaves it alone.
    permanent: Option<bool>,
    /// When `walg-wrap verify` had read all of it; null where it hasn't, or something has changed since.
    verified_at: Option<String>,
    /// PostgreSQL's version, as `server_version_num`.
    pg_version: Option<u32>,
    /// The node that it was taken from.
    node: Option<String>,
}

impl Record for ListedDump {
    const KIND: &'static str = "walg-wrap.dump";
    const COLUMNS: &'static [&'static str] = &[
        "dump",
        "database",
        "state",
        "finished_at",
        "content_bytes",
        "stored_bytes",
        "permanent",
        "verified_at",
        "reason",
    ];
}

impl ListedDump {
    pub(crate) fn is_finished(&self) -> bool {
        self.state == Some(State::Finished)
    }
}

/// Every dump of an archive, the oldest first.
pub(crate) async fn list(archive: &Archive, memory: &Remembered) -> Result<Vec<ListedDump>> {
    let dumps = Dumps::load(archive).await?;
    let mut objects: BTreeMap<DumpName, Vec<Meta>> = BTreeMap::new();
    let mut entries = archive.store().list(Listing::of(DumpName::folder()));
    while let Some(entry) = entries.try_next().await? {
        let Entry::Object(meta) = entry else { continue };
        if let Some(name) = DumpName::of_key(&meta.key) {
            objects.entry(name).or_default().push(meta);
        }
    }
    let known = |name: &DumpName| objects.get(name).map_or(&[][..], Vec::as_slice);
    let mut listed: BTreeMap<&DumpName, ListedDump> = BTreeMap::new();
    for dump in &dumps.finished {
        listed.insert(&dump.name, finished(dump, known(&dump.name), memory));
    }
    for (name, why) in &dumps.unreadable {
        listed.insert(name, other(name, State::Unreadable, why, known(name)));
    }
    for name in &dumps.unfinished {
        listed.insert(name, other(name, State::Unfinished, "it has no document", known(name)));
    }
    Ok(listed.into_values().collect())
}

fn finished(found: &FinishedDump, objects: &[Meta], memory: &Remembered) -> ListedDump {
    let dump = &found.dump;
    let needed = dump.objects(&found.name);
    let lost = needed.iter().find(|key| !objects.iter().any(|meta| meta.key == **key && meta.size > 0));
    let state = if lost.is_some() { State::Broken } else { State::Finished };
    ListedDump {
        reason: lost.map(|key| format!("\"{key}\" isn't there")),
        database: Some(dump.database.clone()),
        started_at: Some(rfc3339(dump.started)),
        finished_at: Some(rfc3339(dump.finished)),
        lsn: Some(dump.lsn.clone()),
        tables: Some(dump.tables),
        rows: Some(dump.rows),
        large_objects: Some(dump.large_objects),
        content_bytes: Some(dump.content_bytes),
        permanent: Some(dump.permanent),
        verified_at: memory.since(objects).map(rfc3339),
        pg_version: Some(dump.pg_version),
        node: Some(dump.node.clone()),
        ..sized(&found.name, state, objects)
    }
}

fn other(name: &DumpName, state: State, reason: &str, objects: &[Meta]) -> ListedDump {
    ListedDump { reason: Some(reason.to_owned()), ..sized(name, state, objects) }
}

fn sized(name: &DumpName, state: State, objects: &[Meta]) -> ListedDump {
    ListedDump {
        dump: Some(name.to_string()),
        state: Some(state),
        stored_bytes: Some(objects.iter().map(|meta| meta.size).sum()),
        ..ListedDump::default()
    }
}

//! What is being deleted, written down before the first object goes: whoever finds the rest of a backup
//! later can tell a deletion that was cut off from damage, and completes it.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flotilla::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use super::Plan;
use crate::archive::Archive;
use crate::names::{BackupName, DumpName, Object};
use crate::store::Over;

/// Whoever deletes says so again at least this often.
pub(super) const RENEWAL: Duration = Duration::from_mins(1);
/// Who hasn't said so for this long is no more.
const LEASE: Duration = Duration::from_mins(10);

/// Who deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// The run.
    pub run: String,
    /// Where: of two runs with the same place, only one can be alive.
    pub place: String,
}

/// Backups that are being deleted, and how far the log is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The shape of this document; 1.
    version: u32,
    #[serde(default)]
    by: By,
    backups: BTreeSet<String>,
    /// Logical dumps.
    #[serde(default)]
    dumps: BTreeSet<String>,
    /// Segments with a lower number go, but for those that backups which stay need.
    wal_before: u64,
}

impl Intent {
    /// The document's key.
    pub(crate) const KEY: &'static str = "flotilla/retain.json";

    pub(super) fn of(plan: &Plan, by: &By) -> Self {
        let finished = plan.groups.iter().flat_map(|group| &group.backups);
        let backups = finished.chain(&plan.garbage).map(|gone| gone.name.to_string()).collect();
        let dumps = plan.dumps.iter().chain(&plan.dump_garbage).map(|gone| gone.name.to_string()).collect();
        Self { version: 1, by: by.clone(), backups, dumps, wal_before: plan.wal_before }
    }

    /// What is being deleted; none where nothing is.
    pub async fn read(archive: &Archive) -> Result<Option<Self>> {
        Ok(Self::read_with_time(archive).await?.map(|(intent, _)| intent))
    }

    async fn read_with_time(archive: &Archive) -> Result<Option<(Self, DateTime<Utc>)>> {
        let body = match archive.store().get(Self::KEY).await {
            Ok(body) => body,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let modified = body.meta().modified;
        let bytes = body.collect(16 << 20).await?;
        let unknown = || {
            Error::new(Code::Mismatch, format!("\"{}\" can't be understood", Self::KEY))
                .hint("It says which backups are being deleted. Delete it when nobody is; the next `walg-wrap retain` finds the rest by its age.")
        };
        let intent: Self = serde_json::from_slice(&bytes).map_err(|e| unknown().source(e))?;
        if intent.version != 1 {
            return Err(unknown());
        }
        Ok(Some((intent, modified)))
    }

    /// Refuses when somebody else is at it, by the store's time.
    pub(super) async fn check_alone(archive: &Archive, by: &By, now: DateTime<Utc>) -> Result<()> {
        let Some((intent, modified)) = Self::read_with_time(archive).await? else { return Ok(()) };
        let age = (now - modified).to_std().unwrap_or_default();
        if intent.by.place == by.place || age > LEASE {
            return Ok(());
        }
        Err(Error::new(Code::LockHeld, format!("backups are being retired from {}; nothing was deleted", intent.by.place))
            .hint("Wait for it to end. Where it was killed, another machine goes on after ten minutes, and the same one at once."))
    }

    /// Whether this run's note is the one that is there.
    pub(super) async fn is_ours(archive: &Archive, by: &By) -> Result<bool> {
        Ok(Self::read(archive).await?.is_some_and(|intent| intent.by == *by))
    }

    pub(super) async fn write(&self, archive: &Archive) -> Result<()> {
        let json = serde_json::to_vec(self).map_err(|e| Error::internal("an intent is not JSON").source(e))?;
        archive.store().put(Self::KEY, Bytes::from(json), Over::Replace).await?;
        Ok(())
    }

    pub(super) async fn remove(archive: &Archive) -> Result<()> {
        Ok(archive.store().delete([Self::KEY]).await?)
    }

    /// Whether the backup is among them.
    pub fn names(&self, backup: &BackupName) -> bool {
        self.backups.contains(backup.as_str())
    }

    /// Whether the dump is among them.
    pub fn names_dump(&self, dump: &DumpName) -> bool {
        self.dumps.contains(&dump.to_string())
    }

    /// Whether the object goes with it.
    pub fn covers(&self, object: &Object) -> bool {
        match object {
            Object::Wal { file, .. } => file.number().is_some_and(|number| number < self.wal_before),
            Object::Own(key) => DumpName::of_key(key).is_some_and(|dump| self.names_dump(&dump)),
            other => other.backup().is_some_and(|backup| self.names(backup)),
        }
    }

    /// Whether it says everything that another does.
    pub(super) fn holds(&self, other: &Self) -> bool {
        self.backups.is_superset(&other.backups)
            && self.dumps.is_superset(&other.dumps)
            && self.wal_before >= other.wal_before
    }

    /// What both say.
    pub(super) fn with(mut self, other: Self) -> Self {
        self.backups.extend(other.backups);
        self.dumps.extend(other.dumps);
        self.wal_before = self.wal_before.max(other.wal_before);
        self
    }
}

//! What is being deleted, written down before the first object goes: whoever finds the rest of a backup
//! later can tell a deletion that was cut off from damage, and completes it.

use std::collections::BTreeSet;

use bytes::Bytes;
use flotilla::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::names::{BackupName, Object};
use crate::store::Over;

/// Backups that are being deleted, and how far the log is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The shape of this document; 1.
    version: u32,
    backups: BTreeSet<String>,
    /// Segments with a lower number go, but for those that permanent backups need.
    wal_before: u64,
}

impl Intent {
    /// The document's key.
    pub(crate) const KEY: &'static str = "flotilla/retain.json";

    pub(super) fn new(backups: impl IntoIterator<Item = BackupName>, wal_before: u64) -> Self {
        let backups = backups.into_iter().map(|name| name.as_str().to_owned()).collect();
        Self { version: 1, backups, wal_before }
    }

    /// What is being deleted; none where nothing is.
    pub async fn read(archive: &Archive) -> Result<Option<Self>> {
        let bytes = match archive.store().get(Self::KEY).await {
            Ok(body) => body.collect(16 << 20).await?,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let intent: Self = serde_json::from_slice(&bytes).map_err(|e| {
            Error::new(Code::Mismatch, format!("\"{}\" can't be understood", Self::KEY))
                .hint("It says which backups are being deleted. Delete it when nobody is; the next `walg-wrap retain` finds the rest by its age.")
                .source(e)
        })?;
        Ok(Some(intent))
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

    /// Whether the object goes with it.
    pub fn covers(&self, object: &Object) -> bool {
        match object {
            Object::Wal { file, .. } => file.number().is_some_and(|number| number < self.wal_before),
            other => other.backup().is_some_and(|backup| self.names(backup)),
        }
    }
}

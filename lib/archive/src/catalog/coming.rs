//! Backups that WAL-G makes for a push, and that the push has yet to prove.
//!
//! WAL-G writes the sentinel of its backup by itself, before anybody has read what it wrote. So a push
//! notes first that a backup is coming, and what was listed before. While the note lies there, a backup
//! that isn't among those and whose sentinel has no sums is unproven: the sums of a sentinel are written
//! last, when the backup's WAL was there and all of it was read.

use std::collections::BTreeSet;

use flotilla::{Error, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use super::load::AT_ONCE;
use super::{Backup, Catalog};
use crate::archive::Archive;
use crate::names::{self, BackupName};
use crate::store::Over;

const KEY: &str = "flotilla/coming.json";

/// The longest note that is read, in bytes.
const LONGEST: usize = 16 << 20;

/// The note.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coming {
    /// The shape of this document; 1.
    version: u32,
    /// The push.
    run: String,
    /// Backups that were listed before it, and aren't in doubt.
    before: BTreeSet<String>,
}

impl Coming {
    /// Notes that a backup is coming. What is unproven by then stays so.
    pub async fn note(archive: &Archive, catalog: &Catalog, run: &str) -> Result<()> {
        let readable = catalog.backups.iter().map(|backup| &backup.name);
        let listed = readable.chain(catalog.unreadable.iter().map(|(name, _)| name));
        let before = listed.filter(|name| !catalog.unproven.contains(*name)).map(ToString::to_string).collect();
        let note = Self { version: 1, run: run.to_owned(), before };
        let json = serde_json::to_vec(&note).map_err(|e| Error::internal("a note is not JSON").source(e))?;
        archive.store().put(KEY, json.into(), Over::Replace).await?;
        Ok(())
    }

    /// The note; none where every backup was proven. One that can't be understood says of none that it
    /// was there before.
    pub async fn read(archive: &Archive) -> Result<Option<Self>> {
        match archive.store().get(KEY).await {
            Ok(body) => {
                let bytes = body.collect(LONGEST).await?;
                let note = serde_json::from_slice(&bytes).ok().filter(|note: &Self| note.version == 1);
                Ok(Some(note.unwrap_or_default()))
            }
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the note back, unless something is unproven still.
    pub async fn settle(archive: &Archive) -> Result<()> {
        if Self::read(archive).await?.is_none() || !Catalog::load(archive).await?.unproven.is_empty() {
            return Ok(());
        }
        Ok(archive.store().delete([KEY]).await?)
    }

    /// Those of the backups that are unproven. To be asked after they were listed: whoever sees a sentinel
    /// of WAL-G's sees the note that was there before it.
    pub(super) async fn unproven(archive: &Archive, backups: &[Backup]) -> Result<BTreeSet<BackupName>> {
        let Some(note) = Self::read(archive).await? else { return Ok(BTreeSet::new()) };
        let names = backups.iter().map(|backup| backup.name.clone());
        let new: Vec<BackupName> = names.filter(|name| !note.before.contains(name.as_str())).collect();
        let looked = stream::iter(new).map(|name| async move {
            match archive.store().head(&names::sidecar(&names::sentinel(&name))).await {
                Ok(_) => Ok(None),
                Err(error) if error.is_absent() => Ok(Some(name)),
                Err(error) => Err(Error::from(error)),
            }
        });
        let found: Vec<Option<BackupName>> = looked.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}

//! What must be true of a backup that is about to exist: nobody deletes it, or what it stands on.

use std::collections::BTreeSet;

use flotilla::{Error, Result};
use futures_util::TryStreamExt as _;

use super::Intent;
use crate::archive::Archive;
use crate::names::{self, BackupName};
use crate::store::{Entry, Listing};

/// Refuses a backup whose parts, or whose parent, are gone or about to go. For whoever has written all of
/// it but its sentinel: see [`crate::retention`].
///
/// The note is read first: where there is none, either its writer will find this backup's parts, or
/// everything that it named is gone by now.
pub async fn check_footing(
    archive: &Archive,
    name: &BackupName,
    parent: Option<&BackupName>,
    parts: &[String],
) -> Result<()> {
    let refused = |what: String| {
        Error::new(flotilla::Code::StateMoved, what)
            .hint("Nothing is listed of this backup. Take it again; with --type full it stands on no other.")
    };
    if let Some(intent) = Intent::read(archive).await? {
        if intent.names(name) {
            return Err(refused(format!("{name} was taken for one that was never finished, and is being deleted")));
        }
        if let Some(parent) = parent.filter(|parent| intent.names(parent)) {
            return Err(refused(format!("{parent}, on which this backup stands, is being deleted")));
        }
    }
    if let Some(parent) = parent {
        match archive.store().head(&names::sentinel(parent)).await {
            Ok(_) => {}
            Err(error) if error.is_absent() => {
                return Err(refused(format!("{parent}, on which this backup stands, is gone")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let entries = archive.store().list(Listing::of(names::part(name, "")));
    let there: BTreeSet<String> = entries.map_ok(|entry: Entry| entry.key().to_owned()).try_collect().await?;
    match parts.iter().map(|part| names::part(name, part)).find(|part| !there.contains(part)) {
        Some(part) => Err(refused(format!("\"{part}\" is gone"))),
        None => Ok(()),
    }
}

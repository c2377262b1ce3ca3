//! What must be true of a backup that is about to exist: nobody deletes it, or what it stands on.

use std::collections::BTreeSet;

use flotilla::{Error, Result};
use futures_util::TryStreamExt as _;

use super::Intent;
use crate::archive::Archive;
use crate::names::{self, BackupName, DumpName};
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
        refused(what, "Nothing is listed of this backup. Take it again; with --type full it stands on no other.")
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
    let parts: Vec<String> = parts.iter().map(|part| names::part(name, part)).collect();
    match gone(archive, names::part(name, ""), &parts).await? {
        Some(part) => Err(refused(format!("\"{part}\" is gone"))),
        None => Ok(()),
    }
}

/// The same for a logical dump of which all is written but its document.
pub async fn check_dump_footing(archive: &Archive, name: &DumpName, objects: &[String]) -> Result<()> {
    let refused = |what: String| refused(what, "Nothing is listed of this dump. Take it again.");
    if Intent::read(archive).await?.is_some_and(|intent| intent.names_dump(name)) {
        return Err(refused(format!("dump {name} was taken for one that was never finished, and is being deleted")));
    }
    match gone(archive, name.prefix(), objects).await? {
        Some(object) => Err(refused(format!("\"{object}\" is gone"))),
        None => Ok(()),
    }
}

/// The first of these that isn't below the prefix.
async fn gone<'k>(archive: &Archive, prefix: String, keys: &'k [String]) -> Result<Option<&'k String>> {
    let entries = archive.store().list(Listing::of(prefix));
    let there: BTreeSet<String> = entries.map_ok(|entry: Entry| entry.key().to_owned()).try_collect().await?;
    Ok(keys.iter().find(|key| !there.contains(*key)))
}

fn refused(what: String, hint: &str) -> Error {
    Error::new(flotilla::Code::StateMoved, what).hint(hint)
}

//! Whether everything of a backup is there, as listings, its list of files and the sums beside its parts say.
//! Contents are `verify`'s.

use std::collections::BTreeSet;

use flotilla::{Code, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Backup;
use super::load::AT_ONCE;
use crate::Corrupt;
use crate::archive::Archive;
use crate::documents::{FileEntry, Visit, read_files};
use crate::names::{self, Object};
use crate::objects::Objects;

impl Backup {
    /// What a restore would miss of it: a part that isn't there, or hasn't the size that was written.
    pub async fn lacks(&self, archive: &Archive) -> Result<Option<String>> {
        let size = archive.segment_size().await?;
        let objects = Objects::of_one(archive, &self.name).await?.sized(size);
        match lack(archive, &objects, self).await? {
            None => resized(archive, &objects, self).await,
            lack => Ok(lack),
        }
    }
}

/// What of the backup isn't among these objects.
pub(crate) async fn lack(archive: &Archive, objects: &Objects, backup: &Backup) -> Result<Option<String>> {
    let mut parts = BTreeSet::new();
    for (key, facts) in objects.of_backup(&backup.name) {
        if let Object::Part { name, .. } = objects.of(&key) {
            if facts.size == 0 {
                return Ok(Some(format!("\"{key}\" is empty")));
            }
            parts.insert(name);
        }
    }
    // A part whose sums are there was written.
    let mut written = objects.parts_sums(&backup.name).filter_map(|(key, _)| names::sidecar_of(&key));
    if let Some(part) = written.find(|part| !objects.has(part)) {
        return Ok(Some(format!("\"{part}\" isn't there any more")));
    }
    if !parts.iter().any(|name| name.starts_with("pg_control.tar")) {
        return Ok(Some("it has no part with pg_control".to_owned()));
    }
    if parts.len() < 2 {
        return Ok(Some("it has no part but that with pg_control".to_owned()));
    }
    if !backup.sentinel.has_files_metadata() {
        return Ok(None);
    }
    let key = names::files_metadata(&backup.name);
    let mut listed = Listed(BTreeSet::new());
    let read = archive.read_document(&key, move |document| read_files(document, &mut listed).map(|()| listed));
    match read.await {
        Ok((_, listed)) => {
            let lost = listed.0.difference(&parts).next();
            Ok(lost.map(|part| format!("part \"{part}\", which its list of files names, isn't there")))
        }
        Err(error) if matches!(error.code(), Code::NotFound | Code::Mismatch) => {
            Ok(Some(format!("its list of files can't be read: {}", error.message())))
        }
        Err(error) => Err(error),
    }
}

/// A part that hasn't the size that its sums say.
async fn resized(archive: &Archive, objects: &Objects, backup: &Backup) -> Result<Option<String>> {
    let is_part = |key: &str| matches!(objects.of(key), Object::Part { .. });
    let parts = objects.of_backup(&backup.name).filter(|(key, _)| is_part(key) && objects.has(&names::sidecar(key)));
    let summed: Vec<(String, u64)> = parts.map(|(key, facts)| (key, facts.size)).collect();
    let compared = stream::iter(summed).map(|(key, size)| async move {
        let written = archive.sums(&key).await?.map(|sums| sums.bytes);
        let other = written.filter(|written| *written != size);
        let said = |written| format!("\"{key}\" has {size} bytes, and {written} were written");
        Ok::<_, flotilla::Error>(other.map(said))
    });
    let found: Vec<Option<String>> = compared.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().min())
}

/// The parts that a list of files names.
struct Listed(BTreeSet<String>);

impl Visit for Listed {
    fn file(&mut self, _: String, _: FileEntry) -> std::result::Result<(), Corrupt> {
        Ok(())
    }

    fn member(&mut self, part: &str, _: String) -> std::result::Result<(), Corrupt> {
        if !self.0.contains(part) {
            self.0.insert(part.to_owned());
        }
        Ok(())
    }
}

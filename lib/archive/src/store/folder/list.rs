//! Listing files as S3 lists objects: by the bytes of whole names, and without empty folders.

use std::fs;
use std::io;
use std::path::Path;

use futures_util::stream;

use super::{Folder, WORKSHOP, blocking, described};
use crate::store::{Entries, Entry, Listing, Result, key};

/// As many entries as come at once.
const PAGE: usize = 1000;

/// A walk through the folders.
struct Walk {
    folder: Folder,
    base: String,
    listing: Listing,
    /// What is yet to be visited, the next one last. Folders end in a slash.
    todo: Vec<String>,
    page: std::vec::IntoIter<Entry>,
}

pub(super) fn entries(folder: Folder, base: &str, listing: Listing) -> Entries {
    // The folder that all names of the listing lie in.
    let first = listing.prefix.rfind('/').map_or(String::new(), |slash| listing.prefix[..=slash].to_owned());
    let walk = Walk { folder, base: base.to_owned(), listing, todo: vec![first], page: Vec::new().into_iter() };
    Box::pin(stream::try_unfold(walk, |mut walk| async move {
        loop {
            if let Some(entry) = walk.page.next() {
                return Ok(Some((entry, walk)));
            }
            if walk.todo.is_empty() {
                return Ok(None);
            }
            walk = blocking(move || {
                walk.page = walk.turn()?.into_iter();
                Ok(walk)
            })
            .await?;
        }
    }))
}

impl Walk {
    /// The next entries; none at the end.
    fn turn(&mut self) -> Result<Vec<Entry>> {
        let mut page = Vec::new();
        while page.len() < PAGE {
            let Some(next) = self.todo.pop() else { break };
            let first = next.is_empty() || (next.ends_with('/') && self.listing.prefix.starts_with(&next));
            let place = self.place(&next);
            if first || (next.ends_with('/') && !self.listing.flat) {
                // The greatest first, so that the least is taken from the end.
                let mut below = self.names(&next, &place)?;
                below.sort_unstable_by(|one, other| other.cmp(one));
                self.todo.append(&mut below);
            } else if next.ends_with('/') {
                if holds_objects(&place).map_err(|e| self.folder.failed("list", &next, e))? {
                    page.push(Entry::Folder(next));
                }
            } else {
                match fs::metadata(&place) {
                    Ok(meta) => page.extend(described(&next, &meta).map(Entry::Object)),
                    // Deleted since its name was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(self.folder.failed("list", &next, error)),
                }
            }
        }
        Ok(page)
    }

    fn place(&self, name: &str) -> std::path::PathBuf {
        self.folder.path(&key::join(&self.base, name))
    }

    /// The names below a folder that the listing is about.
    fn names(&self, folder: &str, place: &Path) -> Result<Vec<String>> {
        let failed = |error: io::Error| self.folder.failed("list", folder, error);
        let listed = match fs::read_dir(place) {
            Ok(listed) => listed,
            // No such folder: nothing in it. But the store itself must be there.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
                    && self.folder.root.is_dir() =>
            {
                return Ok(Vec::new());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(crate::store::StoreError::new(
                    crate::store::Class::Other,
                    format!("the store's folder {} is gone", self.folder.root.display()),
                ));
            }
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in listed {
            let entry = entry.map_err(failed)?;
            // What isn't UTF-8 was not written by us, and can't be named.
            let Some(own) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if own == WORKSHOP && place == self.folder.root {
                continue;
            }
            let slash = if entry.file_type().map_err(failed)?.is_dir() { "/" } else { "" };
            let name = format!("{folder}{own}{slash}");
            let prefix = &self.listing.prefix;
            let wanted = name.starts_with(prefix.as_str());
            let late = self.listing.after.as_ref().is_none_or(|after| {
                // Of a folder, whatever in it may come later.
                name > *after || (!slash.is_empty() && after.starts_with(&name) && !self.listing.flat)
            });
            if wanted && late {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Whether there is any file below.
fn holds_objects(folder: &Path) -> io::Result<bool> {
    for entry in walkdir::WalkDir::new(folder).min_depth(1) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => return Ok(true),
            Ok(_) => {}
            Err(error) if error.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

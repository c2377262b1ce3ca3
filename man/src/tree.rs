//! The generated files as a whole: written where they differ, or compared.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Files by path, relative to the checkout, in the order of their paths.
pub(crate) struct Tree {
    root: PathBuf,
    /// The folder that holds generated files alone: what isn't generated any more is stale there.
    own: String,
    files: BTreeMap<String, String>,
}

impl Tree {
    pub(crate) fn new(root: &Path, own: &str) -> Self {
        Self { root: root.to_owned(), own: own.to_owned(), files: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, path: impl Into<String>, text: String) {
        self.files.insert(path.into(), text);
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Writes what differs and removes what is left over; says how many files that were.
    pub(crate) fn write(&self) -> Result<usize> {
        let stale = self.stale()?;
        for path in &stale {
            let full = self.root.join(path);
            match self.files.get(path) {
                Some(text) => {
                    let folder = full.parent().unwrap_or(&self.root);
                    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
                    fs::write(&full, text).with_context(|| format!("writing {path}"))?;
                }
                None => fs::remove_file(&full).with_context(|| format!("removing {path}"))?,
            }
        }
        Ok(stale.len())
    }

    /// The files that differ from what they should be, are missing, or are left over.
    pub(crate) fn stale(&self) -> Result<Vec<String>> {
        let mut stale = Vec::new();
        for (path, text) in &self.files {
            match fs::read(self.root.join(path)) {
                Ok(found) if found == text.as_bytes() => {}
                Ok(_) => stale.push(path.clone()),
                Err(e) if e.kind() == io::ErrorKind::NotFound => stale.push(path.clone()),
                Err(e) => return Err(e).with_context(|| format!("reading {path}")),
            }
        }
        let mut present = Vec::new();
        list(&self.root, &self.own, &mut present)?;
        stale.extend(present.into_iter().filter(|path| !self.files.contains_key(path)));
        stale.sort();
        Ok(stale)
    }
}

/// Every file below a folder; a folder that doesn't exist has none.
fn list(root: &Path, folder: &str, found: &mut Vec<String>) -> Result<()> {
    let entries = match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).with_context(|| format!("listing {folder}")),
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("listing {folder}"))?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().with_context(|| format!("looking at {path}"))?.is_dir() {
            list(root, &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Tree;

    #[test]
    fn stale_is_what_differs_is_missing_or_left_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut tree = Tree::new(dir.path(), "out");
        tree.add("out/a", "a".to_owned());
        tree.add("out/deep/b", "b".to_owned());
        assert_eq!(tree.stale().expect("compared"), ["out/a", "out/deep/b"]);
        assert_eq!(tree.write().expect("written"), 2);
        assert_eq!(tree.write().expect("written"), 0);
        fs::write(dir.path().join("out/a"), "x").expect("changed");
        fs::write(dir.path().join("out/old"), "x").expect("added");
        assert_eq!(tree.stale().expect("compared"), ["out/a", "out/old"]);
        tree.write().expect("written");
        assert!(tree.stale().expect("compared").is_empty());
        assert!(!dir.path().join("out/old").exists());
    }
}

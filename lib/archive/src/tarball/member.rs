//! What is in a tar.

use std::path::{Component, Path, PathBuf};

use crate::Corrupt;

/// A folder or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Directory,
    /// A file.
    File,
}

/// A member of a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, as it stands in the tar and in `files_metadata.json`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The length of its content; 0 of a folder.
    pub size: u64,
    /// Permissions.
    pub mode: u32,
    /// The owner.
    pub uid: u64,
    /// The group.
    pub gid: u64,
    /// When it was last changed, seconds from 1970 on.
    pub mtime: u64,
}

/// The path of a member below the folder to which it is restored; empty of `/` itself. A name that
/// would lead elsewhere is refused, not bent.
pub fn relative(name: &str) -> Result<PathBuf, Corrupt> {
    let inner = name.strip_prefix('/').unwrap_or(name);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let parts_are_plain = inner.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let plain = inner.is_empty() && name == "/" || parts_are_plain && !inner.contains('\0');
    let path = Path::new(inner);
    if !plain || !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(Corrupt::new(format!("a member called {name:?} leads out of the folder")));
    }
    Ok(path.to_owned())
}

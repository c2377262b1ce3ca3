//! Where members are restored to: the data directory, and a folder for each tablespace.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid};

use super::relative;
use crate::Corrupt;

/// Open folders below which everything is made. No link is followed below them, so that nothing that
/// lies there, and no name in a tar, leads anywhere else.
#[derive(Debug)]
pub struct Roots {
    data: OwnedFd,
    tablespaces: BTreeMap<String, OwnedFd>,
    owner: Option<(u32, u32)>,
}

impl Roots {
    /// Opens the data directory, and the folder of each tablespace by its OID.
    pub fn open(data: &Path, tablespaces: &BTreeMap<String, PathBuf>) -> io::Result<Self> {
        let open = |path: &Path| Ok::<_, io::Error>(OwnedFd::from(File::open(path)?));
        let tablespaces = tablespaces.iter().map(|(oid, path)| Ok((oid.clone(), open(path)?)));
        Ok(Self { data: open(data)?, tablespaces: tablespaces.collect::<io::Result<_>>()?, owner: None })
    }

    /// Gives what is made to this user and group.
    #[must_use]
    pub fn owned_by(mut self, uid: u32, gid: u32) -> Self {
        self.owner = Some((uid, gid));
        self
    }

    /// The folder below which a member lies, and its path there. What is in a tablespace without a
    /// folder of its own is refused.
    fn place(&self, name: &str) -> io::Result<(BorrowedFd<'_>, PathBuf)> {
        let path = relative(name)?;
        let Ok(inner) = path.strip_prefix("pg_tblspc") else { return Ok((self.data.as_fd(), path)) };
        let mut parts = inner.components();
        let Some(oid) = parts.next() else { return Ok((self.data.as_fd(), path)) };
        let root = oid.as_os_str().to_str().and_then(|oid| self.tablespaces.get(oid));
        let root = root.ok_or_else(|| Corrupt::new(format!("{name:?} is in a tablespace that has no folder")))?;
        Ok((root.as_fd(), parts.as_path().to_owned()))
    }

    /// Makes a folder of the member's name, and those above it; one that is there gets the mode.
    pub fn directory(&self, name: &str, mode: u32) -> io::Result<()> {
        let (root, path) = self.place(name)?;
        let Some(last) = path.file_name() else { return Ok(()) };
        let mode = Mode::from_raw_mode(mode & 0o777);
        let parent = self.parent(root, &path)?;
        match rustix::fs::mkdirat(&parent, last, mode) {
            Ok(()) => self.own_at(&parent, last),
            Err(rustix::io::Errno::EXIST) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                Ok(rustix::fs::fchmod(beneath(root, &path, flags, Mode::empty())?, mode)?)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes an empty file of the member's name, which must not be there, and the folders above it.
    pub fn create(&self, name: &str, mode: u32) -> io::Result<File> {
        let (root, path) = self.place(name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let make = || beneath(root, &path, flags, Mode::from_raw_mode(mode & 0o777));
        let file = match make() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.parent(root, &path)?;
                make()?
            }
            opened => opened?,
        };
        if let Some((uid, gid)) = self.owner {
            rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        Ok(File::from(file))
    }

    /// The folder in which it lies, made where it is missing: a file's may come in another part.
    fn parent(&self, root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let open = || beneath(root, parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        match (open(), parent.file_name()) {
            (Err(error), Some(last)) if error.kind() == io::ErrorKind::NotFound => {
                let above = self.parent(root, parent)?;
                match rustix::fs::mkdirat(&above, last, Mode::RWXU) {
                    Ok(()) => self.own_at(&above, last)?,
                    // Another part's thread was faster.
                    Err(rustix::io::Errno::EXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
                open()
            }
            (opened, _) => opened,
        }
    }

    fn own_at(&self, folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
        let Some((uid, gid)) = self.owner else { return Ok(()) };
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        Ok(rustix::fs::chownat(folder, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Opens the file of the member's name, which must be there, to be read and written.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        let (root, path) = self.place(name)?;
        beneath(root, &path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map(File::from)
    }
}

fn beneath(root: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(root, path, flags, mode, resolve)?)
}

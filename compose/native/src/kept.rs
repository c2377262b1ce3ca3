//! Folders of the cache that are made once and only copied afterwards.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, lchown};
use std::path::{Path, PathBuf};

use flotilla::{Code, Error, Result};
use walkdir::{DirEntry, WalkDir};

/// Zeros are looked for in pieces of so many bytes.
const PIECE: usize = 32 << 10;

/// Makes a folder that isn't there yet: `make` makes one at the path that it is given, beside the folder's, and that is
/// renamed, so that a half-made one is never found. Several processes may come here at once: one makes it, the others
/// wait.
pub fn folder(folder: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let around = folder.parent().unwrap_or(folder);
    fs::create_dir_all(around).map_err(|source| failed(around, source))?;
    let lock = around.join("lock");
    let held = File::options().create(true).append(true).open(&lock).map_err(|source| failed(&lock, source))?;
    held.lock().map_err(|source| failed(&lock, source))?;
    if folder.is_dir() {
        return Ok(());
    }
    let mut half = folder.as_os_str().to_owned();
    half.push(".half");
    let half = PathBuf::from(half);
    if half.exists() {
        fs::remove_dir_all(&half).map_err(|source| failed(&half, source))?;
    }
    make(&half)?;
    fs::rename(&half, folder).map_err(|source| failed(folder, source))
}

/// Removes the folders beside this one whose names begin so, with which it was kept before.
pub fn remove_others(folder: &Path, prefix: &str) -> Result<()> {
    for entry in fs::read_dir(folder.parent().unwrap_or(folder)).into_iter().flatten().flatten() {
        let is_other = entry.path() != folder && entry.file_name().to_string_lossy().starts_with(prefix);
        if is_other && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            fs::remove_dir_all(entry.path()).map_err(|source| failed(&entry.path(), source))?;
        }
    }
    Ok(())
}

/// Copies a folder with owners and modes. What is zeros takes no room, which is half of a new database server. Tests do
/// this at every start, and `cp`, which looks for times, attributes and ways to share blocks, takes twice as long.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut buffer = vec![0; PIECE * 32];
    for entry in WalkDir::new(from) {
        let entry = entry.map_err(|e| failed(from, e.into()))?;
        let place = entry.path().strip_prefix(from).map_or_else(|_| to.to_owned(), |below| to.join(below));
        copy_one(&entry, &place, &mut buffer).map_err(|source| failed(&place, source))?;
    }
    Ok(())
}

fn copy_one(entry: &DirEntry, to: &Path, buffer: &mut [u8]) -> io::Result<()> {
    let metadata = entry.metadata()?;
    if metadata.is_dir() {
        fs::create_dir(to)?;
    } else if metadata.is_file() {
        let from = File::open(entry.path())?;
        copy_content(from, &File::options().write(true).create_new(true).mode(0o600).open(to)?, buffer)?;
    } else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "it is neither a file nor a folder"));
    }
    lchown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    fs::set_permissions(to, metadata.permissions())
}

fn copy_content(mut from: File, to: &File, buffer: &mut [u8]) -> io::Result<()> {
    static ZEROS: [u8; PIECE] = [0; PIECE];
    let (mut at, mut written) = (0, 0);
    loop {
        let read = from.read(buffer)?;
        for piece in buffer[..read].chunks(PIECE) {
            if *piece != ZEROS[..piece.len()] {
                to.write_all_at(piece, at)?;
                written = at + piece.len() as u64;
            }
            at += piece.len() as u64;
        }
        if read == 0 {
            return if written == at { Ok(()) } else { to.set_len(at) };
        }
    }
}

/// That something could not be made.
pub(crate) fn failed(path: &Path, source: io::Error) -> Error {
    Error::new(Code::Io, format!("could not make {}", path.display())).source(source)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::{PIECE, copy};

    #[test]
    fn a_copy_is_what_it_was_copied_from_and_zeros_take_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("below/empty")).unwrap();
        let zeros = |pieces: usize| vec![0; pieces * PIECE];
        let contents = [
            vec![],
            vec![7; 5],
            zeros(3),
            [vec![1], zeros(40), vec![2; 3]].concat(),
            [vec![3; PIECE], zeros(2)].concat(),
        ];
        for (number, content) in contents.iter().enumerate() {
            let path = from.join(format!("below/{number}"));
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        }
        copy(&from, &to).unwrap();
        for (number, content) in contents.iter().enumerate() {
            let path = to.join(format!("below/{number}"));
            assert_eq!(fs::read(&path).unwrap(), *content);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        }
        assert_eq!(fs::metadata(to.join("below/2")).unwrap().blocks(), 0);
        assert!(to.join("below/empty").is_dir());
        copy(&from, &to).unwrap_err();
    }
}

//! The files of other programs: replaced whole, with owner and mode kept, the last good one aside.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use flotilla::{Code, Error, Result};

/// A file that a running program reads.
#[derive(Clone, Debug)]
pub(crate) struct Managed {
    /// The file itself, whatever links lead to it.
    pub(crate) path: PathBuf,
    /// What it holds.
    pub(crate) text: String,
    /// The last one that was seen to work, when a run was cut off before it knew whether the new one does.
    pub(crate) previous: Option<String>,
}

impl Managed {
    /// Looks at a file that must be there.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let broken = |source: io::Error| {
            Error::refused(format!("could not read {}; nothing was touched", path.display()))
                .hint("The file must be there: run this on the machine where the program runs, as who may write it.")
                .source(source)
        };
        let path = fs::canonicalize(path).map_err(broken)?;
        let text = fs::read_to_string(&path).map_err(broken)?;
        let previous = match fs::read_to_string(aside(&path)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(broken(error)),
        };
        Ok(Self { path, text, previous })
    }

    /// What is known to have worked.
    pub(crate) fn good(&self) -> &str {
        self.previous.as_deref().unwrap_or(&self.text)
    }

    /// Keeps what is known to have worked until the new text is seen to work.
    pub(crate) fn save(&self) -> Result<()> {
        if self.previous.is_some() { Ok(()) } else { replace(&self.path, &aside(&self.path), &self.text) }
    }

    /// Puts a text in place: the old file or the new one, never a part.
    pub(crate) fn put(&self, text: &str) -> Result<()> {
        replace(&self.path, &self.path, text)
    }

    /// The text is seen to work: what was kept isn't needed any more.
    pub(crate) fn settle(&self) -> Result<()> {
        let aside = aside(&self.path);
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritten(&aside, error)),
            _ => sync_folder(&aside),
        }
    }
}

/// Where the last good one is kept.
fn aside(path: &Path) -> PathBuf {
    with_suffix(path, ".previous")
}

/// A path beside another one.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Writes a file whole, belonging to whom and open to whom its model is.
pub(crate) fn replace(model: &Path, path: &Path, text: &str) -> Result<()> {
    let new = with_suffix(path, ".new");
    write(model, &new, text).and_then(|()| fs::rename(&new, path)).map_err(|source| {
        let _ = fs::remove_file(&new);
        unwritten(path, source)
    })?;
    sync_folder(path)
}

fn write(model: &Path, path: &Path, text: &str) -> io::Result<()> {
    let meta = fs::metadata(model)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(meta.mode() & 0o777).open(path)?;
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me || meta.gid() != rustix::process::getegid().as_raw() {
        chown(path, Some(meta.uid()), Some(meta.gid()))?;
    }
    // Past the umask.
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(meta.mode() & 0o777))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| unwritten(path, source))
}

fn unwritten(path: &Path, source: io::Error) -> Error {
    Error::new(Code::Io, format!("could not write {}", path.display())).source(source)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_its_last_good_text() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.ini");
        fs::write(&path, "old").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");
        let file = Managed::read(&path).expect("it is there");
        file.save().and_then(|()| file.put("new")).expect("it is written");
        let cut_off = Managed::read(&path).expect("it is there");
        assert_eq!((&*cut_off.text, cut_off.good()), ("new", "old"));
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o777, 0o640);
        cut_off.settle().expect("it is settled");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}

//! Finding the file, and refusing one that somebody else could have written.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::env;
use crate::error::{Error, Result};

/// Larger files are not configuration, in bytes.
const SIZE_LIMIT: u64 = 16 << 20;

/// The given file, or the first that exists in the usual places.
pub(super) fn find(given: Option<&Path>) -> Result<PathBuf> {
    find_if_any(given).ok_or_else(|| {
        let tried = places().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        Error::config("no topology file was found")
            .hint(format!("Give --config FILE or set FLOTILLA_CONFIG. Looked for: {tried}."))
    })
}

/// The same for whoever can do without: none where none was given and none is there.
pub(super) fn find_if_any(given: Option<&Path>) -> Option<PathBuf> {
    given.map(Path::to_owned).or_else(|| places().find(|p| p.exists()))
}

fn places() -> impl Iterator<Item = PathBuf> {
    let user = env::path("XDG_CONFIG_HOME").or_else(|| env::path("HOME").map(|h| h.join(".config")));
    user.into_iter().chain([PathBuf::from("/etc")]).map(|d| d.join("flotilla/flotilla.toml"))
}

/// Reads the file, when only its owner or root could have written it.
pub(super) fn read(path: &Path) -> Result<String> {
    let broken = |e: std::io::Error| {
        Error::config(format!("could not read {}", path.display())).source(e).hint("Is the path right, and readable?")
    };
    let mut file = File::open(path).map_err(broken)?;
    let meta = file.metadata().map_err(broken)?;
    if !meta.is_file() {
        return Err(Error::config(format!("{} is not a regular file", path.display())).hint("Give the file itself."));
    }
    let user = rustix::process::geteuid().as_raw();
    if meta.uid() != 0 && meta.uid() != user {
        return Err(Error::config(format!("{} belongs to another user", path.display()))
            .hint("It must belong to you or to root: whoever may write it decides which servers are touched."));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(Error::config(format!("{} may be written by others", path.display()))
            .hint(format!("chmod go-w {}", path.display())));
    }
    if meta.len() > SIZE_LIMIT {
        return Err(Error::config(format!("{} is larger than {SIZE_LIMIT} bytes", path.display()))
            .hint("Is this the topology file?"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(broken)?;
    Ok(text)
}

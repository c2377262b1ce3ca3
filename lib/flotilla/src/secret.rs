//! Secrets in files that others may not read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use secrecy::SecretString;

use crate::error::{Error, Result};

/// Reads a secret from a file that only its owner and its group may read; blanks around it don't count. `what` it
/// is, for messages.
pub fn from_file(path: &Path, what: &str) -> Result<SecretString> {
    let at = path.display();
    let unreadable = |e| Error::config(format!("could not read the {what} file {at}")).source(e);
    if fs::metadata(path).map_err(unreadable)?.mode() & 0o027 != 0 {
        return Err(Error::config(format!("the {what} file {at} may be read or changed by others"))
            .hint(format!("Run \"chmod g-w,o-rwx {at}\".")));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    Ok(SecretString::from(text.trim().to_owned()))
}

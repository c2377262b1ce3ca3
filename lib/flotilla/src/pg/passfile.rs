//! The password file (`~/.pgpass`, `PGPASSFILE`): lines of `host:port:dbname:user:password`.
//!
//! The first line that matches wins; `*` matches everything, `\` takes the next character as it
//! is. libpq warns about a file that others may read and goes on without it, which then shows up as
//! a wrong password; here such a file is an error of its own.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::endpoint::DEFAULT_SOCKET_DIR;
use crate::error::{Error, Result};

/// What a line is looked up by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) dbname: &'a str,
    pub(super) user: &'a str,
}

impl Lookup<'_> {
    /// The host as the file names it: the default socket directory goes by `localhost`.
    fn host(&self) -> &str {
        if self.host.is_empty() || self.host == DEFAULT_SOCKET_DIR { "localhost" } else { self.host }
    }

    /// The line that would match, for hints.
    pub(super) fn line(&self) -> String {
        let escape = |s: &str| s.replace('\\', r"\\").replace(':', r"\:");
        format!("{}:{}:{}:{}:PASSWORD", escape(self.host()), self.port, escape(self.dbname), escape(self.user))
    }
}

/// The password in this file for this login; `None` when there is no such file or line.
pub(super) fn find(path: &Path, lookup: Lookup<'_>) -> Result<Option<SecretString>> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(Error::config(format!("could not read password file \"{}\"", path.display())).source(e)),
    };
    if !meta.is_file() {
        // /dev/null is the usual way to say "no password file".
        return match meta.file_type() {
            kind if std::os::unix::fs::FileTypeExt::is_char_device(&kind) => Ok(None),
            _ => Err(Error::config(format!("password file \"{}\" is not a plain file", path.display()))),
        };
    }
    if meta.mode() & 0o077 != 0 {
        return Err(Error::config(format!("password file \"{}\" has group or world access", path.display()))
            .hint(format!("Run \"chmod 600 {}\".", path.display())));
    }
    let text = fs::read(path)
        .map_err(|e| Error::config(format!("could not read password file \"{}\"", path.display())).source(e))?;
    let text = SecretString::from(
        String::from_utf8(text)
            .map_err(|_| Error::config(format!("password file \"{}\" isn't UTF-8", path.display())))?,
    );
    Ok(search(text.expose_secret(), lookup))
}

/// The password that the first matching line holds.
pub(super) fn search(text: &str, lookup: Lookup<'_>) -> Option<SecretString> {
    let port = lookup.port.to_string();
    text.split('\n').map(|line| line.trim_end_matches('\r')).filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for token in [lookup.host(), &port, lookup.dbname, lookup.user] {
            rest = field(rest, token)?;
        }
        Some(password(rest).into())
    })
}

/// Matches one field of a line; returns what follows its colon.
fn field<'a>(text: &'a str, token: &str) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix("*:") {
        return Some(rest);
    }
    let mut want = token.chars();
    let mut have = text.char_indices();
    while let Some((at, c)) = have.next() {
        let c = match c {
            ':' if want.as_str().is_empty() => return Some(&text[at + 1..]),
            '\\' => have.next()?.1,
            c => c,
        };
        if want.next() != Some(c) {
            return None;
        }
    }
    None
}

/// The password: up to the next colon or the end, with escapes taken out.
fn password(text: &str) -> String {
    let mut password = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => break,
            // A lone backslash at the end is itself.
            '\\' => password.push(chars.next().unwrap_or('\\')),
            c => password.push(c),
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt as _;

    const LOOKUP: Lookup<'_> = Lookup { host: "s0-a", port: 5432, dbname: "app", user: "ad:min" };

    fn found(text: &str) -> Option<String> {
        search(text, LOOKUP).map(|p| p.expose_secret().to_owned())
    }

    #[test]
    fn the_first_matching_line_wins() {
        assert_eq!(found("# c\n*:*:*:other:no\ns0-a:5432:app:ad\\:min:one\n*:*:*:*:two"), Some("one".into()));
        assert_eq!(found("s0-a:5433:app:*:no\r\n*:*:*:*:two\r\n"), Some("two".into()));
        // A colon that the field has to match anyway needs no backslash, as in libpq.
        assert_eq!(found("s0-a:5432:app:ad:min:one"), Some("one".into()));
        assert_eq!(found(""), None);
        assert_eq!(found("s0-a:5432:app"), None);
        assert_eq!(found("s0-a:5432:ap\\"), None);
    }

    #[test]
    fn passwords_are_unescaped_and_end_at_a_colon() {
        assert_eq!(found(r"*:*:*:*:a\:b\\c:d"), Some(r"a:b\c".into()));
        assert_eq!(found(r"*:*:*:*:a\"), Some(r"a\".into()));
        assert_eq!(found("*:*:*:*: lead and trail "), Some(" lead and trail ".into()));
        assert_eq!(found("*:*:*:*:"), Some(String::new()));
    }

    #[test]
    fn the_default_socket_directory_is_localhost() {
        for host in ["", DEFAULT_SOCKET_DIR, "localhost"] {
            let lookup = Lookup { host, ..LOOKUP };
            assert!(search("localhost:5432:app:*:x", lookup).is_some(), "{host}");
        }
        assert!(search("localhost:5432:app:*:x", Lookup { host: "/tmp", ..LOOKUP }).is_none());
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pgpass");
        assert!(find(&path, LOOKUP).unwrap().is_none());
        fs::write(&path, "*:*:*:*:sesame\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = find(&path, LOOKUP).unwrap_err();
        assert!(error.message().ends_with("has group or world access"));
        assert!(!format!("{error:?}").contains("sesame"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(find(&path, LOOKUP).unwrap().unwrap().expose_secret(), "sesame");
        assert!(find(Path::new("/dev/null"), LOOKUP).unwrap().is_none());
        assert!(find(dir.path(), LOOKUP).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s).*", host in ".*") {
            let _ = search(&text, Lookup { host: &host, ..LOOKUP });
        }

        #[test]
        fn a_hinted_line_matches(host in "[^\n\r\0*#]+", user in "[^\n\r\0]+") {
            let lookup = Lookup { host: &host, port: 1, dbname: "d", user: &user };
            let found = search(&lookup.line(), lookup).unwrap();
            prop_assert_eq!(found.expose_secret(), "PASSWORD");
        }
    }
}

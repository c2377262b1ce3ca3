//! What a file amounts to: the keys in force, the databases, the users.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::ini::{At, Ini};
use super::keys::{self, Key};
use crate::version::Version;

/// A file as a release of PgBouncer would take it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The file.
    pub(crate) ini: Ini,
    /// The release.
    pub(crate) version: Version,
    /// The databases, the last of a name.
    pub(crate) databases: Vec<Named>,
    /// The users with settings of their own.
    pub(crate) users: Vec<Named>,
    /// The peers.
    pub(crate) peers: Vec<Named>,
    values: BTreeMap<String, (String, At)>,
}

/// A name with the pairs of its connection string.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// The name.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) at: At,
    pairs: Vec<(String, String)>,
}

impl Named {
    /// A parameter of the connection string.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The same as a number.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(keys::integer)
    }

    /// All of them, but for passwords.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().filter(|(key, _)| key != "password").map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The hosts that it leads to; none where that is this machine's socket.
    pub(crate) fn hosts(&self) -> Vec<&str> {
        self.get("host").map(|hosts| hosts.split(',').map(str::trim).collect()).unwrap_or_default()
    }
}

impl Settings {
    /// What a text amounts to; what it includes is read from the disk.
    pub(crate) fn new(path: &Path, text: &str, version: Version) -> Self {
        let ini = Ini::parse(path, text, &mut |path| {
            fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        });
        let last = ini.sections.iter().rposition(|section| section.name == "pgbouncer");
        let own = ini.entries.iter().filter(|entry| Some(entry.section) == last);
        let values = own.map(|entry| (entry.key.clone(), (entry.value.clone(), entry.at))).collect();
        let named = |section: &str| {
            let mut found: Vec<Named> = Vec::new();
            for entry in ini.entries_in(section) {
                found.retain(|known| known.name != entry.key);
                let pairs = super::ini::pairs(&entry.value).unwrap_or_default();
                found.push(Named { name: entry.key.clone(), at: entry.at, pairs });
            }
            found
        };
        let (databases, users, peers) = (named("databases"), named("users"), named("peers"));
        Self { ini, version, databases, users, peers, values }
    }

    /// What the file says of a key, and where.
    pub(crate) fn set(&self, key: &str) -> Option<(&str, At)> {
        self.values.get(key).map(|(value, at)| (value.as_str(), *at))
    }

    /// What is in force: what the file says, else the release's default.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.set(key).map(|(value, _)| value).or_else(|| Key::find(key).and_then(|known| known.default(self.version)))
    }

    /// The same as a number.
    pub(crate) fn number(&self, key: &str) -> i64 {
        self.get(key).and_then(keys::integer).unwrap_or(0)
    }

    /// The same in seconds.
    pub(crate) fn seconds(&self, key: &str) -> f64 {
        self.get(key).and_then(keys::seconds).unwrap_or(0.0)
    }

    /// Where a key stands, or the section that it is missing from.
    pub(crate) fn at(&self, key: &str) -> At {
        let section = || self.ini.sections.iter().rev().find(|s| s.name == "pgbouncer").map(|s| s.at);
        self.set(key).map(|(_, at)| at).or_else(section).unwrap_or(At { file: 0, line: 1 })
    }

    /// How many processes share its port, where peers say so.
    pub(crate) fn processes(&self) -> i64 {
        if self.number("so_reuseport") == 0 { 1 } else { i64::try_from(self.peers.len()).unwrap_or(1).max(1) }
    }

    /// The mode of a database's pools.
    pub(crate) fn pool_mode<'a>(&'a self, database: &'a Named) -> &'a str {
        database.get("pool_mode").or_else(|| self.get("pool_mode")).unwrap_or("session")
    }

    /// The names in a list, as of administrators.
    pub(crate) fn list(&self, key: &str) -> Vec<&str> {
        let words = self.get(key).unwrap_or_default().split(',').map(str::trim);
        words.filter(|word| !word.is_empty()).collect()
    }

    /// The users in the file of passwords; none where there is no such file or it can't be read.
    pub(crate) fn logins(&self) -> Option<Vec<String>> {
        let path = PathBuf::from(self.get("auth_file").filter(|path| !path.is_empty())?);
        let text = fs::read(path).ok()?;
        Some(logins(&String::from_utf8_lossy(&text)))
    }
}

/// The names in a file of passwords; nothing else of it is kept.
pub(crate) fn logins(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let quoted = line.trim_start().strip_prefix('"')?;
        let mut name = String::new();
        let mut chars = quoted.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '"' && chars.next_if_eq(&'"').is_none() {
                return Some(name);
            }
            name.push(c);
        }
        None
    };
    text.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_begun_anew_starts_from_the_defaults() {
        let text = "[databases]\na = host=x pool_size=3\na = host=y\n[pgbouncer]\npool_mode = transaction\n[pgbouncer]\n\
                    max_client_conn = 77\n";
        let settings = Settings::new(Path::new("p.ini"), text, Version::new(1, 18));
        assert_eq!((settings.get("pool_mode"), settings.number("max_client_conn")), (Some("session"), 77));
        assert_eq!((settings.databases.len(), settings.databases[0].hosts()), (1, vec!["y"]));
    }

    #[test]
    fn a_file_of_passwords_gives_its_names() {
        assert_eq!(logins("; c\n\"app\" \"SCRAM\"\n\"a\"\"b\" \"\"\nbroken\n"), ["app", "a\"b"]);
    }
}

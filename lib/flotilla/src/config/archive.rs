//! Archives: where they lie, and how they are written.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Config, Shard};
use crate::env;
use crate::error::{Error, Result};

/// Archives: how they are written, and where they lie.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// What reads and writes archives.
    pub engine: Engine,
    /// How new objects are compressed.
    pub compression: Compression,
    /// How new objects are encrypted.
    pub encryption: Encryption,
    /// The file with the key, which only its owner and its group may read.
    pub key_file: Option<PathBuf>,
    /// The form in which the key is in its file.
    pub key_transform: KeyTransform,
    /// A name of the key, noted with what it has encrypted.
    pub key_id: Option<String>,
    /// Where a copy of the key is kept, in words.
    pub key_escrow: Option<String>,
    /// How many objects, or parts of one, travel at once.
    pub parallelism: u8,
    /// How many full backups `walg-wrap retain` keeps.
    pub retain_full: Option<u16>,
    /// Of how many days `walg-wrap retain` keeps every moment.
    pub retain_days: Option<u16>,
    /// How many logical dumps `walg-wrap retain` keeps.
    pub retain_dumps: Option<u16>,
    /// Of how many days `walg-wrap retain` keeps logical dumps.
    pub retain_dump_days: Option<u16>,
    /// How many full backups that can be restored stay, whatever else is said.
    pub minimum_redundancy: u16,
    /// The stores, the first one first.
    pub stores: Vec<ArchiveStore>,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            engine: Engine::default(),
            compression: Compression::default(),
            encryption: Encryption::default(),
            key_file: None,
            key_transform: KeyTransform::default(),
            key_id: None,
            key_escrow: None,
            parallelism: 4,
            retain_full: None,
            retain_days: None,
            retain_dumps: None,
            retain_dump_days: None,
            minimum_redundancy: 1,
            stores: Vec::new(),
        }
    }
}

/// What reads and writes archives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// WAL-G where it is on the PATH, else the embedded one.
    #[default]
    Auto,
    /// WAL-G.
    WalG,
    /// The embedded one.
    Embedded,
}

/// How objects are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// LZ4, WAL-G's default.
    #[default]
    Lz4,
    /// Zstandard.
    Zstd,
}

/// How objects are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Not at all.
    None,
    /// As WAL-G does with libsodium.
    #[default]
    Libsodium,
}

/// The form of a key in its file, by WAL-G's names (`WALG_LIBSODIUM_KEY_TRANSFORM`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyTransform {
    /// Text of 25 characters or more, of which the first 32 bytes count.
    #[default]
    None,
    /// 64 hexadecimal digits.
    Hex,
    /// 32 bytes in base64.
    Base64,
}

impl KeyTransform {
    /// WAL-G's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hex => "hex",
            Self::Base64 => "base64",
        }
    }
}

/// One store of archives.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveStore {
    /// Its name.
    pub name: String,
    /// Where it is: `s3://bucket/path` or `file:///path`.
    #[schemars(with = "String")]
    pub url: StoreUrl,
    /// The URL of the S3 service, where it isn't Amazon's.
    #[serde(default, deserialize_with = "endpoint")]
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    #[serde(default)]
    pub region: Option<String>,
    /// Whether the bucket stands in the path of a URL rather than in its host name.
    #[serde(default)]
    pub path_style: bool,
    /// The authority that signed the service's certificate, where the system doesn't know it.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The profile in AWS's shared files.
    #[serde(default)]
    pub profile: Option<String>,
    /// AWS's shared credentials file.
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,
    /// How long a connection may take, in seconds.
    #[serde(default = "connect_timeout")]
    pub connect_timeout_seconds: u64,
    /// How long nothing may arrive before a transfer is cut and taken up again, in seconds.
    #[serde(default = "stall_timeout")]
    pub stall_timeout_seconds: u64,
    /// How long a request is tried again before it has failed, in seconds.
    #[serde(default = "retry")]
    pub retry_seconds: u64,
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A bucket, and the path in it; empty for all of it.
    S3 {
        /// The bucket.
        bucket: String,
        /// The path, without slashes at its ends.
        path: String,
    },
    /// A folder.
    File(PathBuf),
}

impl StoreUrl {
    /// Reads `s3://bucket/path` or `file:///path`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| format!("{text:?} is no URL of a store: use s3://bucket/path or file:///path"))?;
        match scheme {
            "s3" => {
                let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
                let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
                let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
                let bytes = bucket.as_bytes();
                let good = (3..=63).contains(&bytes.len())
                    && bytes.iter().all(|b| inner(*b))
                    && ends(bytes.first())
                    && ends(bytes.last());
                if !good {
                    return Err(format!("{bucket:?} is no name of a bucket: 3 to 63 of a-z, 0-9, - and ."));
                }
                let path = path.strip_suffix('/').unwrap_or(path);
                if !path.is_empty() {
                    check_path(path)?;
                }
                Ok(Self::S3 { bucket: bucket.to_owned(), path: path.to_owned() })
            }
            "file" => {
                let path = rest.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(rest);
                let below = path.strip_prefix('/').filter(|below| !below.is_empty());
                let below =
                    below.ok_or_else(|| format!("{text:?} names no folder: write file:///path, with three slashes"))?;
                check_segments(below)?;
                Ok(Self::File(PathBuf::from(path)))
            }
            _ => Err(format!("{scheme:?} is no scheme of a store: use s3://bucket/path or file:///path")),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, path } if path.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, path } => write!(f, "s3://{bucket}/{path}"),
            Self::File(path) => write!(f, "file://{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Archive {
    /// The store of this name, or the first.
    pub fn store(&self, name: Option<&str>) -> Result<&ArchiveStore> {
        let found = match name {
            None => self.stores.first(),
            Some(name) => self.stores.iter().find(|store| store.name == name),
        };
        found.ok_or_else(|| match name {
            None => Error::config("the topology names no store of archives")
                .hint("Add [[archive.stores]] with name and url; see flotilla.toml(5)."),
            Some(name) => Error::new(crate::Code::NotFound, format!("there is no store \"{name}\" in the topology"))
                .hint(match self.stores.iter().map(|store| store.name.as_str()).collect::<Vec<_>>().join(", ") {
                    names if names.is_empty() => "Add [[archive.stores]] with name and url.".to_owned(),
                    names => format!("There are: {names}."),
                }),
        })
    }

    /// The file with the key: `FLOTILLA_ARCHIVE_KEY_FILE`, else what the topology says.
    pub fn key_path(&self) -> Option<PathBuf> {
        env::path("FLOTILLA_ARCHIVE_KEY_FILE").or_else(|| self.key_file.clone())
    }

    /// The key, without the line's end; none where nothing is encrypted.
    pub fn read_key(&self) -> Result<Option<SecretString>> {
        if self.encryption == Encryption::None {
            return Ok(None);
        }
        let path = self.key_path().ok_or_else(no_key)?;
        check_key_file(&path)?;
        let text = fs::read_to_string(&path).map_err(|source| {
            Error::config(format!("could not read key file \"{}\"", path.display()))
                .hint("Whoever writes or reads archives needs the key.")
                .source(source)
        })?;
        let key = text.strip_suffix('\n').unwrap_or(&text);
        if key.is_empty() {
            return Err(Error::config(format!("key file \"{}\" is empty", path.display())));
        }
        Ok(Some(SecretString::from(key)))
    }

    /// Refuses a key file that others may read. One that isn't there, or can't be looked at, is the
    /// business of whoever needs the key.
    pub(super) fn check_files(&self) -> Result<()> {
        match self.key_path() {
            Some(path) if fs::metadata(&path).is_ok() => check_key_file(&path),
            _ => Ok(()),
        }
    }
}

impl Shard {
    /// The path of the shard's archive below a store's.
    pub fn archive_path(&self) -> &str {
        self.archive_prefix.as_deref().unwrap_or(&self.name)
    }
}

/// Refuses archives that can't be right: above all one that lies in another. WAL-G's retention looks
/// at everything below its prefix, so it would delete the inner one's objects.
pub(super) fn check(config: &Config) -> Result<()> {
    let (archive, at) = (&config.archive, config.path.display());
    let mut names = HashSet::new();
    for store in &archive.stores {
        super::validate::name(&at, "store", &store.name)?;
        if !names.insert(&store.name) {
            return Err(Error::config(format!("{at}: there are two stores \"{}\"", store.name))
                .hint("Give every store a name of its own."));
        }
        let limits = [store.connect_timeout_seconds, store.stall_timeout_seconds, store.retry_seconds];
        if limits.contains(&0) || limits.iter().any(|limit| *limit > 86_400) {
            return Err(Error::config(format!("{at}: store \"{}\" has a limit that can't be kept", store.name))
                .hint("The timeouts and retry_seconds are from 1 to 86400."));
        }
        let remote = store.endpoint.is_some()
            || store.region.is_some()
            || store.path_style
            || store.ca_file.is_some()
            || store.profile.is_some()
            || store.credentials_file.is_some();
        if remote && matches!(store.url, StoreUrl::File(_)) {
            return Err(Error::config(format!("{at}: store \"{}\" is a folder, with keys of S3", store.name))
                .hint("A folder has name, url and the limits only."));
        }
    }
    if !(1..=64).contains(&archive.parallelism) {
        return Err(Error::config(format!("{at}: archive.parallelism is {}", archive.parallelism)).hint("Use 1 to 64."));
    }
    for (key, value) in [
        ("retain_full", archive.retain_full),
        ("retain_days", archive.retain_days),
        ("retain_dumps", archive.retain_dumps),
        ("retain_dump_days", archive.retain_dump_days),
        ("minimum_redundancy", Some(archive.minimum_redundancy)),
    ] {
        if value == Some(0) {
            return Err(Error::config(format!("{at}: archive.{key} is 0")).hint("Use 1 or more."));
        }
    }
    if !archive.stores.is_empty() && archive.encryption == Encryption::Libsodium && archive.key_path().is_none() {
        return Err(no_key().within(at));
    }
    for shard in &config.shards {
        if let Some(prefix) = &shard.archive_prefix {
            check_path(prefix).map_err(|why| {
                Error::config(format!("{at}: archive_prefix of shard \"{}\": {why}", shard.name))
                    .hint("It is a path below the store's, like \"shop/s0\".")
            })?;
        }
    }
    prefixes(config)
}

/// The archives of all shards in all stores: no two the same, none in another.
fn prefixes(config: &Config) -> Result<()> {
    let mut all: Vec<(String, String)> = Vec::new();
    for store in &config.archive.stores {
        let base = match &store.url {
            StoreUrl::S3 { bucket, path } => {
                let service = store.endpoint.as_deref().unwrap_or("amazon").trim_end_matches('/').to_lowercase();
                let slash = if path.is_empty() { "" } else { "/" };
                format!("{service} {bucket}/{path}{slash}")
            }
            StoreUrl::File(path) => format!("{}/", path.display()),
        };
        for shard in &config.shards {
            let what = format!("shard \"{}\" in store \"{}\"", shard.name, store.name);
            all.push((format!("{base}{}/", shard.archive_path()), what));
        }
    }
    // Sorted, whatever lies in another stands right behind it or behind others that do.
    all.sort();
    for pair in all.windows(2) {
        let [(outer, first), (inner, second)] = pair else { continue };
        if inner.starts_with(outer.as_str()) {
            let how = if inner == outer { "are the same" } else { "lie in one another" };
            return Err(Error::config(format!("{}: the archives of {first} and {second} {how}", config.path.display()))
                .hint("Give each archive a prefix of its own, beside the others: what retires old objects in one looks at everything below it."));
        }
    }
    Ok(())
}

/// A path that every store takes, and in which nothing looks like WAL-G's names.
fn check_path(path: &str) -> Result<(), String> {
    check_segments(path)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/=+".contains(&b);
    if path.len() > 256 || !path.bytes().all(plain) {
        return Err(format!("{path:?} is no path: at most 256 of letters, digits and ._-=+"));
    }
    if path.split('/').any(|segment| segment.ends_with("_005")) {
        return Err(format!("{path:?} has a name that WAL-G gives its own folders"));
    }
    // WAL-G takes any such run, in any path, for the name of a WAL file.
    let mut run = 0;
    for byte in path.bytes() {
        run = if byte.is_ascii_hexdigit() { run + 1 } else { 0 };
        if run == 24 {
            return Err(format!("{path:?} has a run of 24 hexadecimal digits, which WAL-G takes for a WAL file"));
        }
    }
    Ok(())
}

fn check_segments(path: &str) -> Result<(), String> {
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) || path.contains('\0') {
        return Err(format!("{path:?} is no plain path"));
    }
    Ok(())
}

fn check_key_file(path: &Path) -> Result<()> {
    let meta = fs::metadata(path).map_err(|source| {
        Error::config(format!("could not look at key file \"{}\"", path.display()))
            .hint("Whoever writes or reads archives needs the key.")
            .source(source)
    })?;
    if !meta.is_file() {
        return Err(Error::config(format!("key file \"{}\" is not a regular file", path.display())));
    }
    // Its group may read it: servers and operators are different accounts, and both need the key.
    if meta.permissions().mode() & 0o037 != 0 {
        return Err(Error::config(format!("key file \"{}\" may be read by others", path.display()))
            .hint(format!("Run \"chmod go-w,o-rwx {}\".", path.display())));
    }
    Ok(())
}

fn no_key() -> Error {
    Error::config("archives are to be encrypted, and archive.key_file is not set")
        .hint("Name the file with the key, or say encryption = \"none\".")
}

/// Refuses an endpoint that can't be one where it stands, so that the error has its line.
fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    if let Some(text) = &text {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let host = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
        if host.is_none_or(|host| host.is_empty() || !host.bytes().all(plain)) {
            return Err(serde::de::Error::custom(format!(
                "{text:?} is no endpoint: use https://host or https://host:port"
            )));
        }
    }
    Ok(text)
}

const fn connect_timeout() -> u64 {
    5
}

const fn stall_timeout() -> u64 {
    20
}

const fn retry() -> u64 {
    120
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_they_are_written() {
        for (text, said) in [
            ("s3://backups/shop", "s3://backups/shop"),
            ("s3://backups/shop/east/", "s3://backups/shop/east"),
            ("s3://backups", "s3://backups"),
            ("s3://backups/", "s3://backups"),
            ("file:///srv/archive/", "file:///srv/archive"),
        ] {
            assert_eq!(StoreUrl::parse(text).map(|url| url.to_string()).as_deref(), Ok(said));
        }
        for text in [
            "backups/shop",
            "gs://backups/shop",
            "s3://",
            "s3:///shop",
            "s3://UPPER/x",
            "s3://b/x",
            "s3://-ab/x",
            "s3://backups//x",
            "s3://backups/../x",
            "s3://backups/wal_005",
            "s3://backups/000000010000000000000001",
            "s3://backups/a b",
            "file://srv/archive",
            "file:///",
            "file:///srv/../etc",
        ] {
            assert!(StoreUrl::parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_a_url_says_is_read_back_the_same(text in "(s3|file)://[a-z0-9./_-]{0,40}") {
            if let Ok(url) = StoreUrl::parse(&text) {
                proptest::prop_assert_eq!(StoreUrl::parse(&url.to_string()), Ok(url));
            }
        }
    }
}

//! The note of a restore point in a shard's archive. A point exists once every shard has its note.

use flotilla::config::Config;
use flotilla::error::{Code, Error, Result};
use flotilla_archive::Archive;
use flotilla_archive::store::{Over, Put};
use flotilla_archive::wal::Lsn;
use serde::{Deserialize, Serialize};

/// The note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    /// The shape of this document; 1.
    pub(crate) version: u32,
    /// The point's name.
    pub(crate) name: String,
    /// The cluster.
    pub(crate) cluster: String,
    /// The shard.
    pub(crate) shard: String,
    /// All shards that have the point.
    pub(crate) shards: Vec<String>,
    /// Where its record begins, as a WAL position.
    pub(crate) lsn: String,
    /// The timeline.
    pub(crate) timeline: u32,
    /// When it was made, UTC.
    pub(crate) made_at: String,
    /// How long writers waited, in milliseconds.
    pub(crate) pause_ms: u64,
    /// The cluster's system identifier.
    pub(crate) system_identifier: String,
    /// The schema's version.
    pub(crate) schema_version: Option<String>,
}

/// The key of a point's note.
pub(crate) fn key(name: &str) -> String {
    format!("{}points/{name}.json", flotilla_archive::names::OWN)
}

/// Whether the archive notes a point of this name.
pub(super) async fn exists(archive: &Archive, name: &str) -> Result<bool> {
    Ok(read(archive, name).await?.is_some())
}

/// A point's note; none where it is proven that there is none.
async fn read(archive: &Archive, name: &str) -> Result<Option<Noted>> {
    // Other names were given on a command line, not made here.
    if super::name::parse(name).is_err() {
        return Ok(None);
    }
    let key = key(name);
    match archive.read_plain(&key).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| {
            Error::new(Code::Mismatch, format!("\"{key}\" can't be understood"))
                .hint("Name the point by its position, with --lsn.")
                .source(e)
        }),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Noted {
    /// Writes it where there is none.
    pub(super) async fn write(&self, archive: &Archive) -> Result<()> {
        let json = serde_json::to_vec(self).map_err(|e| Error::internal("a note is not JSON").source(e))?;
        let system = self.system_identifier.parse().ok();
        match archive.write_plain(&key(&self.name), json.into(), Over::Keep, system).await? {
            Put::Written { .. } => Ok(()),
            Put::Exists => Err(Error::refused(format!("another run has made a restore point \"{}\"", self.name))
                .hint("Make another, under another name.")),
        }
    }
}

/// Where a noted point is on this shard; none where its archive notes none. Refused unless every shard
/// of the point has it: it is a point to which all can go back together, or none.
pub(crate) async fn positions(
    config: &Config,
    archive: &Archive,
    store: Option<&str>,
    name: &str,
) -> Result<Option<Lsn>> {
    let noted = read(archive, name).await?;
    let of_it = |shard: &str| noted.as_ref().is_none_or(|noted| noted.shards.iter().any(|name| name == shard));
    let (mut with, mut without) = (None, None);
    for shard in config.shards.iter().filter(|shard| of_it(&shard.name)) {
        let there = Archive::open(config, shard, store).await?;
        match read(&there, name).await? {
            Some(_) => with = Some(&shard.name),
            None => without = Some(&shard.name),
        }
    }
    // One that is noted nowhere was made by hand.
    if let (Some(_), Some(without)) = (with, without) {
        return Err(Error::refused(format!(
            "restore point \"{name}\" is not noted in the archive of shard \"{without}\"; it was not finished"
        ))
        .hint("Restore another point, or a shard alone to a position with --lsn."));
    }
    let Some(noted) = noted else { return Ok(None) };
    Ok(Some(noted.lsn.parse()?))
}

//! Logical dumps: those that are finished, and what is left of others.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use flotilla::{Code, Result};
use futures_util::TryStreamExt as _;

use crate::archive::Archive;
use crate::documents::Dump;
use crate::names::DumpName;
use crate::store::{Entry, Listing};

/// The logical dumps of an archive.
#[derive(Debug, Default)]
pub struct Dumps {
    /// The finished ones, the oldest first.
    pub finished: Vec<FinishedDump>,
    /// Those with a document that can't be understood, and why.
    pub unreadable: Vec<(DumpName, String)>,
    /// Those without a document: begun and never finished, or being made right now.
    pub unfinished: BTreeSet<DumpName>,
}

/// A finished dump.
#[derive(Clone, Debug)]
pub struct FinishedDump {
    /// Its name.
    pub name: DumpName,
    /// What it is.
    pub dump: Dump,
    /// When its document was written.
    pub written: DateTime<Utc>,
}

impl Dumps {
    /// Reads what the archive holds.
    pub async fn load(archive: &Archive) -> Result<Self> {
        let mut dumps = Self::default();
        let mut folders = archive.store().list(Listing::of(DumpName::folder()).flat());
        while let Some(entry) = folders.try_next().await? {
            let Entry::Folder(key) = entry else { continue };
            let Some(name) = DumpName::of_key(&key) else { continue };
            let document = name.document();
            let meta = match archive.store().head(&document).await {
                Ok(meta) => meta,
                Err(error) if error.is_absent() => {
                    dumps.unfinished.insert(name);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let read = match archive.read_plain(&document).await {
                Ok(bytes) => Dump::parse(&bytes).map_err(|corrupt| corrupt.to_string()),
                Err(error) if matches!(error.code(), Code::NotFound | Code::Mismatch) => {
                    Err(error.message().to_owned())
                }
                Err(error) => return Err(error),
            };
            match read {
                Ok(dump) => dumps.finished.push(FinishedDump { name, dump, written: meta.modified }),
                Err(why) => dumps.unreadable.push((name, why)),
            }
        }
        dumps.finished.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(dumps)
    }
}

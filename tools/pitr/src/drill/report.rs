//! Reports of drills in a shard's archive. Each holds the hash of the one before it, so that none can be
//! changed or left out unnoticed.

use chrono::{DateTime, Utc};
use flotilla::clock::rfc3339;
use flotilla::error::{Error, Result};
use flotilla_archive::digest::Sum;
use flotilla_archive::store::{Listing, Over, Put};
use flotilla_archive::{Archive, names};
use futures_util::TryStreamExt as _;
use serde::Serialize;

use super::DrillRecord;

/// A report.
#[derive(Serialize)]
pub(super) struct Report<'r> {
    /// The shape of this document; 1.
    version: u32,
    /// When it was written, UTC.
    at: String,
    /// What was proved; its own hash is not in it.
    drill: &'r DrillRecord,
}

/// The folder of the reports.
fn folder() -> String {
    format!("{}drills/", names::OWN)
}

impl Report<'_> {
    /// Writes the report behind the last one, and notes its hashes in the record.
    pub(super) async fn write(archive: &Archive, record: &mut DrillRecord, at: DateTime<Utc>) -> Result<()> {
        let mut keys = archive.store().list(Listing::of(folder()));
        let mut last = None;
        // Names are times, so the last one is the newest.
        while let Some(entry) = keys.try_next().await? {
            last = Some(entry.key().to_owned());
        }
        let key = format!("{}{}.json", folder(), DrillRecord::stamp(at));
        if last.as_ref().is_some_and(|last| *last >= key) {
            return Err(Error::refused(format!(
                "the last report of a drill, {}, is of later than now",
                last.unwrap_or_default()
            ))
            .hint("Whose clock is wrong?"));
        }
        record.previous = match &last {
            Some(last) => Some(hash(&archive.read_plain(last).await?)),
            None => None,
        };
        record.object = Some(key.clone());
        let report = Report { version: 1, at: rfc3339(at), drill: record };
        let json = serde_json::to_vec(&report).map_err(|e| Error::internal("a report is not JSON").source(e))?;
        let sum = hash(&json);
        match archive.write_plain(&key, json.into(), Over::Keep, None).await? {
            Put::Written { .. } => record.report = Some(sum),
            Put::Exists => return Err(Error::refused(format!("another drill has written {key}")).hint("Run it again.")),
        }
        Ok(())
    }
}

fn hash(bytes: &[u8]) -> String {
    Sum::of(bytes).to_string()
}

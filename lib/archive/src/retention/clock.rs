//! Times that can't be: with a clock that is wrong, what is old isn't known.

use chrono::{DateTime, TimeDelta, Utc};
use flotilla::clock::rfc3339;
use flotilla::{Error, Result};

use crate::catalog::Catalog;
use crate::names::Object;
use crate::objects::Objects;

/// How far clocks of several machines may be apart.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// Refuses when something in the archive is of a later time than now.
pub(super) fn check(catalog: &Catalog, objects: &Objects, now: DateTime<Utc>) -> Result<()> {
    let written = objects.iter().filter(|(key, _)| !matches!(objects.of(key), Object::Unknown(_)));
    let written = written.map(|(key, facts)| (facts.modified, key));
    let finished = catalog.backups.iter().map(|backup| (backup.finished(), backup.name.to_string()));
    match written.chain(finished).max() {
        Some((latest, what)) if latest > now + SKEW => Err(Error::refused(format!(
            "\"{what}\" is of {}, and it is {} here; nothing was touched",
            rfc3339(latest),
            rfc3339(now)
        ))
        .hint("Set the clock of whichever machine is wrong: what is old can't be told.")),
        _ => Ok(()),
    }
}

/// Refuses when the store has another time.
pub(super) fn compare(store: DateTime<Utc>, now: DateTime<Utc>) -> Result<()> {
    if (store - now).abs() <= SKEW {
        return Ok(());
    }
    Err(Error::refused(format!(
        "the store's clock says {}, and it is {} here; nothing was deleted",
        rfc3339(store),
        rfc3339(now)
    ))
    .hint("Set the clock of whichever machine is wrong: what is old can't be told."))
}

/// When the last of the log or of the backups was written, or now where that is earlier. The days that
/// are kept are counted from here: an archive to which nothing is added grows no older.
pub(super) fn latest(objects: &Objects, now: DateTime<Utc>) -> DateTime<Utc> {
    let counts = |key: &str| matches!(objects.of(key), Object::Wal { .. } | Object::Sentinel(_));
    let written = objects.iter().filter(|(key, _)| counts(key)).map(|(_, facts)| facts.modified);
    written.max().map_or(now, |latest| latest.min(now))
}

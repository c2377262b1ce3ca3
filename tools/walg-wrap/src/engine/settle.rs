//! Backups that WAL-G made for pushes which were cut off: proven by the next push, where they are sound.

use std::time::Duration;

use flotilla::error::{Code, Result};
use flotilla_archive::catalog::Coming;
use flotilla_archive::{Archive, Catalog};

use super::push::prove;
use crate::push::Source;

/// What became of them.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Whether there were any.
    pub(crate) any: bool,
    /// Those that are proven now.
    pub(crate) proven: Vec<String>,
    /// Those that aren't, and why.
    pub(crate) warnings: Vec<String>,
}

/// Proves what earlier pushes have left. One that isn't sound stays unproven: whether it was one of these
/// pushes that made it, or somebody else's WAL-G meanwhile, can't be told.
pub(crate) async fn settle(archive: &Archive, source: &Source, wal_timeout: Duration) -> Result<Settled> {
    let mut settled = Settled::default();
    if Coming::read(archive).await?.is_none() {
        return Ok(settled);
    }
    let catalog = Catalog::load(archive).await?;
    let is_ours = |system: Option<u64>| system == Some(source.system);
    let unproven = catalog.backups.iter().filter(|backup| catalog.unproven.contains(&backup.name));
    for backup in unproven.filter(|backup| is_ours(backup.sentinel.system_identifier)) {
        settled.any = true;
        // Nothing more is archived of a timeline that was left.
        let limit = if backup.timeline() == source.timeline { wal_timeout } else { Duration::ZERO };
        match prove(archive, source, backup, limit).await {
            Ok(_) => settled.proven.push(backup.name.to_string()),
            Err(error) if matches!(error.code(), Code::Mismatch | Code::NotFound | Code::Timeout) => {
                let what = format!("{}, which an earlier push left, is not proven: {}", backup.name, error.message());
                settled.warnings.push(what);
            }
            Err(error) => return Err(error),
        }
    }
    Coming::settle(archive).await?;
    Ok(settled)
}

//! Chains: a delta can be restored only after everything that it stands on.

use std::fmt;

use super::{Backup, Catalog};
use crate::names::BackupName;

/// Why a backup can't be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A backup that it stands on isn't there.
    Missing(BackupName),
    /// What its sentinel and its parent's say doesn't fit together; in words.
    Unfitting(BackupName, &'static str),
    /// It, or a backup that it stands on, was made by WAL-G for a push that was cut off.
    Unproven(BackupName),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "it stands on {name}, which is not there"),
            Self::Unfitting(name, what) => write!(f, "it doesn't fit onto {name}: {what}"),
            Self::Unproven(name) => write!(f, "wal-g made {name}, and nobody has read it back yet"),
        }
    }
}

impl Catalog {
    /// The backups to restore for this one, the full one first and itself last.
    pub fn chain<'c>(&'c self, backup: &'c Backup) -> Result<Vec<&'c Backup>, Broken> {
        let chain = self.linked(backup)?;
        match chain.iter().find(|below| self.unproven.contains(&below.name)) {
            Some(unproven) => Err(Broken::Unproven(unproven.name.clone())),
            None => Ok(chain),
        }
    }

    /// The same, proven or not.
    pub(crate) fn linked<'c>(&'c self, backup: &'c Backup) -> Result<Vec<&'c Backup>, Broken> {
        let mut chain = vec![backup];
        let mut at = backup;
        loop {
            let parent = match at.sentinel.delta() {
                Ok(None) => break,
                Ok(Some(delta)) => delta,
                // A sentinel was checked when it was read.
                Err(_) => return Err(Broken::Unfitting(at.name.clone(), "its sentinel is damaged")),
            };
            let Some(found) = self.backup(&parent.parent) else { return Err(Broken::Missing(parent.parent)) };
            let unfitting = |what| Err(Broken::Unfitting(found.name.clone(), what));
            if found.sentinel.start_lsn != parent.since {
                return unfitting("its pages are since another position");
            }
            if found.sentinel.start_lsn > at.sentinel.start_lsn {
                return unfitting("it began later");
            }
            if found.sentinel.system_identifier != at.sentinel.system_identifier {
                return unfitting("it is of another cluster");
            }
            let below = found.sentinel.delta_count.unwrap_or(0);
            if below + 1 != parent.count {
                return unfitting("the count of deltas is another");
            }
            chain.push(found);
            at = found;
        }
        chain.reverse();
        Ok(chain)
    }

    /// The backups that stand on this one, directly or through others.
    pub fn descendants<'c>(&'c self, backup: &Backup) -> Vec<&'c Backup> {
        let mut found: Vec<&Backup> = Vec::new();
        // Sorted by their beginning, so a parent comes before its children.
        for other in &self.backups {
            let stands_on = |name: &BackupName| other.sentinel.delta_from.as_deref() == Some(name.as_str());
            if stands_on(&backup.name) || found.iter().any(|known| stands_on(&known.name)) {
                found.push(other);
            }
        }
        found
    }
}

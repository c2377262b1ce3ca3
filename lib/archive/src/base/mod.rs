//! Base backups: the files of a cluster, restored from a chain of backups.

mod destination;
mod extract;
mod plan;
mod restore;

pub use destination::{RestoreOptions, Restored, check};
pub use extract::Progress;
pub use restore::restore;

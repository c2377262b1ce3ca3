//! Base backups: the files of a cluster, taken from a server's stream, and restored from a chain of
//! backups.

mod destination;
mod extract;
mod outside;
mod pack;
mod parent;
mod plan;
mod restore;
mod sort;
mod take;

pub use destination::{RestoreOptions, Restored, check};
pub use extract::Progress;
pub use outside::restore_by;
pub use parent::Parent;
pub use restore::restore;
pub use take::{Describe, Taken, seal, take};

//! Base backups: the files of a cluster, taken from a server's stream or its data folder, and restored from a chain
//! of backups.

mod destination;
mod extract;
mod folder;
mod outside;
mod pack;
mod parent;
mod plan;
mod restore;
mod sort;
mod stream;
mod take;

pub use destination::{RestoreOptions, Restored, check};
pub use extract::Progress;
pub use folder::{DataFolder, Ended, Reading, read};
pub use outside::restore_by;
pub use parent::Parent;
pub use restore::restore;
pub use stream::take;
pub use take::{Describe, Taken, seal};

//! Names of objects in WAL-G's layout (`utility/utility.go` of WAL-G), and of our own beside them.

mod backup;
mod dump;
mod object;
mod own;

pub use backup::BackupName;
pub use dump::DumpName;
pub use object::{BACKUPS, CATCHUP, Object, PARTS, WAL, files_metadata, metadata, part, sentinel, wal};
pub use own::{OWN, has_segment_run, sidecar, sidecar_of};

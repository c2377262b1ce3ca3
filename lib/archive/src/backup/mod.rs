//! What a base backup consists of: files of the data directory, and the files that say where it began.

mod control;
mod include;
mod label;
mod map;

pub use control::{Control, ControlState};
pub use include::{Found, is_excluded_directory, is_excluded_file, is_paged, walk};
pub(crate) use include::{has_pages, init_fork};
pub use label::BackupLabel;
pub use map::TablespaceMap;

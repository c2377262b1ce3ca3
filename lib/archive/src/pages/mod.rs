//! Pages of relations, and files of changed pages alone.

mod apply;
mod checksum;
mod header;
mod increment;

pub use apply::{Increment, apply};
pub use checksum::{BLOCKS_PER_FILE, checksum, first_block, is_damaged};
pub use header::{PAGE_SIZE, Page};
pub use increment::{IncrementWriter, Selection, select};

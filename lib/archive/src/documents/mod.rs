//! The JSON documents of an archive.

mod dump;
mod files;
mod metadata;
mod sentinel;
mod sidecar;
mod spec;

pub use dump::{Contents, Dump, DumpedFlotilla, DumpedTable, is_plain};
pub use files::{CorruptBlocks, Database, FileEntry, FilesWriter, Table, Visit, read_files};
pub use metadata::Metadata;
pub use sentinel::{Delta, Sentinel};
pub use sidecar::Sidecar;
pub use spec::TablespaceSpec;

use crate::Corrupt;

/// The form of times, which WAL-G writes beside them.
pub const DATE_FORMAT: &str = "%Y-%m-%dT%H:%M:%S.%fZ";

/// The longest document that is read whole.
const MOST: usize = 16 << 20;

fn parse<'de, T: serde::Deserialize<'de>>(what: &str, bytes: &'de [u8]) -> Result<T, Corrupt> {
    if bytes.len() > MOST {
        return Err(Corrupt::new(format!("{what}: it is longer than 16 MiB")));
    }
    serde_json::from_slice(bytes).map_err(|error| Corrupt::new(format!("{what}: {error}")))
}

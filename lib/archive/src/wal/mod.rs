//! PostgreSQL's write-ahead log: names of its files, timelines, pages and records.

mod bytes;
mod event;
mod file;
mod history;
mod lsn;
mod page;
mod reader;
mod record;
mod segment;

pub use event::{CheckpointKind, End, Event, Parameters};
pub use file::WalFile;
pub use history::{History, Span, Switch};
pub use lsn::Lsn;
pub use page::{Magic, PAGE_SIZE, PageHeader};
pub use reader::{Expected, Fault, Records, Stop, Wrong};
pub use record::{BlockRef, Record, RelFile, Rmgr};
pub use segment::{Segment, SegmentSize, Timeline};

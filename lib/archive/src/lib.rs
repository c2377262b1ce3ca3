//! Archives in WAL-G's storage layout: what `walg-wrap` writes, checks and reads, and `pitr`
//! restores from. Either of WAL-G and Flotilla restores what the other wrote.
//!
//! Formats work over [`std::io::Read`] and [`std::io::Write`]; what holds the objects is [`store`], and
//! [`Archive`] puts both together for a shard. Everything that reads foreign bytes streams, keeps a bound on its memory, and
//! ends on an error that says [`Corrupt`] where the bytes are at fault.

pub mod archive;
pub mod backup;
pub mod base;
pub mod catalog;
pub mod codec;
mod corrupt;
pub mod crypt;
pub mod digest;
mod direct;
pub mod documents;
pub mod names;
pub mod objects;
pub mod pages;
mod reading;
pub mod region;
pub mod retention;
pub mod store;
pub mod tarball;
pub mod verify;
pub mod wal;

pub use archive::Archive;
pub use catalog::Catalog;
pub use corrupt::Corrupt;

//! Archives in WAL-G's storage layout: what `walg-wrap` writes, checks and reads, and `pitr`
//! restores from. Either of WAL-G and Flotilla restores what the other wrote.
//!
//! Formats alone, over [`std::io::Read`] and [`std::io::Write`]: what holds the objects is in a
//! module of its own. Everything that reads foreign bytes streams, keeps a bound on its memory, and
//! ends on an error that says [`Corrupt`] where the bytes are at fault.

pub mod backup;
pub mod codec;
mod corrupt;
pub mod crypt;
pub mod digest;
pub mod documents;
pub mod names;
pub mod pages;
pub mod store;
pub mod tarball;
pub mod wal;

pub use corrupt::Corrupt;

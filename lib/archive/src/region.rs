//! Copying an archive to another store, so that whatever is listed there can be restored there.
//!
//! What is copied goes as it is stored, packed and encrypted, and is compared with its sums on the way.
//! The sums beside a copy are written last: an object with sums is one that arrived and was proven, so
//! they are the ledger by which the next run copies only what is new.

mod choice;
mod object;
mod run;

pub use run::{Fault, Lag, Options, Report, replicate};

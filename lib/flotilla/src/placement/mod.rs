//! Where a row lives: keys, their hash, buckets, bucket ranges and row ids.
//!
//! A bucket is the remainder that PostgreSQL's own hash partitioning computes for a modulus that is
//! a power of two. So every server can prove every placement (`satisfies_hash_partition`), and the
//! same expression works in a CHECK constraint, an index and a publication's row filter. Nothing in
//! this module does input or output, and nothing in it allocates for integer and uuid keys.

mod bucket;
pub mod hash;
mod id;
mod key;
mod range;

pub use bucket::{Bucket, Buckets};
pub use id::{EPOCH_MS, IdLayout, IdParts, RowId, Tick};
pub use key::{Key, KeyType};
pub use range::{BucketRange, BucketSet};

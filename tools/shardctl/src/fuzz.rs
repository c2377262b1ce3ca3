//! Doors for `tests/fuzz` to parsers of foreign bytes that nothing else may call from outside.

use flotilla::error::Result;
use flotilla::placement::{Bucket, Buckets, KeyType};

pub use crate::init::verifier;
pub use crate::sql::copy_row;
pub use crate::status::waiting;

/// The bucket of one line of `route`: of the value, or of a field of the JSON object.
pub fn route(line: &[u8], field: Option<&str>, key_type: Option<KeyType>, buckets: Buckets) -> Result<Bucket> {
    crate::route::bucket(line, field, key_type, buckets)
}

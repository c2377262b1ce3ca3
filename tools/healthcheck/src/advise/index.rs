//! Indexes that are there and not valid.

use super::advice::{Advice, Found, Kind};
use super::mending;
use super::schema::Schema;

/// Advises on each that nobody is building any more. A partitioned one is invalid until every partition's is attached,
/// which isn't mended by building it again.
pub(super) fn invalid(schema: &Schema, found: &mut Found) {
    let ended = |index: &&super::schema::Index| !index.is_valid && !index.is_being_built && !index.is_partitioned;
    for index in schema.indexes.iter().filter(ended) {
        // What an interrupted REINDEX CONCURRENTLY leaves beside the index that it was for.
        let is_left_over = ["_ccnew", "_ccold"].iter().any(|mark| {
            let digits = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
            index.bare_name.rsplit_once(mark).is_some_and(|(_, rest)| digits(rest))
        });
        let (sql, remedy) = if is_left_over {
            (
                mending::drop_index(index),
                "An interrupted REINDEX CONCURRENTLY left it; the index that it was for is whole.",
            )
        } else {
            (vec![format!("REINDEX INDEX CONCURRENTLY {}", index.name)], "Or drop it, if it isn't wanted any more.")
        };
        let table = schema.table(index.table).map_or("", |table| &table.name);
        found.push(
            Advice::new(Kind::InvalidIndex, &index.name)
                .table(table)
                .seen("index_bytes", index.bytes, "bytes")
                .why("building it has failed: it is kept up to date by every write and serves no query")
                .remedy(remedy)
                .sql(sql),
        );
    }
}

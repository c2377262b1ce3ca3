//! Foreign keys whose columns no index leads with: each delete above them reads the whole table below.

use super::Args;
use super::advice::{Advice, Found, Kind};
use super::mending;
use super::schema::Schema;

/// Advises on each.
pub(super) fn advise(schema: &Schema, args: &Args, found: &mut Found) {
    for key in &schema.foreign_keys {
        let Some(table) = schema.table(key.table) else { continue };
        let bytes = schema.bytes(table.oid);
        // Of a partition that has a key of its own, the table is the partition.
        if bytes < args.least_bytes() || schema.indexes_of(table.oid).any(|index| index.leads_with(&key.columns)) {
            continue;
        }
        let columns: Vec<String> =
            key.columns.iter().filter_map(|number| schema.column(table.oid, *number)).map(|c| c.name.clone()).collect();
        let taken = schema.table(key.referenced).map_or(0.0, |above| above.taken);
        found.push(
            Advice::new(Kind::ForeignKeyWithoutIndex, &key.name)
                .table(&table.name)
                .seen("table_bytes", bytes, "bytes")
                .seen("table_rows", schema.rows(table.oid), "rows")
                .seen("referenced_updates_and_deletes", taken, "rows")
                .why(format!(
                    "no index of {} leads with ({}), so each row that is deleted from {}, or whose key is updated, reads all of it",
                    table.name,
                    columns.join(", "),
                    key.referenced_name
                ))
                .remedy(mending::ON_EVERY_SHARD)
                .sql(mending::create_index(schema, table, &columns))
                .counted(),
        );
    }
}

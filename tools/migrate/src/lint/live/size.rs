//! How large a relation is on a shard, and who uses it.

use flotilla::error::Result;
use flotilla::pg::Session;
use postgres_protocol::escape::escape_literal;

use super::locks::On;
use crate::lint::model::Name;

/// A relation as a shard has it, with its partitions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Size {
    /// Its name, as the shard writes it.
    pub(super) relation: String,
    /// Its rows' bytes, those stored apart too.
    pub(super) heap_bytes: u64,
    /// Its indexes' bytes.
    pub(super) index_bytes: u64,
    /// About how many rows it has.
    pub(super) rows: Option<u64>,
    /// How many queries, on average since the server counts, read or write it each second.
    pub(super) reads_per_second: f64,
    /// The same for rows written.
    pub(super) writes_per_second: f64,
}

/// What is locked; none where the shard has no such thing yet.
pub(super) async fn read(session: &Session, on: &On) -> Result<Option<Size>> {
    let text = |name: &Name| escape_literal(&name.quoted());
    let relation = match on {
        On::Relation(name) => format!("pg_catalog.to_regclass({})", text(name)),
        On::TableOf(index) => {
            format!(
                "(SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass({}))",
                text(index)
            )
        }
        On::DefaultOf(table) => format!(
            "(SELECT nullif(partdefid, 0) FROM pg_catalog.pg_partitioned_table \
             WHERE partrelid = pg_catalog.to_regclass({}))",
            text(table)
        ),
    };
    // Of a table without partitions the tree is itself; of another kind of relation there is none.
    let sql = format!(
        "WITH root AS (SELECT {relation}::pg_catalog.regclass AS oid), \
         part AS (SELECT oid FROM root UNION SELECT t.relid FROM root, pg_catalog.pg_partition_tree(root.oid) AS t), \
         age AS (SELECT greatest(1, extract(epoch FROM pg_catalog.now() - coalesce(stats_reset, pg_catalog.pg_postmaster_start_time()))) \
                 AS seconds FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()) \
         SELECT root.oid::pg_catalog.text, sum(pg_catalog.pg_table_size(c.oid)), sum(pg_catalog.pg_indexes_size(c.oid)), \
                CASE WHEN bool_and(c.reltuples >= 0 OR c.relkind = 'p') \
                     THEN sum(c.reltuples) FILTER (WHERE c.relkind <> 'p')::pg_catalog.int8 END, \
                coalesce(sum(s.seq_scan + coalesce(s.idx_scan, 0)), 0) / (SELECT seconds FROM age), \
                coalesce(sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del), 0) / (SELECT seconds FROM age) \
         FROM root JOIN part ON root.oid IS NOT NULL JOIN pg_catalog.pg_class AS c ON c.oid = part.oid \
         LEFT JOIN pg_catalog.pg_stat_user_tables AS s ON s.relid = c.oid GROUP BY root.oid"
    );
    let rows = session.simple(&sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let number = |at: usize| row.get(at).and_then(|text| text.parse().ok());
    let rate = |at: usize| row.get(at).and_then(|text| text.parse().ok()).unwrap_or_default();
    Ok(Some(Size {
        relation: row.get(0).unwrap_or_default().to_owned(),
        heap_bytes: number(1).unwrap_or_default(),
        index_bytes: number(2).unwrap_or_default(),
        rows: number(3),
        reads_per_second: rate(4),
        writes_per_second: rate(5),
    }))
}

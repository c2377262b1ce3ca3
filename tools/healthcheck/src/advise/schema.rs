//! Tables, indexes and foreign keys of a shard, as its primary knows them.

use std::collections::{HashMap, HashSet};

use flotilla::{Context, Result};
use serde::Deserialize;

use super::sight::Seat;

/// Whose tables they are: nobody else's to mend.
const OURS: &str =
    "n.nspname NOT IN ('pg_catalog', 'information_schema', 'flotilla') AND n.nspname !~ '^pg_(toast|temp)'";

const TABLES: &str = "\
SELECT c.oid::int8 AS oid, c.oid::regclass::text AS name, quote_ident(n.nspname) AS schema, c.relname AS bare_name, \
 c.relkind::text = 'p' AS is_partitioned, \
 (SELECT i.inhparent::int8 FROM pg_inherits AS i WHERE i.inhrelid = c.oid AND c.relispartition) AS parent, \
 greatest(c.reltuples, 0) AS rows, c.relpages::int8 * current_setting('block_size')::int8 AS bytes, \
 coalesce(s.n_live_tup, 0) AS live, coalesce(s.n_dead_tup, 0) AS dead, \
 coalesce(s.n_tup_del + s.n_tup_upd, 0) AS taken, \
 coalesce(s.n_mod_since_analyze, 0) AS modified, \
 s.last_analyze IS NOT NULL OR s.last_autoanalyze IS NOT NULL AS is_analyzed, \
 (SELECT option_value::float8 FROM pg_options_to_table(c.reloptions) \
   WHERE option_name = 'autovacuum_vacuum_scale_factor') AS scale, \
 coalesce((SELECT option_value::float8 FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 100) \
   AS fill \
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid \
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND ";

/// A row of `pg_class` is made anew by whoever makes or alters the index, so its transaction's time is a lower bound
/// of how long the index has been what it is; null where the server keeps no such times any more.
const INDEXES: &str = "\
SELECT i.indexrelid::int8 AS oid, i.indexrelid::regclass::text AS name, i.indrelid::int8 AS table, \
 c.relname AS bare_name, c.relkind::text = 'I' AS is_partitioned, \
 (SELECT h.inhparent::int8 FROM pg_inherits AS h WHERE h.inhrelid = c.oid) AS parent, am.amname AS method, \
 i.indisunique AS is_unique, i.indisvalid AND i.indisready AS is_valid, \
 i.indisprimary OR i.indisexclusion OR i.indisreplident OR i.indisunique \
   OR EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid) AS is_needed, \
 i.indisprimary OR i.indisexclusion OR i.indisreplident \
   OR EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid) AS is_bound, \
 EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = i.indexrelid) AS is_being_built, \
 i.indnullsnotdistinct AS nulls_not_distinct, i.indnkeyatts AS key_count, i.indkey::int2[] AS columns, \
 i.indclass::oid[]::int8[] AS classes, i.indcollation::oid[]::int8[] AS collations, i.indoption::int2[] AS options, \
 pg_get_expr(i.indexprs, i.indrelid) AS expressions, pg_get_expr(i.indpred, i.indrelid) AS predicate, \
 c.relpages::int8 * current_setting('block_size')::int8 AS bytes, greatest(c.reltuples, 0) AS rows, \
 coalesce((SELECT option_value::float8 FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 90) \
   AS fill, \
 CASE WHEN current_setting('track_commit_timestamp') = 'on' \
   THEN extract(epoch FROM clock_timestamp() - pg_xact_commit_timestamp(c.xmin)) END AS age_seconds \
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS am ON am.oid = c.relam \
JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace \
WHERE t.relkind IN ('r', 'p', 'm') AND t.relpersistence <> 't' AND ";

const FOREIGN_KEYS: &str = "\
SELECT quote_ident(k.conname) AS name, k.conrelid::int8 AS table, k.confrelid::int8 AS referenced, \
 k.confrelid::regclass::text AS referenced_name, k.conkey::int2[] AS columns \
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace \
WHERE k.contype = 'f' AND k.conparentid = 0 AND ";

const COLUMNS: &str = "\
SELECT a.attrelid::int8 AS table, a.attnum AS number, quote_ident(a.attname) AS name, a.attname AS bare_name, \
 t.typname AS type \
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace \
JOIN pg_type AS t ON t.oid = a.atttypid \
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm') AND ";

/// A table or materialized view.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Table {
    pub(super) oid: i64,
    /// With its schema, quoted where SQL needs it.
    pub(super) name: String,
    /// Its schema, quoted.
    pub(super) schema: String,
    /// Its own name, as it is.
    pub(super) bare_name: String,
    pub(super) is_partitioned: bool,
    /// The table that it is a partition of.
    pub(super) parent: Option<i64>,
    pub(super) rows: f64,
    pub(super) bytes: f64,
    pub(super) live: f64,
    pub(super) dead: f64,
    /// How many rows were updated or deleted.
    pub(super) taken: f64,
    pub(super) modified: f64,
    pub(super) is_analyzed: bool,
    /// Its own `autovacuum_vacuum_scale_factor`.
    pub(super) scale: Option<f64>,
    pub(super) fill: f64,
}

/// An index.
#[derive(Clone, Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as the catalog has them")]
pub(super) struct Index {
    pub(super) oid: i64,
    pub(super) name: String,
    pub(super) table: i64,
    pub(super) bare_name: String,
    pub(super) is_partitioned: bool,
    /// The partitioned index that it is a part of.
    pub(super) parent: Option<i64>,
    pub(super) method: String,
    pub(super) is_unique: bool,
    pub(super) is_valid: bool,
    /// It does more than find rows: it holds up a rule, or names rows to replicas.
    pub(super) is_needed: bool,
    /// Something depends on this very index: a constraint, a reference, the replica identity.
    pub(super) is_bound: bool,
    pub(super) is_being_built: bool,
    pub(super) nulls_not_distinct: bool,
    pub(super) key_count: usize,
    pub(super) columns: Vec<i16>,
    pub(super) classes: Vec<i64>,
    pub(super) collations: Vec<i64>,
    pub(super) options: Vec<i16>,
    pub(super) expressions: Option<String>,
    pub(super) predicate: Option<String>,
    pub(super) bytes: f64,
    pub(super) rows: f64,
    pub(super) fill: f64,
    pub(super) age_seconds: Option<f64>,
}

impl Index {
    /// The columns that it sorts by; 0 stands for an expression.
    pub(super) fn keys(&self) -> &[i16] {
        &self.columns[..self.key_count.min(self.columns.len())]
    }

    /// Whether it finds every row of these columns, whatever their order, by its first ones.
    pub(super) fn leads_with(&self, columns: &[i16]) -> bool {
        let first: HashSet<i16> = self.keys().iter().take(columns.len()).copied().collect();
        self.is_valid && self.predicate.is_none() && first == columns.iter().copied().collect()
    }
}

/// A foreign key.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ForeignKey {
    pub(super) name: String,
    pub(super) table: i64,
    pub(super) referenced: i64,
    pub(super) referenced_name: String,
    pub(super) columns: Vec<i16>,
}

/// A column.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Column {
    pub(super) table: i64,
    pub(super) number: i16,
    /// Quoted where SQL needs it.
    pub(super) name: String,
    /// As it is.
    pub(super) bare_name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) tables: Vec<Table>,
    pub(super) indexes: Vec<Index>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    columns: Vec<Column>,
    /// Where each table is among the tables.
    places: HashMap<i64, usize>,
    bytes: HashMap<i64, f64>,
}

impl Schema {
    /// Reads it.
    pub(super) async fn read(cx: &Context, primary: &Seat) -> Result<Self> {
        let tables: Vec<Table> = primary.rows(cx, &format!("{TABLES}{OURS}")).await?;
        let indexes = primary.rows(cx, &format!("{INDEXES}{OURS}")).await?;
        let foreign_keys = primary.rows(cx, &format!("{FOREIGN_KEYS}{OURS}")).await?;
        let columns = primary.rows(cx, &format!("{COLUMNS}{OURS}")).await?;
        let places = tables.iter().enumerate().map(|(at, table)| (table.oid, at)).collect();
        let mut schema = Self { tables, indexes, foreign_keys, columns, places, bytes: HashMap::new() };
        for table in &schema.tables {
            *schema.bytes.entry(schema.root(table.oid)).or_default() += table.bytes;
        }
        Ok(schema)
    }

    /// One of columns alone.
    #[cfg(test)]
    pub(super) fn of(columns: Vec<Column>) -> Self {
        let (tables, indexes, foreign_keys) = (Vec::new(), Vec::new(), Vec::new());
        Self { tables, indexes, foreign_keys, columns, places: HashMap::new(), bytes: HashMap::new() }
    }

    /// A table.
    pub(super) fn table(&self, oid: i64) -> Option<&Table> {
        self.places.get(&oid).map(|at| &self.tables[*at])
    }

    /// The table by its schema and name, both as they are.
    pub(super) fn named(&self, schema: &str, name: &str) -> Option<&Table> {
        let plain = |quoted: &str| quoted.trim_matches('"').replace("\"\"", "\"");
        self.tables.iter().find(|table| table.bare_name == name && plain(&table.schema) == schema)
    }

    /// The table that this one is a partition of, in the end; itself where it is none.
    pub(super) fn root(&self, oid: i64) -> i64 {
        match self.table(oid).and_then(|table| table.parent) {
            Some(parent) if parent != oid => self.root(parent),
            _ => oid,
        }
    }

    /// How large a table is, with all its partitions.
    pub(super) fn bytes(&self, oid: i64) -> f64 {
        match self.bytes.get(&oid) {
            Some(bytes) => *bytes,
            None => self.table(oid).map_or(0.0, |table| table.bytes),
        }
    }

    /// How many rows it has, with all its partitions.
    pub(super) fn rows(&self, oid: i64) -> f64 {
        let parts = self.tables.iter().filter(|table| !table.is_partitioned && self.root(table.oid) == self.root(oid));
        parts.map(|table| table.rows).sum()
    }

    /// The partitions of a table, one level down.
    pub(super) fn partitions(&self, oid: i64) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(move |table| table.parent == Some(oid))
    }

    /// The indexes of a table.
    pub(super) fn indexes_of(&self, table: i64) -> impl Iterator<Item = &Index> {
        self.indexes.iter().filter(move |index| index.table == table)
    }

    /// A column by its number.
    pub(super) fn column(&self, table: i64, number: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.table == table && column.number == number)
    }

    /// A column by its name.
    pub(super) fn column_named(&self, table: i64, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.table == table && column.bare_name == name)
    }

    /// The columns of a table.
    pub(super) fn columns_of(&self, table: i64) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.table == table)
    }

    /// Whether a relation of this name is there, in whatever schema.
    pub(super) fn has(&self, bare_name: &str) -> bool {
        self.tables
            .iter()
            .map(|table| &table.bare_name)
            .chain(self.indexes.iter().map(|index| &index.bare_name))
            .any(|name| name == bare_name)
    }
}

//! Room in tables and indexes that no row uses.
//!
//! Where the extension pgstattuple is there it is measured. Else it is estimated as the well-known queries do
//! (`check_postgres`, `pgsql-bloat-estimation`): how many pages the rows would fill by the average widths of their
//! columns in `pg_stats` and by the documented layout of pages, rows and index entries.

use std::collections::HashMap;

use flotilla::pg::Session;
use flotilla::{Code, Context, Result};
use serde::Deserialize;

use super::advice::{Advice, Found, Kind};
use super::schema::{Index, Schema, Table};
use super::sight::{Seat, Sight, rows};
use super::{Args, mending};

/// More than this part of it has to be unused.
const LIMIT: f64 = 0.4;
/// A page, its header, and what a b-tree keeps at its end.
const PAGE: f64 = 8_192.0;
const PAGE_HEADER: f64 = 24.0;
const TREE_SPECIAL: f64 = 16.0;
/// A row's header, an index entry's, and the pointer to either.
const ROW_HEADER: f64 = 23.0;
const ENTRY_HEADER: f64 = 8.0;
const POINTER: f64 = 4.0;
/// What rows are aligned to.
const ALIGNMENT: f64 = 8.0;

/// How widths are known.
const WIDTHS: &str = "\
SELECT schemaname AS schema, tablename AS table, attname AS column, avg_width::float8 AS bytes, null_frac AS nulls \
FROM pg_catalog.pg_stats WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'flotilla') AND NOT inherited";

#[derive(Deserialize)]
struct Width {
    schema: String,
    table: String,
    column: String,
    bytes: f64,
    nulls: f64,
}

/// What is unused of a relation.
struct Room {
    unused: f64,
    bytes: f64,
    how: String,
}

impl Room {
    fn is_much(&self, args: &Args) -> bool {
        self.unused >= args.least_bytes() && self.unused >= self.bytes * LIMIT
    }
}

/// Widths of columns and shares of nulls, by table and number.
type Widths = HashMap<(i64, i16), (f64, f64)>;

/// Advises on each.
pub(super) async fn advise(
    cx: &Context,
    sight: &Sight,
    application: Option<&Session>,
    schema: &Schema,
    args: &Args,
    found: &mut Found,
) -> Result<()> {
    let meter = Meter::of(cx, sight.primary()).await?;
    let mut widths = Widths::new();
    if let Some(session) = application {
        for width in rows::<Width>(cx, session, WIDTHS).await? {
            let table = schema.named(&width.schema, &width.table);
            let column = table.and_then(|table| schema.column_named(table.oid, &width.column));
            if let Some(column) = column {
                widths.insert((column.table, column.number), (width.bytes, width.nulls));
            }
        }
    }
    let mut unknown: Vec<&str> = Vec::new();
    for table in schema.tables.iter().filter(|table| !table.is_partitioned && table.bytes >= args.least_bytes()) {
        let guess = of_table(schema, table, &widths);
        match meter.check(cx, sight.primary(), guess, "pgstattuple_approx", table.oid, &table.name, args, found).await?
        {
            Some(room) if room.is_much(args) => found.push(bloated_table(table, &room)),
            Some(_) => {}
            None => unknown.push(&table.name),
        }
    }
    let trees =
        schema.indexes.iter().filter(|index| index.method == "btree" && !index.is_partitioned && index.is_valid);
    for index in trees.filter(|index| index.bytes >= args.least_bytes()) {
        let guess = of_index(index, &widths);
        match meter.check(cx, sight.primary(), guess, "pgstatindex", index.oid, &index.name, args, found).await? {
            Some(room) if room.is_much(args) => found.push(bloated_index(schema, index, &room)),
            Some(_) => {}
            None => unknown.push(&index.name),
        }
    }
    if !unknown.is_empty() {
        let why = format!(
            "{} can't be estimated: there are no widths of their columns in pg_stats that the application's role may read",
            unknown.join(", ")
        );
        let hint = "CREATE EXTENSION pgstattuple lets it be measured; partitions grant nothing to applications.";
        found.unseen("bloat", None, why, Some(hint));
    }
    Ok(())
}

fn bloated_table(table: &Table, room: &Room) -> Advice {
    Advice::new(Kind::BloatedTable, &table.name)
        .table(&table.name)
        .seen("table_bytes", room.bytes, "bytes")
        .seen("unused_bytes", room.unused, "bytes")
        .seen("unused_ratio", room.unused / room.bytes, "ratio")
        .formula(&*room.how)
        .why("scans, caches and backups carry the empty room along")
        .remedy("VACUUM FULL writes the table anew and locks out everybody meanwhile: in a window of maintenance, or by pg_repack beside traffic. New rows fill the room as well, if there will be many.")
        .sql(vec![mending::BRIEFLY.to_owned(), format!("VACUUM (FULL, ANALYZE) {}", table.name)])
}

fn bloated_index(schema: &Schema, index: &Index, room: &Room) -> Advice {
    Advice::new(Kind::BloatedIndex, &index.name)
        .table(schema.table(index.table).map_or("", |table| &table.name))
        .seen("index_bytes", room.bytes, "bytes")
        .seen("unused_bytes", room.unused, "bytes")
        .seen("unused_ratio", room.unused / room.bytes, "ratio")
        .formula(&*room.how)
        .why("scans, caches and backups carry the empty room along")
        .remedy("It is built anew beside traffic, and needs its size on the disk once more meanwhile.")
        .sql(vec![format!("REINDEX INDEX CONCURRENTLY {}", index.name)])
}

fn aligned(bytes: f64) -> f64 {
    (bytes / ALIGNMENT).ceil() * ALIGNMENT
}

/// The average width of columns together, and whether there are nulls; none where one isn't known.
fn width(table: i64, columns: impl Iterator<Item = i16>, widths: &Widths) -> Option<(f64, bool)> {
    let (mut sum, mut has_nulls) = (0.0, false);
    for column in columns {
        let (width, nulls) = widths.get(&(table, column))?;
        sum += width * (1.0 - nulls);
        has_nulls |= *nulls > 0.0;
    }
    Some((sum, has_nulls))
}

fn of_table(schema: &Schema, table: &Table, widths: &Widths) -> Option<Room> {
    let count = schema.columns_of(table.oid).count();
    let (data, has_nulls) = width(table.oid, schema.columns_of(table.oid).map(|column| column.number), widths)?;
    #[expect(clippy::cast_precision_loss, reason = "a table has at most 1600 columns")]
    let nulls = if has_nulls { (count as f64 / 8.0).ceil() } else { 0.0 };
    let row = aligned(ROW_HEADER + nulls) + aligned(data) + POINTER;
    let per_page = ((PAGE - PAGE_HEADER) * table.fill / 100.0 / row).floor().max(1.0);
    Some(room(
        table.bytes,
        (table.rows / per_page).ceil() * PAGE,
        &format!("{:.0} rows of {row:.0} bytes, {per_page} a page", table.rows),
    ))
}

fn of_index(index: &Index, widths: &Widths) -> Option<Room> {
    if index.expressions.is_some() {
        return None;
    }
    let (data, has_nulls) = width(index.table, index.columns.iter().copied(), widths)?;
    // The bitmap of nulls makes the header a whole alignment longer.
    let entry = ENTRY_HEADER + if has_nulls { ALIGNMENT } else { 0.0 } + aligned(data) + POINTER;
    let per_page = ((PAGE - PAGE_HEADER - TREE_SPECIAL) * index.fill / 100.0 / entry).floor().max(1.0);
    // One page for the tree's own data.
    let needed = (1.0 + (index.rows / per_page).ceil()) * PAGE;
    Some(room(index.bytes, needed, &format!("{:.0} entries of {entry:.0} bytes, {per_page} a page", index.rows)))
}

fn room(bytes: f64, needed: f64, terms: &str) -> Room {
    let unused = (bytes - needed).max(0.0);
    let how = format!(
        "estimated by pg_stats: {bytes:.0} bytes − {needed:.0} bytes for {terms} = {unused:.0} bytes; the limit is {:.0} %",
        LIMIT * 100.0
    );
    Room { unused, bytes, how }
}

/// The extension pgstattuple, where this role may use it.
struct Meter {
    schema: Option<String>,
}

impl Meter {
    async fn of(cx: &Context, primary: &Seat) -> Result<Self> {
        #[derive(Deserialize)]
        struct Place {
            schema: String,
        }
        let sql = "SELECT quote_ident(n.nspname) AS schema FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace \
                   WHERE p.proname = 'pgstattuple_approx' AND has_schema_privilege(n.oid, 'usage') \
                    AND has_function_privilege(p.oid, 'execute')";
        let place: Option<Place> = primary.rows(cx, sql).await?.into_iter().next();
        Ok(Self { schema: place.map(|place| place.schema) })
    }

    /// Measures what the estimate says is much, or can't tell: measuring reads the relation.
    #[expect(clippy::too_many_arguments, reason = "what is measured, how, and for whom")]
    async fn check(
        &self,
        cx: &Context,
        primary: &Seat,
        guess: Option<Room>,
        function: &str,
        oid: i64,
        name: &str,
        args: &Args,
        found: &mut Found,
    ) -> Result<Option<Room>> {
        #[derive(Deserialize)]
        struct Measured {
            bytes: f64,
            unused: f64,
        }
        let Some(schema) = &self.schema else { return Ok(guess) };
        if guess.as_ref().is_some_and(|room| !room.is_much(args)) {
            return Ok(guess);
        }
        let sql = if function == "pgstatindex" {
            // What half-empty leaves could do without, and pages that nothing is on.
            format!(
                "SELECT index_size AS bytes, CASE WHEN leaf_pages = 0 THEN 0 ELSE {PAGE} * (empty_pages + deleted_pages \
                 + leaf_pages * greatest(0, 1 - avg_leaf_density / 90)) END AS unused FROM {schema}.pgstatindex({oid}::regclass)"
            )
        } else {
            format!(
                "SELECT table_len AS bytes, approx_free_space + dead_tuple_len AS unused FROM {schema}.pgstattuple_approx({oid}::regclass)"
            )
        };
        match primary.rows::<Measured>(cx, &sql).await {
            Ok(rows) => Ok(rows.into_iter().next().map(|measured| Room {
                unused: measured.unused,
                bytes: measured.bytes,
                how: format!(
                    "measured by {function}: {:.0} of {:.0} bytes are unused or dead; the limit is {:.0} %",
                    measured.unused,
                    measured.bytes,
                    LIMIT * 100.0
                ),
            })),
            Err(error) if error.code() == Code::Cancelled => Err(error),
            Err(error) => {
                found.unseen("bloat", Some(name), format!("{function} failed: {}", error.message()), None);
                Ok(guess)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{aligned, room};

    #[test]
    fn rows_are_aligned_and_what_they_dont_need_is_unused() {
        assert!((aligned(23.0) - 24.0).abs() < f64::EPSILON && (aligned(24.0) - 24.0).abs() < f64::EPSILON);
        assert!((room(100.0, 30.0, "").unused - 70.0).abs() < f64::EPSILON);
        assert!(room(10.0, 30.0, "").unused.abs() < f64::EPSILON);
    }
}

//! Tables that vacuum and analyze come to too late, or not at all.

use super::Args;
use super::advice::{Advice, Found, Kind};
use super::schema::{Schema, Table};
use super::sight::Seat;

/// So many rows of all may be dead.
const DEAD_RATIO: f64 = 0.2;
/// With fewer dead rows a vacuum isn't worth a word.
const LEAST_DEAD: f64 = 1_000.0;
/// A table is big from here on, as a multiple of what is too small to matter: 1 GiB by default.
const BIG: f64 = 100.0;
/// What PostgreSQL waits for in a table that says nothing else, as a part of its rows.
const SCALE: f64 = 0.2;
/// Vacuum shouldn't come more often than this lets it.
const LEAST_SCALE: f64 = 0.005;
/// So many changed rows make statistics worth having.
const LEAST_ROWS: f64 = 1_000.0;

/// Advises on each.
pub(super) fn advise(schema: &Schema, _: &Seat, args: &Args, found: &mut Found) {
    for table in &schema.tables {
        let bytes = schema.bytes(table.oid);
        if bytes < args.least_bytes() && table.bytes < args.least_bytes() {
            continue;
        }
        if table.is_partitioned {
            // Autovacuum never analyzes a partitioned table itself; its partitions' statistics aren't its.
            if !table.is_analyzed && table.parent.is_none() {
                found.push(unknown(
                    table,
                    schema.rows(table.oid),
                    "autovacuum analyzes partitions, never the table above them",
                ));
            }
            continue;
        }
        if table.bytes < args.least_bytes() {
            continue;
        }
        if !table.is_analyzed && table.modified.max(table.rows) >= LEAST_ROWS {
            found.push(unknown(
                table,
                table.modified.max(table.rows),
                "it has never been analyzed: the planner guesses",
            ));
        }
        dead(table, found);
        late(table, args, found);
    }
}

fn unknown(table: &Table, rows: f64, why: &str) -> Advice {
    Advice::new(Kind::MissingStatistics, &table.name)
        .table(&table.name)
        .seen("rows", rows, "rows")
        .why(why)
        .remedy("It reads a sample and blocks nobody. Repeat it when the data has changed.")
        .sql(vec![format!("ANALYZE {}", table.name)])
}

fn dead(table: &Table, found: &mut Found) {
    let all = table.live + table.dead;
    if table.dead < LEAST_DEAD || table.dead / all < DEAD_RATIO {
        return;
    }
    found.push(
        Advice::new(Kind::DeadRows, &table.name)
            .table(&table.name)
            .seen("dead_rows", table.dead, "rows")
            .seen("live_rows", table.live, "rows")
            .seen("table_bytes", table.bytes, "bytes")
            .formula(format!(
                "dead / (dead + live) = {} / {} = {:.0} %, and the limit is {:.0} %",
                table.dead,
                all,
                100.0 * table.dead / all,
                100.0 * DEAD_RATIO
            ))
            .why("scans read them all the same")
            .remedy("Run it on the primary. If they stay, something holds them: a long transaction, an abandoned slot, a prepared transaction.")
            .sql(vec![format!("VACUUM (ANALYZE) {}", table.name)])
            .counted(),
    );
}

fn late(table: &Table, args: &Args, found: &mut Found) {
    let big = args.least_bytes() * BIG;
    let scale = table.scale.unwrap_or(SCALE);
    // What waits for vacuum in a table of this size is what may wait in one that is just big.
    let wanted = (SCALE * big / table.bytes).clamp(LEAST_SCALE, 0.1);
    let wanted = (wanted * 1e3).ceil() / 1e3;
    if table.bytes < big || scale <= wanted * 1.5 {
        return;
    }
    found.push(
        Advice::new(Kind::AutovacuumScale, &table.name)
            .table(&table.name)
            .seen("table_bytes", table.bytes, "bytes")
            .seen("table_rows", table.rows, "rows")
            .seen("autovacuum_vacuum_scale_factor", scale, "ratio")
            .formula(format!(
                "{SCALE} × {big:.0} bytes / {:.0} bytes, at least {LEAST_SCALE} and at most 0.1 = {wanted}",
                table.bytes
            ))
            .why(format!("autovacuum waits until {:.0} of its rows are dead, and then has all of them to do at once", scale * table.rows))
            .remedy("It waits for a moment without vacuum on the table and blocks nobody. Put it into a migration, so that every shard gets it.")
            .sql(vec![format!(
                "ALTER TABLE {} SET (autovacuum_vacuum_scale_factor = {wanted}, autovacuum_analyze_scale_factor = {wanted})",
                table.name
            )]),
    );
}

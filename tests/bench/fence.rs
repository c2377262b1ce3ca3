//! What the fence costs a bulk load.

use std::time::{Duration, Instant};

use flotilla_tests::Fleet;

use crate::figure::{Figure, median, ms, ratio};

const ROWS: u32 = 1_000_000;
const RUNS: usize = 5;
const MOST: f64 = 1.3;

const COLUMNS: &str =
    "user_id bigint NOT NULL, id bigint NOT NULL, at timestamptz NOT NULL, kind text NOT NULL, amount numeric NOT NULL";

/// COPY of a million rows into tables with and without a fence, in turn; a heap with its primary
/// key, and a table of twelve months with a primary key and an index. Durability is off, so
/// nothing hides the price.
#[expect(clippy::unnecessary_wraps, reason = "every measurement has one shape")]
pub(crate) fn measure() -> anyhow::Result<Vec<Figure>> {
    let fleet = Fleet::new().shards(1).init().set("max_wal_size", "8GB").start();
    for table in ["heap", "heap_fenced"] {
        fleet.sql(0, &format!("SET ROLE owner; CREATE TABLE {table} ({COLUMNS}, PRIMARY KEY (user_id, id))"));
    }
    for table in ["months", "months_fenced"] {
        fleet.sql(0, &partitioned(table));
    }
    for table in ["heap_fenced", "months_fenced"] {
        fleet.sql(0, &format!("SELECT flotilla.protect('{table}', 'user_id')"));
    }
    let rows = fleet.primary(0).folder().join("rows").display().to_string();
    fleet.sql(
        0,
        &format!(
            "COPY (SELECT hashint8extended(n, 7) & {} , n, timestamptz '2026-01-01' + n * interval '31 s', 'page_view', n / 100.0
                   FROM generate_series(1, {ROWS}) n) TO '{rows}'",
            i64::MAX
        ),
    );
    let mut figures = Vec::new();
    for (table, what) in [("heap", "a heap with primary key"), ("months", "12 partitions, primary key and index")] {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for run in 0..RUNS {
            // Whoever comes first has the warmer cache: take turns.
            let (fenced, bare) = (format!("{table}_fenced"), table.to_owned());
            if run % 2 == 0 {
                without.push(copy(&fleet, &bare, &rows));
                with.push(copy(&fleet, &fenced, &rows));
            } else {
                with.push(copy(&fleet, &fenced, &rows));
                without.push(copy(&fleet, &bare, &rows));
            }
        }
        let (with, without) = (median(with), median(without));
        figures.push(
            Figure::new(format!("COPY of 1 M rows, fenced: {what}"), ms(with))
                .beside(format!("without a fence {}", ms(without)), ratio(with, without))
                .ratio_at_most(MOST),
        );
    }
    Ok(figures)
}

fn partitioned(table: &str) -> String {
    let parent = format!(
        "SET ROLE owner; CREATE TABLE {table} ({COLUMNS}, PRIMARY KEY (user_id, id, at)) PARTITION BY RANGE (at)"
    );
    let months = (1..=12).map(|month| {
        let end = if month == 12 { "2027-01-01".to_owned() } else { format!("2026-{:02}-01", month + 1) };
        format!(
            "CREATE TABLE {table}_{month:02} PARTITION OF {table} FOR VALUES FROM ('2026-{month:02}-01') TO ('{end}')"
        )
    });
    let index = format!("CREATE INDEX ON {table} (user_id, at)");
    [parent].into_iter().chain(months).chain([index]).collect::<Vec<_>>().join("; ")
}

fn copy(fleet: &Fleet, table: &str, rows: &str) -> Duration {
    fleet.sql(0, &format!("TRUNCATE {table}"));
    fleet.sql(0, "CHECKPOINT");
    let began = Instant::now();
    fleet.sql(0, &format!("COPY {table} FROM '{rows}'"));
    began.elapsed()
}

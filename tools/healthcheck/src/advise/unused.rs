//! Indexes that no node has used for long enough.

use std::collections::HashMap;

use flotilla::{Context, Result};
use serde::Deserialize;

use super::advice::{Advice, Found, Kind};
use super::schema::{Index, Schema};
use super::sight::{Counted, Sight};
use super::{Args, mending, twins};

const NAME: &str = "unused_index";
const SQL: &str = "SELECT indexrelid::int8 AS oid, idx_scan AS scans FROM pg_stat_all_indexes WHERE idx_scan > 0";

#[derive(Deserialize)]
struct Use {
    oid: i64,
    scans: f64,
}

/// Advises on each, when every node of the shard has counted for long enough: an index may serve replicas alone.
pub(super) async fn advise(cx: &Context, sight: &Sight, schema: &Schema, args: &Args, found: &mut Found) -> Result<()> {
    if !sight.silent.is_empty() {
        let why = format!("{} doesn't answer, and may be the one that uses an index", sight.silent.join(", "));
        found.unseen(NAME, None, why, Some("Advise again when every node of the shard answers."));
        return Ok(());
    }
    let least = args.least_window.as_secs_f64();
    let shortest = sight.seats.iter().min_by(|a, b| a.counted.seconds.total_cmp(&b.counted.seconds));
    let Some(shortest) = shortest else { return Ok(()) };
    if shortest.counted.seconds < least {
        let shown = |seconds: f64| crate::check::shown(seconds, "seconds");
        let why = format!(
            "{} has counted for {}, and an index has to go unused for {}",
            shortest.node.name,
            shown(shortest.counted.seconds),
            shown(least)
        );
        found.unseen(
            NAME,
            None,
            why,
            Some("Wait, or give a shorter --least-window if all there is to see has been seen."),
        );
        return Ok(());
    }
    let mut scans: HashMap<i64, f64> = HashMap::new();
    for seat in &sight.seats {
        for used in seat.rows::<Use>(cx, SQL).await? {
            *scans.entry(used.oid).or_default() += used.scans;
        }
    }
    let nodes: Vec<String> = sight.seats.iter().map(|seat| seat.node.name.clone()).collect();
    for index in schema.indexes.iter().filter(|index| index.parent.is_none()) {
        let bytes = twins::bytes(schema, index);
        let is_young = index.age_seconds.is_some_and(|age| age < least);
        if index.is_needed
            || !index.is_valid
            || is_young
            || bytes < args.least_bytes()
            || used(schema, index, &scans) > 0.0
        {
            continue;
        }
        found.push(unused(schema, index, bytes, &nodes, &shortest.counted));
    }
    Ok(())
}

fn unused(schema: &Schema, index: &Index, bytes: f64, nodes: &[String], counted: &Counted) -> Advice {
    let table = schema.table(index.table);
    let more = if index.expressions.is_some() {
        " The planner also takes statistics of its expressions from it: CREATE STATISTICS keeps those."
    } else {
        ""
    };
    let advice = Advice::new(Kind::UnusedIndex, &index.name)
        .table(table.map_or("", |table| &table.name))
        .seen("scans", 0.0, "scans")
        .seen("index_bytes", bytes, "bytes")
        .seen("table_writes", table.map_or(0.0, |table| table.taken), "rows")
        .why(format!("none of {} has used it since, and every write keeps it up to date", nodes.join(", ")))
        .remedy(format!(
            "Mind what runs more seldom than was looked for, as at the end of a year.{more} {}",
            mending::dropping(index)
        ))
        .sql(mending::drop_index(index));
    advice.counted_by(counted)
}

/// How often an index was used, with its partitions' parts.
fn used(schema: &Schema, index: &Index, scans: &HashMap<i64, f64>) -> f64 {
    let parts = schema.indexes.iter().filter(|part| part.parent == Some(index.oid));
    scans.get(&index.oid).copied().unwrap_or(0.0) + parts.map(|part| used(schema, part, scans)).sum::<f64>()
}

//! What the clients saw, counted.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use flotilla::clock::millis;
use flotilla::record::Record;
use schemars::JsonSchema;
use serde::Serialize;

use super::load::{Acknowledged, Log, Way};

/// What the clients on one way saw.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct LayerRecord {
    /// What broke.
    pub(super) fault: Option<String>,
    /// The way: `direct` to the nodes, through a `balancer`, or through a `pooler`.
    pub(super) layer: Option<&'static str>,
    /// `write` or `read`.
    pub(super) access: Option<&'static str>,
    /// Statements that were acknowledged.
    pub(super) acknowledged: Option<u64>,
    /// The longest time without one, in milliseconds.
    pub(super) gap_ms: Option<u64>,
    /// Acknowledged writes that were gone afterwards; null of reads.
    pub(super) lost: Option<u64>,
    /// Writes that were not acknowledged, and of which nobody could know whether they were done.
    pub(super) unknown: Option<u64>,
    /// Errors by class of SQLSTATE, or by code where no server spoke.
    pub(super) errors: Option<BTreeMap<String, u64>>,
    /// From the fault to the last error, in milliseconds; null where there was none.
    pub(super) last_error_ms: Option<u64>,
}

impl Record for LayerRecord {
    const KIND: &'static str = "shardctl.drill_layer";
    const COLUMNS: &'static [&'static str] =
        &["fault", "layer", "access", "acknowledged", "gap_ms", "lost", "unknown", "errors", "last_error_ms"];
}

/// What was lost on all ways.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lost {
    pub(super) writes: u64,
    /// How much WAL lay between the first that was lost and the end of the last.
    pub(super) wal_bytes: u64,
}

/// Counts what one way's clients saw; `began` is when the fault did.
pub(super) fn layer(fault: &str, way: &Way, log: &Log, kept: &HashSet<(u32, u64)>, began: Instant) -> LayerRecord {
    let writes = way.access == "write";
    let lost = log.acknowledged.iter().filter(|one| writes && !kept.contains(&(one.writer, one.seq))).count();
    let last_error = log.last_error.and_then(|at| at.checked_duration_since(began));
    LayerRecord {
        fault: Some(fault.to_owned()),
        layer: Some(way.layer),
        access: Some(way.access),
        acknowledged: u64::try_from(log.acknowledged.len()).ok(),
        gap_ms: Some(millis(gap(log, began))),
        lost: if writes { u64::try_from(lost).ok() } else { None },
        unknown: writes.then_some(log.unknown),
        errors: Some(log.errors.clone()),
        last_error_ms: last_error.map(millis),
    }
}

/// The longest time between two acknowledgements, of those that ended after the fault began.
fn gap(log: &Log, began: Instant) -> Duration {
    let mut times: Vec<Instant> = log.acknowledged.iter().map(|one| one.at).collect();
    times.sort_unstable();
    let gaps = times.windows(2).filter(|pair| pair[1] >= began).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or_default()
}

/// What was lost altogether.
pub(super) fn lost(logs: &[(Way, Log)], kept: &HashSet<(u32, u64)>) -> Lost {
    let all = logs.iter().filter(|(way, _)| way.access == "write").flat_map(|(_, log)| &log.acknowledged);
    let (there, gone): (Vec<&Acknowledged>, Vec<&Acknowledged>) =
        all.partition(|one| kept.contains(&(one.writer, one.seq)));
    let Some(first) = gone.iter().map(|one| one.position).min() else { return Lost::default() };
    let last = gone.iter().map(|one| one.position).max().unwrap_or(first);
    // What was kept last before the first that wasn't: the WAL in between may be lost too.
    let before = there.iter().map(|one| one.position).filter(|at| *at < first).max().unwrap_or(first);
    Lost { writes: u64::try_from(gone.len()).unwrap_or(u64::MAX), wal_bytes: last - before }
}

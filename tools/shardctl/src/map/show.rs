//! The map as lines: one for each shard, one for each thing that isn't as it must be.

use std::time::{Duration, Instant};

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::ownership::{Finding, read_live};
use flotilla::record::{Line, Record};
use schemars::JsonSchema;
use serde::Serialize;

/// What one shard owns, or what is wrong.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct OwnershipRow {
    /// How many buckets the shard owns.
    bucket_count: Option<u32>,
    /// The buckets that it owns, as ranges; of a finding, the buckets that it is about.
    buckets: Option<String>,
    /// The cluster's epoch, as a decimal string.
    epoch: Option<String>,
    /// What kind of finding this is: `unowned`, `disputed`, `epoch`, `cluster`, `shard`, `buckets`,
    /// `key_type`, `unreachable`; null for a shard.
    finding: Option<&'static str>,
}

impl Record for OwnershipRow {
    const KIND: &'static str = "shardctl.ownership";
    const COLUMNS: &'static [&'static str] = &["bucket_count", "buckets", "epoch", "finding"];
}

/// Writes a line for each shard and each finding; any finding makes the answer "no".
pub(super) async fn run(cx: &Context) -> Result<()> {
    let began = Instant::now();
    let comparison = read_live(cx).await?;
    let silent = |shard: &String| {
        comparison.findings.iter().any(|f| {
            matches!(f.kind, "unreachable" | "cluster" | "shard" | "buckets" | "key_type") && f.shards.contains(shard)
        })
    };
    for (at, shard) in comparison.map.shards().iter().enumerate() {
        if silent(shard) {
            continue;
        }
        let owned = comparison.map.owned_by(at);
        let row = OwnershipRow {
            bucket_count: Some(owned.len()),
            buckets: Some(owned.to_string()),
            epoch: Some(comparison.map.epoch().to_string()),
            finding: None,
        };
        cx.output().line(&Line::ok(Some(shard.clone()), false, row, began.elapsed()))?;
    }
    for finding in &comparison.findings {
        let row =
            OwnershipRow { finding: Some(finding.kind), buckets: finding.buckets.clone(), ..OwnershipRow::default() };
        let target = (finding.shards.len() == 1).then(|| finding.shards[0].clone());
        cx.output().line(&Line::failed(target, &error(finding), Duration::ZERO).with_body(row))?;
    }
    Ok(())
}

fn error(finding: &Finding) -> Error {
    let code = if finding.kind == "unreachable" { Code::Unreachable } else { Code::Mismatch };
    let hint = match finding.kind {
        "unreachable" => "Look at `shardctl status`; without this shard the map can't be proven.",
        "cluster" | "shard" | "buckets" | "key_type" => "Is this the right topology file for these servers?",
        _ => "If no move is under way, `shardctl map --reconcile --dry-run` says how it would be settled.",
    };
    Error::new(code, finding.message.clone()).hint(hint)
}

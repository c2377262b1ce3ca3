//! The records of all tools, from the registry of verbs.

use std::collections::BTreeMap;

use anyhow::Result;
use flotilla::record::RecordInfo;

use crate::tools::Documented;

/// Every record once, in the order of their kinds.
pub(crate) fn all(tools: &[Documented]) -> Vec<RecordInfo> {
    let every = tools.iter().flat_map(|tool| tool.verbs).flat_map(|verb| verb.records);
    let once: BTreeMap<&str, RecordInfo> = every.map(|record| (record.kind, *record)).collect();
    once.into_values().collect()
}

/// The verbs that write a record, as a person calls them.
pub(crate) fn writers(tools: &[Documented], record: &RecordInfo) -> Vec<String> {
    let mut writers = Vec::new();
    for tool in tools {
        let verbs = tool.verbs.iter().filter(|verb| verb.records.iter().any(|r| r.kind == record.kind));
        writers.extend(verbs.map(|verb| format!("{} {}", tool.name, verb.name)));
    }
    writers
}

/// The JSON Schema of a record's line, as a file.
pub(crate) fn schema(record: &RecordInfo) -> Result<String> {
    Ok(serde_json::to_string_pretty(&record.schema())? + "\n")
}

//! `sql --copy`: routed lines into a sharded table, each row on its shard, one transaction a shard.
//!
//! A thread reads and encodes, a task for each shard sends. A shard commits only after the whole
//! input was read; whatever ends the run before leaves it as it was.

mod load;
mod sender;
mod table;

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::ownership::for_routing;
use flotilla::record::Record;
use flotilla::target::piped_stdin;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use self::table::Table;
use super::As;
use super::encode::Columns;

/// What was loaded on one shard.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct CopyResult {
    /// The table.
    table: Option<String>,
    /// How many rows were loaded.
    row_count: Option<u64>,
    /// How many bytes were sent.
    sent_bytes: Option<u64>,
}

impl Record for CopyResult {
    const KIND: &'static str = "shardctl.copy";
    const COLUMNS: &'static [&'static str] = &["table", "row_count", "sent_bytes"];
}

/// The COPY statement for a table as the user named it, and a JSON object as one row of its text format.
pub fn row(table: &str, object: &str) -> Result<(String, Vec<u8>)> {
    let table = Table::parse(table, None)?;
    let object: &RawValue = serde_json::from_str(object).map_err(|e| Error::input("no JSON").source(e))?;
    let columns = match &table.columns {
        Some(names) => Columns::new(names.clone()),
        None => Columns::of(object)?,
    };
    let mut text = Vec::new();
    columns.push(&mut text, None, object)?;
    Ok((table.statement(columns.names()), text))
}

/// Loads standard input.
pub(super) async fn run(cx: &Context, table: &str, new_id: Option<&str>, role: As) -> Result<()> {
    let table = Table::parse(table, new_id)?;
    if piped_stdin().is_none() {
        return Err(Error::new(Code::NoTargets, "no lines came through a pipe; nothing was touched").hint(
            "Pipe routed lines in: shardctl route --by key --field user_id < rows.jsonl | shardctl sql --copy …",
        ));
    }
    let map = for_routing(cx).await?;
    load::run(cx, table, map, role).await
}

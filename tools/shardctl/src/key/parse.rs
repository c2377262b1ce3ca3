//! What an id says by itself; no server is asked.

use std::time::Duration;

use flotilla::Context;
use flotilla::error::Result;
use flotilla::placement::{IdLayout, RowId};
use flotilla::record::Line;

use super::KeyRow;
use super::new::row;

/// The ids.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The ids to take apart
    #[arg(value_name = "ID", required = true, allow_negative_numbers = true)]
    ids: Vec<String>,
}

/// Writes a line for each id; one that isn't an id is an error line, the rest goes on.
pub(super) fn run(cx: &Context, args: &Args) -> Result<()> {
    let layout = IdLayout::new(cx.config()?.cluster.buckets);
    for text in &args.ids {
        let line = match RowId::parse(text) {
            Ok(id) => Line::ok(None, false, row(layout, id), Duration::ZERO),
            Err(error) => {
                let row = KeyRow { id: Some(text.clone()), ..KeyRow::default() };
                Line::failed(None, &error, Duration::ZERO).with_body(row)
            }
        };
        cx.output().line(&line)?;
    }
    Ok(())
}

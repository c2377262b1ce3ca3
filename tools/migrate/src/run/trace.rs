//! The trace that a script leaves beside Flyway's table: a line of the ledger, in its transaction.

use std::path::Path;
use std::process::{Command, Stdio};

use flotilla::Context;
use flotilla::error::Result;
use serde_json::{Value, json};

use super::Job;
use crate::database::Database;
use crate::schema_history::NewRow;

/// What is remembered with every line of this run.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    commit: Option<String>,
}

impl Trace {
    /// The trace of a run over scripts in this folder: with the commit that they are from, if any.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { commit: flotilla::env::var("FLOTILLA_COMMIT").or_else(|| commit(folder)) }
    }

    /// What the ledger remembers of a script.
    pub(crate) fn detail(&self, database: &Database, job: &Job<'_>) -> Value {
        self.detail_of(database, &job.row)
    }

    /// What the ledger remembers of a row.
    pub(crate) fn detail_of(&self, database: &Database, row: &NewRow<'_>) -> Value {
        json!({
            "table": database.table.to_string(),
            "version": row.version,
            "description": row.description,
            "type": row.kind.text(),
            "script": row.script,
            "checksum": row.checksum,
            "commit": self.commit,
        })
    }

    /// Leaves the line, in the transaction under way.
    pub(crate) async fn leave(&self, cx: &Context, database: &Database, detail: Value) -> Result<()> {
        let entry = cx.entry(&database.target).detail(detail);
        if database.has_ledger {
            entry.write(&database.session).await
        } else {
            entry.to_file();
            Ok(())
        }
    }
}

/// The commit of a folder's repository, marked when the folder differs from it.
fn commit(folder: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let head = git(&["rev-parse", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--", "."])?;
    Some(if changes.is_empty() { head } else { format!("{head}-modified") })
}

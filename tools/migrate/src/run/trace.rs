//! The trace that a script leaves beside Flyway's table: a line of the ledger, in its transaction.

use std::path::Path;
use std::process::{Command, Stdio};

use flotilla::Context;
use flotilla::error::Result;
use serde_json::{Value, json};

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

    /// What the ledger remembers of a row.
    pub(crate) fn detail(&self, database: &Database, row: &NewRow<'_>) -> Value {
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
    pub(crate) async fn leave(cx: &Context, database: &Database, detail: Value) -> Result<()> {
        database.session.simple(&Self::line(cx, database, detail)).await.map(drop)
    }

    /// SQL that leaves the line; none where there is no ledger. The file has it then already.
    pub(crate) fn line(cx: &Context, database: &Database, detail: Value) -> String {
        let entry = cx.entry(&database.target).detail(detail);
        if database.has_ledger {
            entry.to_file_and_sql()
        } else {
            entry.to_file();
            String::new()
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

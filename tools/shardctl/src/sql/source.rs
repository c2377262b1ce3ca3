//! The SQL to run, and what can be told of it without a server.

use flotilla::error::{Code, Error, Result};

use super::Args;

/// A statement with its parameters, or a file.
#[derive(Clone)]
pub(super) enum Source {
    /// One statement; its rows are shown.
    Statement(String),
    /// A script; one transaction.
    Script(String),
}

impl Source {
    /// The operand, or the file.
    pub(super) fn read(args: &Args) -> Result<Self> {
        let text = match (&args.sql, &args.file) {
            (Some(sql), _) => sql.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|e| Error::new(Code::Usage, format!("could not read {}", path.display())).source(e))?,
            (None, None) => return Err(Error::usage("no SQL was given")),
        };
        if text.contains('\0') {
            return Err(
                Error::usage("the SQL contains a NUL byte").hint("PostgreSQL ends a statement there; remove it.")
            );
        }
        if text.trim().is_empty() {
            return Err(Error::usage("the SQL is empty").hint("Give a statement."));
        }
        Ok(if args.file.is_some() { Self::Script(text) } else { Self::Statement(text) })
    }
}

/// Whether a statement says by its first word that it gives rows. A function in it may change things
/// all the same; this decides only what a closed pipe means, as for psql, and what the ledger keeps.
pub(super) fn only_reads(sql: &str) -> bool {
    let word: String = sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    ["select", "table", "values", "show", "explain"].contains(&word.to_ascii_lowercase().as_str())
}

//! The history: Flyway's table, row for row as Flyway writes and reads it.

mod read;
mod table;

use super::scripts::{Script, Version};

pub use self::read::{ESSENTIAL, read, rows};
pub use self::table::Table;

/// What kind of row it is: the `type` column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RowType {
    /// A versioned or repeatable SQL script.
    Sql,
    /// A baseline script.
    SqlBaseline,
    /// The mark of `baseline`.
    Baseline,
    /// The mark of schemas that were made.
    Schema,
    /// What was applied before under this version or description is gone.
    Delete,
    /// An undo by Flyway's paid edition.
    UndoSql,
    /// Something else that Flyway writes, such as `JDBC`.
    Other(String),
}

impl RowType {
    /// The column's text.
    pub fn text(&self) -> &str {
        match self {
            Self::Sql => "SQL",
            Self::SqlBaseline => "SQL_BASELINE",
            Self::Baseline => "BASELINE",
            Self::Schema => "SCHEMA",
            Self::Delete => "DELETE",
            Self::UndoSql => "UNDO_SQL",
            Self::Other(text) => text,
        }
    }

    /// What a script's row would be.
    pub fn of(script: &Script) -> Self {
        match script.kind {
            super::scripts::Kind::Baseline(_) => Self::SqlBaseline,
            _ => Self::Sql,
        }
    }

    /// Whether it marks something rather than records a script.
    pub fn is_synthetic(&self) -> bool {
        matches!(self, Self::Baseline | Self::Schema | Self::Delete)
    }

    /// Whether versions up to its own count as done.
    pub fn is_baseline(&self) -> bool {
        matches!(self, Self::Baseline | Self::SqlBaseline) || self.text() == "JDBC_BASELINE"
    }

    /// Whether it takes a version back.
    pub fn is_undo(&self) -> bool {
        matches!(self, Self::UndoSql) || matches!(self, Self::Other(text) if text.starts_with("UNDO_"))
    }
}

impl From<&str> for RowType {
    fn from(text: &str) -> Self {
        match text {
            "SQL" => Self::Sql,
            "SQL_BASELINE" => Self::SqlBaseline,
            "BASELINE" => Self::Baseline,
            "SCHEMA" => Self::Schema,
            "DELETE" => Self::Delete,
            "UNDO_SQL" => Self::UndoSql,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// `installed_rank`: the order in which rows were written.
    pub rank: i32,
    /// The version; none for repeatable scripts and schema marks.
    pub version: Option<Version>,
    /// What it said it does.
    pub description: String,
    /// Its kind.
    pub kind: RowType,
    /// The script's path below its location.
    pub script: String,
    /// The script's checksum then.
    pub checksum: Option<i32>,
    /// Whether it succeeded.
    pub success: bool,
    /// How it came there; none where the reader may not know.
    pub installed: Option<Installed>,
}

/// How a row came into the history.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Who applied it.
    pub by: String,
    /// When, without a zone: UTC where `migrate` wrote it, otherwise the writer's.
    pub on: String,
    /// How long it took, in milliseconds.
    pub execution_time_ms: i32,
}

/// A description of at most 200 characters, cut as Flyway cuts it. Java counts UTF-16 units.
pub fn abbreviated(description: &str) -> String {
    let units: Vec<u16> = description.encode_utf16().collect();
    if units.len() <= 200 {
        return description.to_owned();
    }
    format!("{}...", String::from_utf16_lossy(&units[..197]))
}

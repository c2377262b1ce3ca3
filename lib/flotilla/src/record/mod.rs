//! Records: one JSON object per line, the promise that every tool keeps.
//!
//! A line is a head (`schema target status changed at duration_ms`), the verb's own keys, and
//! `error`, in this order. The head and the error belong to the library; a verb declares its own
//! keys as a plain struct of `Option`s and names its kind with [`Record`].

mod done;
mod line;

pub use done::Done;
pub use line::{Line, Status};

use schemars::{JsonSchema, Schema};
use serde::Serialize;

/// The body of a line: a verb's own keys.
///
/// Keys are `snake_case` with the unit in the name. `Default` must be all `null`s: it is what an
/// error line carries, for known keys are always present.
pub trait Record: Serialize + JsonSchema + Default + Send + 'static {
    /// Tool and kind, for example `migrate.result`.
    const KIND: &'static str;
    /// The major version; within one, keys are only added.
    const MAJOR: u32 = 1;
    /// The own keys that the table shows, in order. The target and the status come by themselves.
    const COLUMNS: &'static [&'static str];
    /// For a table with a column for each target: the own key that fills its cells, and one that marks
    /// them when it is true. Lines that agree in `COLUMNS` share a row.
    const PIVOT: Option<(&'static str, &'static str)> = None;
}

/// What the registry of verbs knows about a record type.
#[derive(Clone, Copy, Debug)]
pub struct RecordInfo {
    /// Tool and kind.
    pub kind: &'static str,
    /// The major version.
    pub major: u32,
    schema: fn() -> Schema,
}

impl RecordInfo {
    /// What is known about `R`.
    pub const fn of<R: Record>() -> Self {
        Self { kind: R::KIND, major: R::MAJOR, schema: line::schema::<R> }
    }

    /// The value of the `schema` key.
    pub fn id(&self) -> String {
        format!("{}/{}", self.kind, self.major)
    }

    /// The JSON Schema of a whole line.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }
}

//! The whole line: head, body, error.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;

use super::Record;
use crate::clock;
use crate::error::{Error, ErrorRecord};

/// How work on a target ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Done, or nothing was to be done.
    Ok,
    /// It failed; `error` says how.
    Error,
    /// It wasn't worked on; `error` says why.
    Skipped,
    /// It would be done.
    Planned,
    /// The run was stopped before or during the work.
    Cancelled,
}

impl Status {
    /// Whether the next tool in the pipe may work on such a line.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Ok | Self::Planned)
    }
}

/// One line of output.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(bound = "R: Record")]
pub struct Line<R: Record> {
    /// Tool, kind and major version.
    schema: Cow<'static, str>,
    /// The server or shard that this line is about; null where there is none.
    pub target: Option<String>,
    /// How it ended.
    pub status: Status,
    /// Whether anything was changed.
    pub changed: bool,
    /// When the line was written, UTC.
    at: String,
    /// How long the work took, in milliseconds.
    pub duration_ms: u64,
    /// The verb's own keys.
    #[serde(flatten)]
    pub body: R,
    /// What went wrong; null when nothing did.
    pub error: Option<ErrorRecord>,
}

impl<R: Record> Line<R> {
    /// A line that says all is well.
    pub fn ok(target: Option<String>, changed: bool, body: R, took: Duration) -> Self {
        Self {
            schema: Cow::Owned(format!("{}/{}", R::KIND, R::MAJOR)),
            target,
            status: Status::Ok,
            changed,
            at: clock::rfc3339(clock::now()),
            duration_ms: clock::millis(took),
            body,
            error: None,
        }
    }

    /// A line that says what failed; its own keys are null.
    pub fn failed(target: Option<String>, error: &Error, took: Duration) -> Self {
        let status = match error.code() {
            crate::Code::Cancelled => Status::Cancelled,
            crate::Code::UpstreamFailed => Status::Skipped,
            _ => Status::Error,
        };
        Self { status, error: Some(error.record()), ..Self::ok(target, false, R::default(), took) }
    }

    /// The same line with other own keys: what was known when it failed.
    #[must_use]
    pub fn with_body(self, body: R) -> Self {
        Self { body, ..self }
    }

    /// The same line with what was changed before it failed.
    #[must_use]
    pub fn with_changed(self, changed: bool) -> Self {
        Self { changed, ..self }
    }

    /// The same line with another status.
    #[must_use]
    pub fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }
}

/// The JSON Schema of a line of `R`.
pub(super) fn schema<R: Record>() -> Schema {
    let mut generator = SchemaGenerator::new(SchemaSettings::draft2020_12().for_serialize());
    let mut schema = generator.root_schema_for::<Line<R>>();
    let id = format!("{}/{}", R::KIND, R::MAJOR);
    schema.insert("title".to_owned(), id.clone().into());
    if let Some(property) = schema.pointer_mut("/properties/schema").and_then(serde_json::Value::as_object_mut) {
        property.insert("const".to_owned(), id.into());
    }
    schema
}

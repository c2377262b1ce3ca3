//! A row: the server's text of each value, and JSON when it is serialized.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use postgres_protocol::message::backend::DataRowBody;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use tokio_postgres::fallible_iterator::FallibleIterator as _;
use tokio_postgres::types::Oid;

use crate::error::{Code, Error, Result};
use crate::pg::value::Kind;
use crate::pg::wire::{garbled, unexpected};

/// A column of a result.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name; of several equal ones the second is `name_2`, and so on.
    pub name: String,
    /// Its type.
    pub type_oid: Oid,
    /// How its values become JSON.
    pub kind: Kind,
}

/// A row: the server's text of each value, and JSON when it is serialized.
#[derive(Clone, Debug)]
pub struct Row {
    columns: Arc<[Column]>,
    text: Bytes,
    ranges: Box<[Option<Range<usize>>]>,
}

impl Row {
    pub(in crate::pg) fn new(columns: &Arc<[Column]>, body: &DataRowBody) -> Result<Self> {
        let text = body.buffer_bytes().clone();
        let ranges: Box<[_]> = body.ranges().collect::<Vec<_>>().map_err(|e| garbled(&e))?.into();
        if ranges.len() != columns.len() {
            return Err(unexpected());
        }
        // Checked for each value, as lengths stand between them.
        for (range, column) in ranges.iter().zip(columns.iter()) {
            if range.clone().is_some_and(|range| std::str::from_utf8(&text[range]).is_err()) {
                return Err(Error::new(
                    Code::QueryFailed,
                    format!("column \"{}\" holds bytes that are not UTF-8", column.name),
                )
                .hint("The database's encoding is probably SQL_ASCII; convert the column in the query."));
            }
        }
        Ok(Self { columns: Arc::clone(columns), text, ranges })
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The text of a value; `None` for NULL and for a column that isn't there.
    pub fn text(&self, index: usize) -> Option<&str> {
        let range = self.ranges.get(index)?.clone()?;
        std::str::from_utf8(&self.text[range]).ok()
    }

    /// The text of the value in the column of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.text(self.columns.iter().position(|column| column.name == name)?)
    }

    /// A value as JSON.
    pub fn json(&self, index: usize) -> String {
        let mut json = String::new();
        if let Some(column) = self.columns.get(index) {
            column.kind.write(self.text(index), &mut json);
        }
        json
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        let mut json = String::new();
        for (index, column) in self.columns.iter().enumerate() {
            json.clear();
            column.kind.write(self.text(index), &mut json);
            match serde_json::from_str::<&RawValue>(&json) {
                Ok(raw) => map.serialize_entry(&column.name, raw)?,
                // A server that calls something JSON which isn't must not be able to break our lines.
                Err(_) => map.serialize_entry(&column.name, &self.text(index))?,
            }
        }
        map.end()
    }
}

impl schemars::JsonSchema for Row {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Row".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object", "description": "A row: a key for each column, in the query's order." })
    }
}

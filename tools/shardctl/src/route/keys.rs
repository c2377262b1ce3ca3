//! From a line to a bucket.

use std::borrow::Cow;
use std::fmt;

use flotilla::error::{Error, Result};
use flotilla::input;
use flotilla::placement::{Bucket, Buckets, IdLayout, KeyType, RowId};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::By;

/// Reads the value out of a line and hashes it.
pub(super) struct Reader {
    by: By,
    field: Option<String>,
    key_type: KeyType,
    buckets: Buckets,
}

impl Reader {
    pub(super) fn new(by: By, field: Option<String>, key_type: KeyType, buckets: Buckets) -> Self {
        Self { by, field, key_type, buckets }
    }

    /// Whether lines are JSON objects, and so go out as they came.
    pub(super) fn is_json(&self) -> bool {
        self.field.is_some()
    }

    /// The bucket of one line.
    pub(super) fn bucket(&self, line: &[u8], number: u64) -> Result<Bucket> {
        let text = input::text(line, number)?;
        match &self.field {
            None => self.value(text).map_err(|e| e.within(format_args!("line {number}"))),
            Some(field) => {
                let value = field_of(text, field, number)?;
                self.value(&value).map_err(|e| e.within(format_args!("line {number}")))
            }
        }
    }

    /// The bucket of one value.
    pub(super) fn value(&self, text: &str) -> Result<Bucket> {
        match self.by {
            By::Key => Ok(self.key_type.parse(text)?.bucket(self.buckets)),
            By::Id => Ok(IdLayout::new(self.buckets).bucket(RowId::parse(text)?)),
        }
    }
}

/// The text of one field of a JSON object, with no number ever passing through a float.
fn field_of<'a>(text: &'a str, field: &str, number: u64) -> Result<Cow<'a, str>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = FieldSeed(field).deserialize(&mut reader).and_then(|f| reader.end().map(|()| f)).map_err(|e| {
        Error::input(format!("line {number} is not one valid JSON object"))
            .source(e)
            .hint("Each line must be one whole JSON object; was the writer cut off?")
    })?;
    let raw = found.ok_or_else(|| {
        Error::input(format!("line {number} has no field \"{field}\""))
            .hint("Name the field that holds the key with --field.")
    })?;
    let raw = raw.get();
    match raw.as_bytes()[0] {
        b'"' => serde_json::from_str::<Cow<'a, str>>(raw).map_err(|e| {
            // Half of a surrogate pair: JSON's grammar has it, Unicode doesn't.
            Error::input(format!("line {number}: field \"{field}\" is a string that is not valid Unicode"))
                .source(e)
                .hint("Write characters beyond U+FFFF as both halves of their surrogate pair.")
        }),
        b'-' | b'0'..=b'9' => Ok(Cow::Borrowed(raw)),
        _ => Err(Error::input(format!("line {number}: field \"{field}\" is {raw:.20}, not a key"))
            .hint("A key is a number or a string; NULL keys belong to no shard.")),
    }
}

/// Finds one field of an object and reads past all others.
struct FieldSeed<'f>(&'f str);

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == self.0 {
                if found.is_some() {
                    return Err(serde::de::Error::custom(format!("field \"{key}\" stands twice")));
                }
                found = Some(map.next_value::<&'de RawValue>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

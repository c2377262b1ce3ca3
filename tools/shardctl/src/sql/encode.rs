//! A JSON object as a row of COPY's text format.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use flotilla::error::{Error, Result};
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The columns of a load, in COPY's order.
pub(super) struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Columns {
    /// The columns named on the command line.
    pub(super) fn new(names: Vec<String>) -> Self {
        let places = names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        Self { names, places }
    }

    /// The keys of the first object.
    pub(super) fn of(object: &RawValue) -> Result<Self> {
        let mut reader = serde_json::Deserializer::from_str(object.get());
        let names = Names.deserialize(&mut reader).map_err(|e| not_an_object(&e))?;
        Ok(Self::new(names))
    }

    /// Their names.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Appends one row; `first` stands before the columns. A key that is no column is refused: a value
    /// silently left out would be a row silently wrong.
    pub(super) fn push(&self, out: &mut Vec<u8>, first: Option<i64>, object: &RawValue) -> Result<()> {
        let mut values: Vec<Option<&RawValue>> = vec![None; self.names.len()];
        let mut reader = serde_json::Deserializer::from_str(object.get());
        Values { columns: self, values: &mut values }.deserialize(&mut reader).map_err(|e| not_an_object(&e))?;
        if let Some(first) = first {
            out.extend_from_slice(first.to_string().as_bytes());
        }
        for (at, value) in values.iter().enumerate() {
            if at > 0 || first.is_some() {
                out.push(b'\t');
            }
            field(out, *value)?;
        }
        out.push(b'\n');
        Ok(())
    }
}

fn not_an_object(error: &serde_json::Error) -> Error {
    Error::input(format!("the input is not a row: {error}"))
        .hint("Each input must be a JSON object whose keys are columns; name the columns as --copy 'TABLE(COLUMN, …)'.")
}

/// One field: NULL, a string's text, anything else as its JSON text, which the column's type reads.
fn field(out: &mut Vec<u8>, value: Option<&RawValue>) -> Result<()> {
    let Some(raw) = value.map(RawValue::get).filter(|raw| *raw != "null") else {
        out.extend_from_slice(b"\\N");
        return Ok(());
    };
    let text: Cow<'_, str> = if raw.starts_with('"') {
        serde_json::from_str(raw).map_err(|e| {
            // Half of a surrogate pair: JSON's grammar has it, Unicode doesn't.
            Error::input("a value is a string that is not valid Unicode")
                .source(e)
                .hint("Write characters beyond U+FFFF as both halves of their surrogate pair.")
        })?
    } else {
        Cow::Borrowed(raw)
    };
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0 => return Err(Error::input("a value contains a NUL character").hint("PostgreSQL's text can't hold one.")),
            other => out.push(other),
        }
    }
    Ok(())
}

struct Names;

impl<'de> DeserializeSeed<'de> for Names {
    type Value = Vec<String>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Names {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
            if name.contains('\0') {
                return Err(serde::de::Error::custom("a key contains a NUL character"));
            }
            names.push(name);
        }
        Ok(names)
    }
}

struct Values<'c, 'v, 'de> {
    columns: &'c Columns,
    values: &'v mut Vec<Option<&'de RawValue>>,
}

impl<'de> DeserializeSeed<'de> for Values<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Values<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        use serde::de::Error as _;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let Some(place) = self.columns.places.get(name.as_ref()) else {
                return Err(A::Error::custom(format!("\"{name}\" is no column of this load")));
            };
            if self.values[*place].replace(map.next_value()?).is_some() {
                return Err(A::Error::custom(format!("\"{name}\" stands twice")));
            }
        }
        Ok(())
    }
}

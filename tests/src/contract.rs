//! The contract of lines: order of the head, forms of its values, and the verb's own JSON Schema.

use std::collections::BTreeMap;
use std::fmt;

use chrono::DateTime;
use jsonschema::Validator;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;

/// The keys that begin every line, in this order.
const HEAD: [&str; 6] = ["schema", "target", "status", "changed", "at", "duration_ms"];
/// What a line's status may be.
const STATUSES: [&str; 5] = ["ok", "error", "skipped", "planned", "cancelled"];
/// The keys of an error, in this order.
const ERROR: [&str; 6] = ["code", "message", "sqlstate", "retryable", "hint", "causes"];

/// The schemas that a verb prints with `--schema`, by the value of the `schema` key.
#[derive(Debug)]
pub struct Schemas(BTreeMap<String, Validator>);

impl Schemas {
    /// Reads what `--schema` printed: one or more JSON documents. Each must be a valid schema of
    /// draft 2020-12 that says which line it is of.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut schemas = BTreeMap::new();
        for schema in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            let schema = schema.map_err(|e| format!("--schema printed no JSON: {e}"))?;
            if schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
                return Err(format!("the schema is of {}", schema["$schema"]));
            }
            let id = schema["properties"]["schema"]["const"].as_str().ok_or("the schema doesn't fix the key schema")?;
            let validator = jsonschema::draft202012::options()
                .should_validate_formats(true)
                .build(&schema)
                .map_err(|e| format!("{id} is no valid schema: {e}"))?;
            schemas.insert(id.to_owned(), validator);
        }
        if schemas.is_empty() { Err("--schema printed nothing".to_owned()) } else { Ok(Self(schemas)) }
    }

    /// The schemas' ids.
    pub fn ids(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Checks one line against the contract and against its own schema.
    pub fn check(&self, line: &str) -> Result<(), String> {
        let value = check(line)?;
        let id = value["schema"].as_str().unwrap_or_default();
        let validator = self.0.get(id).ok_or_else(|| format!("{id} is not among {:?}: {line}", self.ids()))?;
        validator.validate(&value).map_err(|e| format!("{e} at {}: {line}", e.instance_path()))
    }
}

/// Checks what holds for every line of every tool; returns it parsed.
pub fn check(line: &str) -> Result<Value, String> {
    let failed = |why: &str| format!("{why}: {line}");
    let value: Value = serde_json::from_str(line).map_err(|e| failed(&e.to_string()))?;
    let keys = keys(line).map_err(|e| failed(&e.to_string()))?;
    if keys.len() < HEAD.len() + 1 || keys[..HEAD.len()] != HEAD {
        return Err(failed("the head is not schema, target, status, changed, at, duration_ms"));
    }
    if keys.last().map(String::as_str) != Some("error") {
        return Err(failed("the last key is not error"));
    }
    if let Some(key) = keys.iter().find(|key| !is_snake_case(key)) {
        return Err(failed(&format!("the key {key} is not in snake_case")));
    }
    let status = value["status"].as_str().unwrap_or_default();
    if !STATUSES.contains(&status) {
        return Err(failed("the status is unknown"));
    }
    if !value["changed"].is_boolean() || !value["duration_ms"].is_u64() {
        return Err(failed("changed or duration_ms is of another type"));
    }
    let at = value["at"].as_str().unwrap_or_default();
    if !at.ends_with('Z')
        || at.len() != "2026-01-01T00:00:00.000000Z".len()
        || DateTime::parse_from_rfc3339(at).is_err()
    {
        return Err(failed("at is not RFC 3339 in UTC with microseconds"));
    }
    let bad = matches!(status, "error" | "skipped" | "cancelled");
    match &value["error"] {
        Value::Null if bad => Err(failed("a bad line has no error")),
        Value::Null => Ok(value),
        error if bad => check_error(error).map_err(|e| failed(&e)).map(|()| value),
        _ => Err(failed("a good line has an error")),
    }
}

/// What holds for every error: PostgreSQL's wording, and all keys.
fn check_error(error: &Value) -> Result<(), String> {
    let missing = ERROR.iter().find(|key| error.get(**key).is_none());
    if let Some(key) = missing {
        return Err(format!("the error has no {key}"));
    }
    let message = error["message"].as_str().unwrap_or_default();
    if message.is_empty() || message.ends_with('.') {
        return Err(format!("the message is empty or ends with a period: {message:?}"));
    }
    match error["hint"].as_str() {
        Some(hint) if !hint.ends_with(['.', '?', '`', ')']) && !hint.contains(' ') => {
            Err(format!("the hint is no sentence: {hint:?}"))
        }
        _ => Ok(()),
    }
}

fn is_snake_case(key: &str) -> bool {
    key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The keys of an object in the order in which they stand.
fn keys(line: &str) -> serde_json::Result<Vec<String>> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    serde_json::Deserializer::from_str(line).deserialize_map(Keys)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_line_in_another_order_is_found() {
        let good = r#"{"schema":"a.b/1","target":null,"status":"ok","changed":false,"at":"2026-01-01T00:00:00.000000Z","duration_ms":0,"error":null}"#;
        assert!(check(good).is_ok());
        let swapped = good.replace(r#""target":null,"status":"ok""#, r#""status":"ok","target":null"#);
        assert!(check(&swapped).is_err());
        assert!(check(&good.replace("\"ok\"", "\"error\"")).is_err());
        assert!(check(&good.replace(".000000Z", "Z")).is_err());
    }
}

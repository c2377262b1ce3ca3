//! The keys of a line, read from its JSON Schema: the one place where their meaning is written.

use anyhow::{Context as _, Result, bail};
use flotilla::record::RecordInfo;
use serde_json::Value;

/// Keys that every line has; they are described once.
const SHARED: &[&str] = &["schema", "target", "status", "changed", "at", "duration_ms", "error"];

/// One key.
pub(crate) struct Field {
    pub(crate) name: String,
    /// Its JSON type, or its possible values.
    pub(crate) kind: String,
    pub(crate) meaning: String,
}

/// One value of an enumeration.
pub(crate) struct Word {
    pub(crate) name: String,
    pub(crate) meaning: String,
}

/// A record's own keys, in the order of the line.
pub(crate) fn own(record: &RecordInfo) -> Result<Vec<Field>> {
    let fields = of_object(record.schema().as_value(), record.schema().as_value())?;
    Ok(fields.into_iter().filter(|field| !SHARED.contains(&field.name.as_str())).collect())
}

/// The keys that every line has, in their order.
pub(crate) fn shared(record: &RecordInfo) -> Result<Vec<Field>> {
    let fields = of_object(record.schema().as_value(), record.schema().as_value())?;
    Ok(fields.into_iter().filter(|field| SHARED.contains(&field.name.as_str())).collect())
}

/// The keys of a type that the line refers to.
pub(crate) fn of_definition(record: &RecordInfo, name: &str) -> Result<Vec<Field>> {
    let schema = record.schema();
    of_object(schema.as_value(), definition(schema.as_value(), name)?)
}

/// The values of an enumeration that the line refers to.
pub(crate) fn words(record: &RecordInfo, name: &str) -> Result<Vec<Word>> {
    let schema = record.schema();
    let values =
        definition(schema.as_value(), name)?["oneOf"].as_array().with_context(|| format!("{name} has no values"))?;
    let words = values.iter().map(|value| {
        Ok(Word {
            name: value["const"].as_str().with_context(|| format!("a value of {name} has no name"))?.to_owned(),
            meaning: sentence(value),
        })
    });
    words.collect()
}

fn definition<'a>(root: &'a Value, name: &str) -> Result<&'a Value> {
    root["$defs"].get(name).with_context(|| format!("the schema doesn't define {name}"))
}

fn of_object(root: &Value, object: &Value) -> Result<Vec<Field>> {
    let properties = object["properties"].as_object().context("the schema has no properties")?;
    let fields = properties.iter().map(|(name, property)| {
        let field = Field { name: name.clone(), kind: kind(root, property)?, meaning: sentence(property) };
        if field.meaning.is_empty() {
            bail!("the key \"{name}\" has no doc comment");
        }
        Ok(field)
    });
    fields.collect()
}

/// The doc comment, on one line.
fn sentence(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A type in a few words. Null is left out: every own key may be null.
fn kind(root: &Value, schema: &Value) -> Result<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        let target = definition(root, name)?;
        return if target["oneOf"].is_array() || target["enum"].is_array() {
            kind(root, target)
        } else {
            Ok("object".to_owned())
        };
    }
    if let Some(values) = schema["enum"].as_array() {
        let names: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        return Ok(names.join(", "));
    }
    for key in ["anyOf", "oneOf"] {
        let Some(choices) = schema[key].as_array() else { continue };
        let mut kinds = Vec::new();
        for choice in choices.iter().filter(|choice| choice["type"] != "null") {
            kinds.push(match choice["const"].as_str() {
                Some(value) => value.to_owned(),
                None => kind(root, choice)?,
            });
        }
        // A long enumeration has a table of its own.
        return Ok(if kinds.len() > 6 { "string".to_owned() } else { kinds.join(", ") });
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => return Ok("any".to_owned()),
    };
    if names == ["array"] {
        return Ok(format!("array of {}", kind(root, &schema["items"])?));
    }
    Ok(names.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::kind;

    #[test]
    fn types_are_named_without_null() {
        let root =
            json!({"$defs": {"Side": {"oneOf": [{"const": "left"}, {"const": "right"}]}, "Thing": {"type": "object"}}});
        for (schema, expected) in [
            (json!({"type": "boolean"}), "boolean"),
            (json!({"type": ["string", "null"]}), "string"),
            (json!({"type": ["array", "null"], "items": {"type": "integer"}}), "array of integer"),
            (json!({"anyOf": [{"$ref": "#/$defs/Side"}, {"type": "null"}]}), "left, right"),
            (json!({"$ref": "#/$defs/Thing"}), "object"),
            (json!({"enum": ["a", "b", null]}), "a, b"),
            (json!({}), "any"),
        ] {
            assert_eq!(kind(&root, &schema).expect("a kind"), expected, "{schema}");
        }
    }
}

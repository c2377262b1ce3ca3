//! flotilla.toml(5) describes every key that the topology can have, as it is, and no other.

use std::collections::BTreeMap;

use flotilla::config::Config;
use serde_json::Value;

/// What the page says of a key, or the code does.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    required: bool,
    /// The default, where it is a value of its own rather than an absence or a rule.
    default: Option<String>,
}

/// Each key below its table: `shards.nodes.port`.
type Keys = BTreeMap<String, Key>;

/// The keys as the configuration's types have them.
fn known() -> Keys {
    let schema = schemars::schema_for!(Config);
    let schema = schema.as_value();
    let mut keys = Keys::new();
    gather(schema, schema, "", &mut keys);
    keys
}

fn gather(root: &Value, schema: &Value, prefix: &str, keys: &mut Keys) {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    for (name, property) in schema["properties"].as_object().expect("properties") {
        let key = format!("{prefix}{name}");
        if let Some(inner) = table(root, property) {
            gather(root, inner, &format!("{key}."), keys);
            continue;
        }
        let default = match &property["default"] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        keys.insert(key, Key { required: required(name), default });
    }
}

/// The table behind a property: an object, or the objects of an array.
fn table<'a>(root: &'a Value, property: &'a Value) -> Option<&'a Value> {
    let property = if property["items"].is_object() { &property["items"] } else { property };
    let found = match property["$ref"].as_str() {
        Some(path) => root.pointer(path.strip_prefix('#')?)?,
        None => property,
    };
    found["properties"].is_object().then_some(found)
}

/// The keys as the page has them, and the tables that it introduces.
fn described() -> (Keys, Vec<String>) {
    let mut keys = Keys::new();
    let mut tables: Vec<String> = Vec::new();
    for line in include_str!("../flotilla.toml.5.md").lines() {
        let introduced = line.strip_prefix("The table `[").or_else(|| line.strip_prefix("Each `[["));
        if let Some(rest) = introduced {
            tables.push(rest.split(']').next().expect("a table's name").to_owned());
        } else if let Some((name, rest)) = line.strip_prefix('`').and_then(|rest| rest.split_once("` (")) {
            let table = tables.last().unwrap_or_else(|| panic!("{name} stands in no table"));
            let traits = rest.strip_suffix(')').unwrap_or_else(|| panic!("{table}.{name}: {rest}"));
            let default = traits.rsplit_once(", default ").map(|(_, default)| default);
            // A default in words is a rule; it may begin with a value.
            let value = default.filter(|default| !default.contains(' ')).map(|value| value.replace('`', ""));
            let key = Key { required: traits.ends_with(", required"), default: value };
            assert!(key.required || default.is_some() || traits.ends_with(", no default"), "{table}.{name}: {traits}");
            assert!(keys.insert(format!("{table}.{name}"), key).is_none(), "{table}.{name} stands twice");
        }
    }
    (keys, tables)
}

#[test]
fn the_page_describes_every_key_and_no_other() {
    let ((described, tables), known) = (described(), known());
    assert_eq!(described.keys().collect::<Vec<_>>(), known.keys().collect::<Vec<_>>());
    let mut once = tables.clone();
    once.dedup();
    assert_eq!(once, tables, "a table is introduced twice");
    for (name, key) in &known {
        assert_eq!(&described[name], key, "{name}");
    }
}

/// The example of the page is a topology that the tools take.
#[test]
fn the_pages_example_is_a_topology() {
    let page = include_str!("../flotilla.toml.5.md");
    let example = page.split("```\n").nth(1).expect("an example");
    let config = Config::parse(example, std::path::Path::new("flotilla.toml")).expect("a topology");
    assert_eq!((config.shards.len(), config.shards[1].nodes[1].name.as_str()), (2, "s1-b"));
}

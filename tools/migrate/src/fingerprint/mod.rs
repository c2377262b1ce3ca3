//! Fingerprints: what every object of a database is, so that shards can be compared object by object.

use std::collections::{BTreeMap, BTreeSet};

use flotilla::error::Result;
use flotilla::pg::Session;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use flotilla::record::Record;

/// An object's kind and name.
type Key = (String, String);

/// The objects of one database, by kind and name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fingerprint {
    objects: BTreeMap<Key, String>,
}

impl Fingerprint {
    /// Reads the catalogue, in one statement and so in one snapshot.
    pub(crate) async fn read(session: &Session) -> Result<Self> {
        let rows = session.simple(include_str!("objects.sql")).await?;
        let text = |row: &tokio_postgres::SimpleQueryRow, at: usize| row.get(at).unwrap_or_default().to_owned();
        Ok(Self { objects: rows.iter().map(|row| ((text(row, 0), text(row, 1)), text(row, 2))).collect() })
    }

    /// One hash over all of it.
    pub(crate) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for ((kind, name), definition) in &self.objects {
            hash.update(format!("{kind}\0{name}\0{definition}\0"));
        }
        short_hex(hash)
    }
}

/// An object that isn't the same everywhere.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Difference {
    /// What it is: table, column, index, constraint, function and so on.
    kind: Option<String>,
    /// Its name, with its schema and table.
    object: Option<String>,
    /// The shards that haven't got it.
    missing_on: Option<Vec<String>>,
    /// Its definitions, each with the shards that have it, the commonest first.
    definitions: Option<Vec<Variant>>,
    /// What to compare: the definitions, or that it is missing, in words.
    summary: Option<String>,
}

/// One of several definitions of an object.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Variant {
    /// The shards that have it.
    shards: Vec<String>,
    /// The definition, in PostgreSQL's words.
    definition: String,
}

impl Record for Difference {
    const KIND: &'static str = "migrate.difference";
    const COLUMNS: &'static [&'static str] = &["kind", "object", "summary"];
}

/// The objects that differ between these databases.
pub(crate) fn compare(databases: &BTreeMap<String, Fingerprint>) -> Vec<Difference> {
    let keys: BTreeSet<&Key> = databases.values().flat_map(|fingerprint| fingerprint.objects.keys()).collect();
    keys.into_iter().filter_map(|key| difference(key, databases)).collect()
}

fn difference(key: &Key, databases: &BTreeMap<String, Fingerprint>) -> Option<Difference> {
    let mut variants: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut missing_on = Vec::new();
    for (shard, fingerprint) in databases {
        match fingerprint.objects.get(key) {
            Some(definition) => variants.entry(definition).or_default().push(shard.clone()),
            None => missing_on.push(shard.clone()),
        }
    }
    if variants.len() == 1 && missing_on.is_empty() {
        return None;
    }
    let mut definitions: Vec<Variant> = variants
        .into_iter()
        .map(|(definition, shards)| Variant { shards, definition: definition.to_owned() })
        .collect();
    definitions.sort_by_key(|variant| std::cmp::Reverse(variant.shards.len()));
    let mut words: Vec<String> = definitions
        .iter()
        .map(|variant| format!("{}: {}", variant.shards.join(" "), variant.definition.replace('\n', " ")))
        .collect();
    if !missing_on.is_empty() {
        words.push(format!("{}: missing", missing_on.join(" ")));
    }
    Some(Difference {
        kind: Some(key.0.clone()),
        object: Some(key.1.clone()),
        missing_on: Some(missing_on),
        definitions: Some(definitions),
        summary: Some(words.join("\n")),
    })
}

/// The first half of a hash in hexadecimal digits: enough to tell states apart, short enough to read.
pub(crate) fn short_hex(hash: Sha256) -> String {
    use std::fmt::Write as _;
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

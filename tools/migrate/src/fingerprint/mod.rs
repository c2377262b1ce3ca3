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
    objects: BTreeMap<Key, Definition>,
}

/// What an object is.
#[derive(Clone, Debug)]
struct Definition {
    /// In PostgreSQL's words.
    text: String,
    /// The same with a mark for the name of any shard: what a script with `${flotilla:shard}` has made is
    /// the same everywhere but for that. That it is the right name the script's checksum proves.
    common: String,
}

impl Fingerprint {
    /// Reads the catalogue, in one statement and so in one snapshot.
    pub(crate) async fn read(session: &Session, shards: &[&str]) -> Result<Self> {
        let rows = session.simple(include_str!("objects.sql")).await?;
        let text = |row: &tokio_postgres::SimpleQueryRow, at: usize| row.get(at).unwrap_or_default().to_owned();
        let definition = |text: String| Definition { common: common(&text, shards), text };
        Ok(Self { objects: rows.iter().map(|row| ((text(row, 0), text(row, 1)), definition(text(row, 2)))).collect() })
    }

    /// One hash over all of it.
    pub(crate) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for ((kind, name), definition) in &self.objects {
            hash.update(format!("{kind}\0{name}\0{}\0", definition.common));
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
    let mut common = BTreeSet::new();
    let mut missing_on = Vec::new();
    for (shard, fingerprint) in databases {
        match fingerprint.objects.get(key) {
            Some(definition) => {
                variants.entry(&definition.text).or_default().push(shard.clone());
                common.insert(&definition.common);
            }
            None => missing_on.push(shard.clone()),
        }
    }
    if common.len() == 1 && missing_on.is_empty() {
        return None;
    }
    let mut definitions: Vec<Variant> = variants
        .into_iter()
        .map(|(definition, shards)| Variant { shards, definition: definition.to_owned() })
        .collect();
    definitions.sort_by_key(|variant| std::cmp::Reverse(variant.shards.len()));
    let mut words: Vec<String> = definitions
        .iter()
        .map(|variant| format!("{}: {}", variant.shards.join(" "), peculiar(variant, &definitions)))
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

/// The lines of a definition that not all others have; all of it where there is no other.
fn peculiar(of: &Variant, all: &[Variant]) -> String {
    let others: Vec<BTreeSet<&str>> = all
        .iter()
        .filter(|other| other.definition != of.definition)
        .map(|other| other.definition.lines().collect())
        .collect();
    if others.is_empty() {
        return "has it".to_owned();
    }
    let lines = of.definition.lines().filter(|line| !others.iter().all(|other| other.contains(line)));
    let lines: Vec<&str> = lines.map(str::trim).collect();
    if lines.is_empty() { "has nothing that the others haven't".to_owned() } else { lines.join("; ") }
}

/// The text with a mark wherever a shard's name stands as a word of its own.
fn common(text: &str, shards: &[&str]) -> String {
    let is_part = |letter: char| letter.is_alphanumeric() || "_$-".contains(letter);
    let words = text.split_inclusive(|letter| !is_part(letter)).map(|piece| {
        let word = piece.trim_end_matches(|letter| !is_part(letter));
        (word, &piece[word.len()..])
    });
    let marked = words.flat_map(|(word, end)| [if shards.contains(&word) { "${flotilla:shard}" } else { word }, end]);
    marked.collect()
}

/// The first half of a hash in hexadecimal digits: enough to tell states apart, short enough to read.
pub(crate) fn short_hex(hash: Sha256) -> String {
    use std::fmt::Write as _;
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Definition, Fingerprint, common, compare};

    fn database(shard: &str, definitions: &[(&str, &str)]) -> (String, Fingerprint) {
        let objects = definitions.iter().map(|(name, text)| {
            let definition = Definition { text: (*text).to_owned(), common: common(text, &["s0", "s1", "eu-1"]) };
            (("table".to_owned(), (*name).to_owned()), definition)
        });
        (shard.to_owned(), Fingerprint { objects: objects.collect() })
    }

    #[test]
    fn a_shards_own_name_is_no_difference() {
        let made = |shard: &str, text: &str| database(shard, &[("f", text)]);
        let differences = |databases: [(String, Fingerprint); 2]| compare(&BTreeMap::from(databases)).len();
        assert_eq!(differences([made("s0", "SELECT 's0', x"), made("s1", "SELECT 's1', x")]), 0);
        assert_eq!(differences([made("s0", "SELECT 's0', x"), made("s1", "SELECT 's1', y")]), 1);
        assert_eq!(differences([made("s0", "SELECT 's0'"), made("s1", "SELECT 's0'")]), 0);
        assert_eq!(differences([made("s0", "s0"), made("s1", "the s1")]), 1);
        assert_eq!(differences([made("s0", "SELECT 's0'"), made("s1", "SELECT 'eu-1'")]), 0);
        assert_eq!(differences([made("s0", "SELECT s01"), made("s1", "SELECT s11")]), 1);
        let hash = |shard: &str| made(shard, &format!("SELECT '{shard}'")).1.hash();
        assert_eq!(hash("s0"), hash("s1"));
    }

    #[test]
    fn the_summary_has_only_what_differs() {
        let same = "owner owner\ngrant SELECT to app\n";
        let databases = BTreeMap::from([
            database("s0", &[("t", &format!("{same}grant SELECT to x")), ("u", "owner owner")]),
            database("s1", &[("t", same)]),
        ]);
        let found = compare(&databases);
        assert_eq!(found[0].summary.as_deref(), Some("s1: has nothing that the others haven't\ns0: grant SELECT to x"));
        assert_eq!(found[1].summary.as_deref(), Some("s0: has it\ns1: missing"));
    }
}

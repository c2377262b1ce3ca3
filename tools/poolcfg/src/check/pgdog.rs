//! What rules need of PgDog's file.

use flotilla::{Error, Result};
use toml::{Table, Value};

/// A `pgdog.toml`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pgdog {
    general: Table,
    /// Its databases, each a server of a shard.
    pub(crate) databases: Vec<Database>,
    text: String,
}

/// One server of a database.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// The database's name.
    pub(crate) name: String,
    /// The shard's number.
    pub(crate) shard: i64,
    /// `primary`, `replica` or `auto`.
    pub(crate) role: String,
    /// The line that it begins on.
    pub(crate) line: usize,
}

impl Pgdog {
    /// Reads a text.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let root: Table = toml::from_str(text)
            .map_err(|source| Error::input("not TOML").hint("Give PgDog's pgdog.toml.").source(source))?;
        let general = root.get("general").and_then(Value::as_table).cloned().unwrap_or_default();
        let mut lines =
            text.lines().enumerate().filter(|(_, line)| line.trim() == "[[databases]]").map(|(at, _)| at + 1);
        let list = root.get("databases").and_then(Value::as_array).into_iter().flatten();
        let databases = list.map(|database| {
            let text = |key: &str| database.get(key).and_then(Value::as_str).map(str::to_owned);
            Database {
                name: text("name").unwrap_or_default(),
                shard: database.get("shard").and_then(Value::as_integer).unwrap_or(0),
                role: text("role").unwrap_or_else(|| "primary".to_owned()),
                line: lines.next().unwrap_or(1),
            }
        });
        Ok(Self { databases: databases.collect(), general, text: text.to_owned() })
    }

    /// A number of `[general]`.
    pub(crate) fn number(&self, key: &str) -> Option<i64> {
        self.general.get(key).and_then(Value::as_integer)
    }

    /// A word of `[general]`.
    pub(crate) fn word(&self, key: &str) -> Option<&str> {
        self.general.get(key).and_then(Value::as_str)
    }

    /// A switch of `[general]`.
    pub(crate) fn is_on(&self, key: &str) -> bool {
        self.general.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The line that a key stands on, else the first.
    pub(crate) fn line(&self, key: &str) -> usize {
        let is =
            |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
        self.text.lines().position(is).map_or(1, |at| at + 1)
    }
}

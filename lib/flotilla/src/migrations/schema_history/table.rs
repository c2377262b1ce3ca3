//! The table's name, and the lock that goes with it.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::pg::advisory::Key;
use postgres_protocol::escape::escape_identifier;

/// The name of a history table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its schema: Flyway's default schema.
    pub schema: String,
    /// Its name in it.
    pub name: String,
}

impl Table {
    /// The name as SQL, quoted, as Flyway quotes it.
    pub fn quoted(&self) -> String {
        format!("{}.{}", escape_identifier(&self.schema), escape_identifier(&self.name))
    }

    /// The schema as SQL, quoted.
    pub fn quoted_schema(&self) -> String {
        escape_identifier(&self.schema)
    }

    /// The name of the table with an ending, as SQL, quoted: constraints and indexes.
    pub fn quoted_with(&self, ending: &str) -> String {
        escape_identifier(&format!("{}{ending}", self.name))
    }

    /// Flyway's advisory lock: a fixed number plus Java's hash of the quoted name. Whoever holds it
    /// is the only one who migrates by this table.
    pub fn lock(&self) -> Key {
        const FLYWAY: i64 = 77_431_708_279_161;
        Key::Number(FLYWAY + i64::from(java_hash(&self.quoted())))
    }
}

impl Default for Table {
    fn default() -> Self {
        Self { schema: "public".to_owned(), name: "flyway_schema_history".to_owned() }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl FromStr for Table {
    type Err = Error;

    /// `table` or `schema.table`, each as it is stored: no quotes, no folding.
    fn from_str(text: &str) -> Result<Self> {
        let (schema, name) = text.split_once('.').unwrap_or(("public", text));
        if schema.is_empty() || name.is_empty() || name.contains('.') || text.contains('\0') {
            return Err(Error::usage(format!("\"{text}\" is not a table's name"))
                .hint("Write it as table or schema.table, such as app.flyway_schema_history."));
        }
        Ok(Self { schema: schema.to_owned(), name: name.to_owned() })
    }
}

/// `String.hashCode` of Java: over UTF-16 units, wrapping.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests {
    use crate::pg::advisory::Key;

    use super::Table;

    /// Both numbers were read from `pg_locks` while Flyway 11.8.2 held its lock.
    #[test]
    fn the_lock_is_flyways() {
        assert_eq!(Table::default().lock(), Key::Number(77_433_833_903_597));
        let app: Table = "app.flyway_schema_history".parse().expect("a name");
        assert_eq!(app.lock(), Key::Number(77_431_436_970_681));
    }

    #[test]
    fn a_name_has_one_or_two_parts() {
        for bad in ["", ".", "a.", ".b", "a.b.c"] {
            assert!(bad.parse::<Table>().is_err(), "{bad:?}");
        }
        assert_eq!("h".parse::<Table>().expect("a name").to_string(), "public.h");
    }
}

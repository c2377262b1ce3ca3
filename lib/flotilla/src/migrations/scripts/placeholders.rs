//! Placeholders: `${name}` in a script, replaced before it is read as SQL.
//!
//! As Flyway does it: everywhere, in strings and comments too; names in any case; a name without a
//! value is an error; a value isn't searched again. Flyway's own names are `flyway:defaultSchema`,
//! `flyway:user`, `flyway:database`, `flyway:timestamp`, `flyway:filename`,
//! `flyway:workingDirectory`, `flyway:table` and `flyway:environment`.

mod pieces;

use std::collections::BTreeMap;

use crate::error::{Error, Result};

pub use self::pieces::Piece;

/// The marks around a name.
#[derive(Clone, Debug)]
pub struct Marks {
    /// What stands before a name.
    pub prefix: String,
    /// What stands after it.
    pub suffix: String,
}

impl Default for Marks {
    fn default() -> Self {
        Self { prefix: "${".to_owned(), suffix: "}".to_owned() }
    }
}

/// Names and values, and how names are marked.
#[derive(Clone, Debug, Default)]
pub struct Placeholders {
    marks: Marks,
    values: BTreeMap<String, String>,
}

impl Placeholders {
    /// No values yet.
    pub fn new(marks: Marks) -> Self {
        Self { marks, values: BTreeMap::new() }
    }

    /// Sets a value; the last one of a name counts.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_lowercase(), value.into());
    }

    /// The same with one more value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// Whether the text has a placeholder.
    pub fn occur_in(&self, text: &str) -> bool {
        text.contains(&self.marks.prefix)
    }

    /// The text with every placeholder replaced.
    pub fn replace(&self, text: &str) -> Result<String> {
        let mut replaced = String::with_capacity(text.len());
        for piece in self.pieces(text) {
            match piece {
                Piece::Text(text) => replaced.push_str(text),
                Piece::Placeholder { value: Some(value), .. } => replaced.push_str(value),
                Piece::Placeholder { written, value: None } => return Err(no_value(&replaced, written)),
                Piece::Unclosed(_) => return Err(self.unclosed(&replaced)),
            }
        }
        Ok(replaced)
    }

    fn unclosed(&self, before: &str) -> Error {
        let (Marks { prefix, suffix }, line) = (&self.marks, line_behind(before));
        Error::config(format!("line {line}: \"{prefix}\" has no \"{suffix}\" behind it"))
            .hint("Close the placeholder, or turn placeholders off for this script in its .conf file.")
    }
}

fn no_value(before: &str, written: &str) -> Error {
    let line = line_behind(before);
    Error::config(format!("line {line}: no value provided for placeholder {written}"))
        .hint("Give it with --placeholder NAME=VALUE or under [migrate.placeholders] in flotilla.toml.")
}

fn line_behind(text: &str) -> usize {
    text.matches('\n').count() + 1
}

//! `files_metadata.json` (`FilesMetadataDto` of WAL-G): every file of a backup, and the part it is in.
//!
//! It has millions of entries where there are millions of tables, so it is neither read nor written
//! whole: entries pass one by one.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::Corrupt;

mod guard;
mod writer;

use guard::Guard;
pub use writer::FilesWriter;

/// A file of the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FileEntry {
    /// Its changed pages alone are stored.
    pub is_incremented: bool,
    /// It is as in the parent, and not stored.
    pub is_skipped: bool,
    /// When it was last changed, to the nanosecond.
    #[serde(rename = "MTime")]
    pub mtime: DateTime<Utc>,
    /// Pages whose checksum was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrupt_blocks: Option<CorruptBlocks>,
    /// How often it changed, by statistics that one way of composing parts goes by.
    #[serde(default)]
    pub updates_count: u64,
}

/// Pages whose checksum was wrong when the backup was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CorruptBlocks {
    /// How many.
    pub corrupt_blocks_count: u64,
    /// Ten of them at most.
    #[serde(default)]
    pub some_corrupt_blocks: Option<Vec<u32>>,
}

/// The tables of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its OID.
    pub oid: u32,
    /// Its tables by schema and name.
    #[serde(rename = "tables_new", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Table>,
}

/// A table's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its OID.
    pub oid: u32,
    /// The number in its files' names.
    pub relfilenode: u32,
    /// Its partitions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub subtables: BTreeMap<String, Table>,
}

/// Takes the entries of the document, in its order.
pub trait Visit {
    /// A file by its member's name.
    fn file(&mut self, name: String, entry: FileEntry) -> Result<(), Corrupt>;

    /// A member of a part.
    fn member(&mut self, part: &str, name: String) -> Result<(), Corrupt>;

    /// A database. Left out unless wanted.
    fn database(&mut self, _name: String, _database: Database) -> Result<(), Corrupt> {
        Ok(())
    }
}

/// Reads the document entry by entry.
pub fn read_files(document: impl Read, visit: &mut dyn Visit) -> io::Result<()> {
    let mut json = serde_json::Deserializer::from_reader(Guard::new(document));
    json.deserialize_map(Document { visit }).and_then(|()| json.end()).map_err(|error| {
        if error.is_io() {
            io::Error::from(error)
        } else {
            Corrupt::new(format!("files_metadata.json: {error}")).into()
        }
    })
}

struct Document<'v> {
    visit: &'v mut dyn Visit,
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { visit } = self;
        let (mut files, mut parts) = (false, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "Files" if !std::mem::replace(&mut files, true) => {
                    map.next_value_seed(Entries::new(|name, entry| visit.file(name, entry)))?;
                }
                "TarFileSets" if !std::mem::replace(&mut parts, true) => map.next_value_seed(Parts { visit })?,
                "Files" | "TarFileSets" => return Err(A::Error::custom(format!("{key} is there twice"))),
                "DatabasesByNames" => {
                    map.next_value_seed(Entries::new(|name, database| visit.database(name, database)))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// An object, or null, whose entries pass one by one.
struct Entries<F, T>(F, PhantomData<T>);

impl<T, F: FnMut(String, T) -> Result<(), Corrupt>> Entries<F, T> {
    fn new(each: F) -> Self {
        Self(each, PhantomData)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(String, T) -> Result<(), Corrupt>> DeserializeSeed<'de> for Entries<F, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(String, T) -> Result<(), Corrupt>> Visitor<'de> for Entries<F, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry()? {
            (self.0)(name, value).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// The members of all parts.
struct Parts<'v> {
    visit: &'v mut dyn Visit,
}

impl<'de> DeserializeSeed<'de> for Parts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Parts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(part) = map.next_key::<String>()? {
            map.next_value_seed(Members { part: &part, visit: &mut *self.visit })?;
        }
        Ok(())
    }
}

/// The members of one part.
struct Members<'v> {
    part: &'v str,
    visit: &'v mut dyn Visit,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<(), A::Error> {
        while let Some(name) = names.next_element()? {
            self.visit.member(self.part, name).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

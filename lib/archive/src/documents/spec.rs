//! Where tablespaces were (`tablespace_spec.go` of WAL-G): an object whose keys are their OIDs, and
//! two keys more.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap as _};
use serde_json::{Map, Value};

/// The tablespaces of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablespaceSpec {
    /// The data directory.
    pub base_prefix: String,
    /// The folder of each, by its OID in decimal.
    pub locations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    loc: String,
    link: String,
}

/// An OID: nothing that could leave `pg_tblspc`.
fn is_oid(name: &str) -> bool {
    !name.is_empty() && name.len() <= 10 && name.bytes().all(|byte| byte.is_ascii_digit())
}

impl Serialize for TablespaceSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.locations.len() + 2))?;
        for (oid, loc) in &self.locations {
            map.serialize_entry(oid, &Entry { loc: loc.clone(), link: format!("pg_tblspc/{oid}") })?;
        }
        map.serialize_entry("base_prefix", &self.base_prefix)?;
        map.serialize_entry("tablespaces", &self.locations.keys().collect::<Vec<_>>())?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for TablespaceSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = Map::deserialize(deserializer)?;
        let Some(Value::String(base_prefix)) = map.remove("base_prefix") else {
            return Err(de::Error::custom("Spec has no base_prefix"));
        };
        let names = map.remove("tablespaces").unwrap_or_default();
        let names: Vec<String> = if names.is_null() {
            Vec::new()
        } else {
            serde_json::from_value(names).map_err(|_| de::Error::custom("Spec's tablespaces are no list of names"))?
        };
        let mut locations = BTreeMap::new();
        for name in names {
            let entry = map.remove(&name).and_then(|entry| serde_json::from_value::<Entry>(entry).ok());
            let sound = entry.filter(|entry| is_oid(&name) && entry.link == format!("pg_tblspc/{name}"));
            let Some(entry) = sound else {
                return Err(de::Error::custom(format!("Spec doesn't say where tablespace {name:?} was")));
            };
            locations.insert(name, entry.loc);
        }
        Ok(Self { base_prefix, locations })
    }
}

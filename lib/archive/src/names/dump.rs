//! Names of logical dumps: `pg_dump`'s directory format, file by file.
//!
//! ```text
//! flotilla/logical/20260102T030405.678Z/dump.json             what it is; written last: without it there is no dump
//! flotilla/logical/20260102T030405.678Z/contents.json.lz4     tables, roles, extensions
//! flotilla/logical/20260102T030405.678Z/files/3456.dat.lz4    a large file
//! flotilla/logical/20260102T030405.678Z/parts/part_001.tar.lz4  small files
//! ```

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::OWN;
use crate::Corrupt;
use crate::codec::Codec;

const FORM: &str = "%Y%m%dT%H%M%S%.3fZ";
const FOLDER: &str = "logical/";
const DOCUMENT: &str = "/dump.json";

/// When a dump began: its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DumpName(String);

impl DumpName {
    /// The name of a dump that begins now.
    pub fn at(time: DateTime<Utc>) -> Self {
        Self(time.format(FORM).to_string())
    }

    /// The folder of all dumps.
    pub fn folder() -> String {
        format!("{OWN}{FOLDER}")
    }

    /// What all objects of the dump begin with.
    pub fn prefix(&self) -> String {
        format!("{OWN}{FOLDER}{self}/")
    }

    /// The document with which the dump exists.
    pub fn document(&self) -> String {
        format!("{OWN}{FOLDER}{self}{DOCUMENT}")
    }

    /// What is in it.
    pub fn contents(&self, codec: Codec) -> String {
        codec.named(&format!("{OWN}{FOLDER}{self}/contents.json"))
    }

    /// A file of its own.
    pub fn file(&self, file: &str, codec: Codec) -> String {
        codec.named(&format!("{OWN}{FOLDER}{self}/files/{file}"))
    }

    /// A part with small files, numbered from 1.
    pub fn part(&self, number: u32, codec: Codec) -> String {
        codec.named(&format!("{OWN}{FOLDER}{self}/parts/part_{number:03}.tar"))
    }

    /// The dump that an object is of.
    pub fn of_key(key: &str) -> Option<Self> {
        key.strip_prefix(OWN)?.strip_prefix(FOLDER)?.split_once('/')?.0.parse().ok()
    }
}

impl fmt::Display for DumpName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DumpName {
    type Err = Corrupt;

    fn from_str(text: &str) -> Result<Self, Corrupt> {
        let parsed = NaiveDateTime::parse_from_str(text, FORM).ok();
        // Only as it is written: other forms of the same time would be other objects.
        let name = parsed.map(|time| Self::at(time.and_utc())).filter(|name| name.0 == text);
        name.ok_or_else(|| Corrupt::new(format!("{text:?} is no name of a dump")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{has_segment_run, sidecar, sidecar_of};
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_hold_no_segment() {
        let name: DumpName = "20260102T030405.678Z".parse().unwrap();
        let file = name.file("3456.dat", Codec::Lz4);
        assert_eq!(file, "flotilla/logical/20260102T030405.678Z/files/3456.dat.lz4");
        assert_eq!(DumpName::of_key(&file), Some(name.clone()));
        assert_eq!(name.part(7, Codec::Zstd), "flotilla/logical/20260102T030405.678Z/parts/part_007.tar.zst");
        for key in [file, name.document(), name.contents(Codec::None)] {
            assert!(!has_segment_run(&key) && !has_segment_run(&sidecar(&key)));
            assert_eq!(sidecar_of(&sidecar(&key)), Some(key));
        }
        for wrong in ["", "20260102T030405Z", "20260102T030405.6Z", "20261302T030405.678Z", "LATEST"] {
            assert!(wrong.parse::<DumpName>().is_err(), "{wrong}");
        }
    }
}

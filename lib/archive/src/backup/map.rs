//! `tablespace_map` (`xlogbackup.c`, `xlogrecovery.c`): where recovery puts the links of tablespaces.
//!
//! A map that is left as it was makes a server that starts elsewhere write into the original's
//! tablespaces. So a restore writes it anew, or leaves it out.

use std::collections::BTreeMap;
use std::fmt;

use crate::Corrupt;

/// Folders of tablespaces by their OID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablespaceMap(pub BTreeMap<u32, String>);

impl TablespaceMap {
    /// Reads the file: `OID path`, with a backslash before line feeds, carriage returns and backslashes
    /// of the path.
    pub fn parse(bytes: &[u8]) -> Result<Self, Corrupt> {
        let wrong = |what: &str| Corrupt::new(format!("tablespace_map: {what}"));
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= 16 << 20);
        let text = text.ok_or_else(|| wrong("it is no text of at most 16 MiB"))?;
        let mut map = BTreeMap::new();
        let mut letters = text.chars();
        let mut line = String::new();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => line.push(letters.next().ok_or_else(|| wrong("it ends on a backslash"))?),
                '\n' | '\r' => {
                    let entry = std::mem::take(&mut line);
                    if entry.is_empty() {
                        continue;
                    }
                    let (oid, path) = entry.split_once(' ').ok_or_else(|| wrong("a line has no path"))?;
                    let oid = oid.parse().ok().filter(|oid| *oid > 0).ok_or_else(|| wrong("a line has no OID"))?;
                    if !path.starts_with('/') || path.contains('\0') {
                        return Err(wrong("a path is not absolute"));
                    }
                    if map.insert(oid, path.to_owned()).is_some() {
                        return Err(wrong("an OID is there twice"));
                    }
                }
                _ => line.push(letter),
            }
        }
        if line.is_empty() { Ok(Self(map)) } else { Err(wrong("the last line has no end")) }
    }
}

impl fmt::Display for TablespaceMap {
    /// The file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (oid, path) in &self.0 {
            let path = path.replace('\\', "\\\\").replace('\n', "\\\n").replace('\r', "\\\r");
            writeln!(f, "{oid} {path}")?;
        }
        Ok(())
    }
}

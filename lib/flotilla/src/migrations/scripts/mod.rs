//! Scripts: the files of a migration directory, by Flyway's conventions.

pub mod checksum;
pub mod event;
pub mod name;
pub mod options;
pub mod placeholders;
mod set;
pub mod version;

use std::path::PathBuf;

use crate::error::{Error, Result};

pub use self::event::Event;
pub use self::name::Kind;
pub use self::options::Options;
pub use self::placeholders::{Marks, Placeholders};
pub use self::set::Set;
pub use self::version::Version;

/// One file, read.
#[derive(Clone, Debug)]
pub struct Script {
    /// What it is.
    pub kind: Kind,
    /// What it says it does.
    pub description: String,
    /// Its path below its location, with `/`: the `script` column of the history.
    pub script: String,
    /// The file.
    pub path: PathBuf,
    /// Its text as it stands, decoded.
    pub text: String,
    /// What its `.conf` file says.
    pub options: Options,
    /// The checksum of its text as it stands.
    pub checksum: i32,
}

impl Script {
    /// Its version, if it has one.
    pub fn version(&self) -> Option<&Version> {
        match &self.kind {
            Kind::Versioned(version) | Kind::Baseline(version) | Kind::Undo(version) => Some(version),
            Kind::Repeatable | Kind::Callback(_) => None,
        }
    }

    /// Its text without byte order mark.
    pub fn plain_text(&self) -> &str {
        self.text.strip_prefix('\u{feff}').unwrap_or(&self.text)
    }

    /// The values for this script: those of all, and its own name.
    pub fn placeholders(&self, of_all: &Placeholders) -> Placeholders {
        let file = self.script.rsplit('/').next().unwrap_or(&self.script);
        of_all.clone().with("flyway:filename", file)
    }

    /// The SQL to run: without byte order mark, placeholders replaced unless its options say otherwise.
    pub fn sql(&self, placeholders: &Placeholders) -> Result<String> {
        let text = self.plain_text();
        if self.options.placeholders == Some(false) || !placeholders.occur_in(text) {
            return Ok(text.to_owned());
        }
        self.placeholders(placeholders).replace(text).map_err(|e| self.at(e))
    }

    /// The error with the file in front.
    pub fn at(&self, error: Error) -> Error {
        error.within(self.path.display())
    }
}

//! A script's own options: the file `<script>.conf` beside it.

use std::path::Path;

use crate::error::{Error, Result};

/// What a `.conf` file may say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether the script runs in one transaction; without a word, its statements decide.
    pub in_transaction: Option<bool>,
    /// Whether placeholders are replaced.
    pub placeholders: Option<bool>,
    /// The script's encoding, by its WHATWG or Java name.
    pub encoding: Option<String>,
}

impl Options {
    /// Reads the lines of a `.conf` file: `key=value`, `#` and `--` begin comments.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut options = Self::default();
        for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with("--") {
                continue;
            }
            let at = format!("{}:{number}", path.display());
            let (key, value) =
                line.split_once('=').ok_or_else(|| Error::config(format!("{at}: not a key=value line")).hint(HINT))?;
            let (key, value) = (key.trim(), value.trim());
            match key.strip_prefix("flyway.").unwrap_or(key) {
                "executeInTransaction" => options.in_transaction = Some(truth(value, &at)?),
                "placeholderReplacement" => options.placeholders = Some(truth(value, &at)?),
                "encoding" => options.encoding = Some(value.to_owned()),
                "shouldExecute" => {
                    return Err(Error::config(format!("{at}: shouldExecute is not supported"))
                        .hint("Flyway's free edition refuses it too; guard the statements in the script itself."));
                }
                other => return Err(Error::config(format!("{at}: unknown key \"{other}\"")).hint(HINT)),
            }
        }
        Ok(options)
    }
}

const HINT: &str = "A script's .conf knows executeInTransaction, placeholderReplacement and encoding.";

fn truth(value: &str, at: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::config(format!("{at}: \"{value}\" is neither true nor false"))),
    }
}

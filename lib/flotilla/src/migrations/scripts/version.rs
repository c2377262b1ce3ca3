//! Versions, in Flyway's order: numbers of any size between dots or underscores.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::error::{Error, Result};
use num_bigint::BigUint;

/// The version of a migration. `1`, `01`, `1.0` and `1_0` are the same; the spelling is kept.
#[derive(Clone, Debug)]
pub struct Version {
    parts: Vec<BigUint>,
    text: String,
}

impl Version {
    /// The spelling, with dots for underscores, as the history stores it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first number, for the next version after it.
    pub fn major(&self) -> &BigUint {
        &self.parts[0]
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        let text = given.replace('_', ".");
        let malformed = || {
            Error::usage(format!("invalid version: \"{given}\""))
                .hint("A version is numbers between dots or underscores, such as 7, 1.2 or 2026_11_25_0930.")
        };
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let mut parts = Vec::new();
        for part in text.split('.') {
            if !digits(part) {
                return Err(malformed());
            }
            parts.push(part.parse::<BigUint>().map_err(|_| malformed())?);
        }
        while parts.len() > 1 && parts.last().is_some_and(|last| *last == BigUint::ZERO) {
            parts.pop();
        }
        Ok(Self { parts, text })
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // No trailing zeros are kept, so the longer of two that agree is the greater.
        self.parts.cmp(&other.parts)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

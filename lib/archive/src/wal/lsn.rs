//! Positions in the log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Corrupt;

/// A position in the log, as `pg_lsn`: shown as two hexadecimal halves, a decimal number in WAL-G's
/// documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lsn(pub u64);

impl Lsn {
    /// `0/0`, which is no position of any record.
    pub const INVALID: Self = Self(0);

    /// The position so many bytes on; at the very end of the log, the end.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }

    /// How many bytes this lies behind another position; 0 when it lies before it.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The next position at which a record may begin: records are aligned to 8 bytes.
    #[must_use]
    pub const fn aligned(self) -> Self {
        Self(self.0.saturating_add(7) & !7)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Lsn {
    type Err = Corrupt;

    fn from_str(text: &str) -> Result<Self, Corrupt> {
        let half = |part: &str| {
            let sound = (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            sound.then(|| u64::from_str_radix(part, 16).ok()).flatten()
        };
        text.split_once('/')
            .and_then(|(high, low)| Some(Self(half(high)? << 32 | half(low)?)))
            .ok_or_else(|| Corrupt::new(format!("invalid WAL position {text:?}")))
    }
}

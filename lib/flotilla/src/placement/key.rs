//! Sharding keys: their type, and reading them from text and JSON without guessing.
//!
//! A key has one spelling. Integers are read only as PostgreSQL prints them: no sign but a minus,
//! no leading zero, no `-0`, no blank, although `'+007 '::bigint` is 7 on the server: a key that
//! looks like that is more often a text key in the wrong column than a number. Uuids are read in
//! every form that the server reads, for each of those names one value only. Text is taken as it
//! stands; the empty text is a key. NULL and a NUL byte are none.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use uuid::Uuid;

use super::{Bucket, Buckets, hash};
use crate::{Error, Result};

/// The declared type of a cluster's sharding key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// `bigint`, 64 bits.
    Bigint,
    /// `integer` or `smallint`, 32 bits; equal values fall into the bucket of the same `bigint`.
    Int,
    /// `uuid`.
    Uuid,
    /// `text` or `varchar` in UTF-8 under a deterministic collation.
    Text,
}

/// The value of a sharding key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// An integer of either width.
    Bigint(i64),
    /// A uuid.
    Uuid(Uuid),
    /// A text without NUL.
    Text(String),
}

impl KeyType {
    /// Every type, in the order in which help texts list them.
    pub const ALL: [Self; 4] = [Self::Bigint, Self::Int, Self::Uuid, Self::Text];

    /// Its name in `flotilla.toml` and in the registry.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bigint => "bigint",
            Self::Int => "int",
            Self::Uuid => "uuid",
            Self::Text => "text",
        }
    }

    /// Reads a key from text.
    #[inline]
    pub fn parse(self, text: &str) -> Result<Key> {
        match self {
            Self::Bigint => match integer(text.as_bytes()) {
                Some(key) => Ok(Key::Bigint(key)),
                None => Err(self.refuse_integer(text)),
            },
            Self::Int => match integer(text.as_bytes()) {
                Some(key) if i32::try_from(key).is_ok() => Ok(Key::Bigint(key)),
                _ => Err(self.refuse_integer(text)),
            },
            Self::Uuid => uuid(text.as_bytes()).map(Key::Uuid).ok_or_else(|| self.refuse(text)),
            Self::Text if memchr::memchr(0, text.as_bytes()).is_some() => {
                Err(Error::input("a text key cannot hold a NUL byte")
                    .hint("PostgreSQL stores no NUL in text; remove it where the key is made."))
            }
            Self::Text => Ok(Key::Text(text.to_owned())),
        }
    }

    /// Reads a key from JSON: integers as a number or a string, uuid and text as a string only.
    pub fn parse_json(self, value: &Value) -> Result<Key> {
        let wanted = match self {
            Self::Bigint | Self::Int => "an integer, or a string of its digits",
            Self::Uuid | Self::Text => "a string",
        };
        let found = match (self, value) {
            (_, Value::String(text)) => return self.parse(text),
            (Self::Bigint | Self::Int, Value::Number(number)) if !number.is_f64() => {
                return self.parse(&number.to_string());
            }
            (_, Value::Null) => {
                return Err(Error::input("the key is null").hint("A row without a key belongs to no shard."));
            }
            (Self::Bigint | Self::Int, Value::Number(_)) => "a fraction, or a number beyond 64 bits",
            (_, Value::Number(_)) => "a number",
            (_, Value::Bool(_)) => "a boolean",
            (_, Value::Array(_)) => "an array",
            (_, Value::Object(_)) => "an object",
        };
        Err(Error::input(format!("the key is {found}")).hint(format!("A {self} key is {wanted}.")))
    }

    /// Why this text is no integer, told apart as the server tells it apart.
    #[cold]
    fn refuse_integer(self, text: &str) -> Error {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let range = match self {
            Self::Int => format!("{} to {}", i32::MIN, i32::MAX),
            _ => format!("{} to {}", i64::MIN, i64::MAX),
        };
        if !number {
            return self.refuse(text);
        }
        if digits.starts_with('0') {
            return Error::input(format!("{} is not the plain spelling of an integer key", quote(text)))
                .hint("Write it without leading zeros; if the zeros matter, the key type is text.");
        }
        Error::input(format!("value {} is out of range for type {self}", quote(text)))
            .hint(format!("A {self} key is {range}."))
    }

    /// The error for a text that isn't of this type at all.
    #[cold]
    fn refuse(self, text: &str) -> Error {
        let hint = match self {
            Self::Bigint | Self::Int => "Write digits only, with a minus sign before them at most.",
            Self::Uuid => "Write 32 hexadecimal digits, as in f47ac10b-58cc-4372-a567-0e02b2c3d479.",
            Self::Text => "Write any text without NUL.",
        };
        Error::input(format!("invalid input syntax for type {self}: {}", quote(text))).hint(hint)
    }
}

impl Key {
    /// PostgreSQL's row hash of this key.
    #[inline]
    pub fn hash(&self) -> u64 {
        match self {
            Self::Bigint(key) => hash::integer(*key),
            Self::Uuid(key) => hash::uuid(key.into_bytes()),
            Self::Text(key) => hash::bytes(key.as_bytes()),
        }
    }

    /// The bucket that this key falls into.
    #[inline]
    pub fn bucket(&self, buckets: Buckets) -> Bucket {
        buckets.of_hash(self.hash())
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for KeyType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            Error::config(format!("unknown key type {}", quote(text)))
                .hint("Use bigint, int, uuid or text; other types have no placement.")
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bigint(key) => key.fmt(f),
            Self::Uuid(key) => key.fmt(f),
            Self::Text(key) => key.fmt(f),
        }
    }
}

/// An integer in the one spelling that PostgreSQL prints.
#[inline]
fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [] | [b'0', ..] => return None,
        _ => {}
    }
    // 18 digits can't overflow, so that the usual key needs no check per digit.
    let (safe, rest) = digits.split_at(digits.len().min(18));
    let mut value = 0_i64;
    for &byte in safe {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 - i64::from(digit);
    }
    // Counted downwards, since the least integer has no positive twin.
    for &byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// A uuid in the forms that PostgreSQL reads: hexadecimal digits of either case, a hyphen or none
/// after every fourth digit, braces around the whole or none.
fn uuid(text: &[u8]) -> Option<Uuid> {
    let digits = match text {
        [b'{', inner @ .., b'}'] => inner,
        bare => bare,
    };
    let mut bytes = [0_u8; 16];
    let mut rest = digits;
    for (index, byte) in bytes.iter_mut().enumerate() {
        let [high, low, after @ ..] = rest else { return None };
        *byte = hex(*high)? << 4 | hex(*low)?;
        rest = match after {
            [b'-', after @ ..] if index % 2 == 1 && index < 15 => after,
            after => after,
        };
    }
    rest.is_empty().then(|| Uuid::from_bytes(bytes))
}

/// The value of one hexadecimal digit.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The text as a message shows it: quoted, escaped, and cut where it is long.
fn quote(text: &str) -> String {
    const SHOWN: usize = 64;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;

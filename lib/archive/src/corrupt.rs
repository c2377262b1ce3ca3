//! Bytes that are not what their format says.

use std::{error, fmt, io};

use flotilla::{Code, Error};

/// What is wrong with the bytes of an object: not a failure to read them, so trying again is no help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrupt(String);

impl Corrupt {
    /// Says what is wrong, in words that name the place.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// The finding in an error of a reader, when it was the bytes and not the reading that failed.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }

    /// Whether an error of a reader means that the bytes are damaged: a finding of ours, of a codec, or
    /// an end that came too early.
    pub fn is_behind(error: &io::Error) -> bool {
        matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Corrupt {}

impl From<Corrupt> for io::Error {
    fn from(corrupt: Corrupt) -> Self {
        Self::new(io::ErrorKind::InvalidData, corrupt)
    }
}

impl From<Corrupt> for Error {
    fn from(corrupt: Corrupt) -> Self {
        Self::new(Code::Mismatch, corrupt.0)
    }
}

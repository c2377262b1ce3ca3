//! What can go wrong with a store, in the classes that decide what may be done about it.

use std::error::Error as StdError;
use std::fmt;

use flotilla::{Code, Error};

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// There is no such object, and the store has proven it: it said so, and it may be listed. A store
    /// that hides what may not be listed never gives this answer, nor does a missing bucket.
    Absent,
    /// The store refuses these credentials this request.
    Denied,
    /// No answer, or none in time.
    Unreachable,
    /// The store asks for patience, or failed within.
    Busy,
    /// What arrived isn't what was sent: another length or checksum.
    Corrupt,
    /// The object was replaced while it was being read.
    Changed,
    /// Anything else: a bucket that isn't there, a request that can't be.
    Other,
}

impl Class {
    /// Whether the same request may succeed when made again at once.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::Busy | Self::Corrupt)
    }
}

/// A failure of a store.
pub struct StoreError {
    class: Class,
    message: String,
    hint: Option<String>,
    attempts: u32,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of everything that a store does.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl StoreError {
    /// A failure of this class; the message is worded as PostgreSQL words its own.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, attempts: 1, source: None }
    }

    /// A sentence that says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What caused it.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// How often it was tried before it was given up.
    #[must_use]
    pub(super) fn after(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Whether the store has proven that there is no such object.
    pub fn is_absent(&self) -> bool {
        self.class == Class::Absent
    }

    /// How often it was tried.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.attempts > 1 { write!(f, " (tried {} times)", self.attempts) } else { Ok(()) }
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.class)?;
        anyhow::Chain::new(self).skip(1).try_for_each(|cause| write!(f, "; caused by: {cause}"))
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}

/// As the contract's errors have it.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let code = match error.class {
            Class::Absent => Code::NotFound,
            Class::Denied => Code::AuthFailed,
            Class::Unreachable | Class::Busy => Code::Unreachable,
            // That it didn't arrive whole says nothing about the object itself.
            Class::Corrupt | Class::Changed | Class::Other => Code::Io,
        };
        let mut coded = Self::new(code, error.to_string());
        if matches!(error.class, Class::Corrupt | Class::Changed) {
            coded = coded.retryable(true);
        }
        if let Some(hint) = error.hint {
            coded = coded.hint(hint);
        }
        match error.source {
            Some(source) => coded.source(source),
            None => coded,
        }
    }
}

/// For those who read a body as bytes.
impl From<StoreError> for std::io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match error.class {
            Class::Absent => std::io::ErrorKind::NotFound,
            Class::Denied => std::io::ErrorKind::PermissionDenied,
            Class::Corrupt | Class::Changed => std::io::ErrorKind::InvalidData,
            Class::Unreachable | Class::Busy => std::io::ErrorKind::TimedOut,
            Class::Other => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

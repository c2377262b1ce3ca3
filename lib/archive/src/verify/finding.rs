//! What verification finds.

use std::fmt;

use flotilla::{Code, Error};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Everything can be restored, but something isn't as it should be.
    Warning,
    /// Something can't be restored, or can't be trusted.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What kind of finding it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Something that must be there isn't.
    Missing,
    /// It can't be unpacked, decrypted or understood.
    Damaged,
    /// The store didn't give it, so nothing is known of it.
    Unchecked,
    /// It isn't what its sums say, or what it was when it was read before.
    Changed,
    /// It is another cluster's.
    Foreign,
    /// It doesn't fit what else is there.
    Unfitting,
    /// A page of a relation has a wrong checksum.
    Page,
    /// A page or record of the log is wrong.
    Wal,
    /// Segments of the log are missing between others.
    Gap,
    /// A backup was begun and not finished.
    Unfinished,
    /// A backup that WAL-G made for a push was never proven.
    Unproven,
    /// Nobody knows what it is.
    Unknown,
    /// Nothing needs it.
    Leftover,
    /// There are no sums beside it.
    NoSums,
}

impl Rule {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::Unchecked => "unchecked",
            Self::Changed => "changed",
            Self::Foreign => "foreign",
            Self::Unfitting => "unfitting",
            Self::Page => "page",
            Self::Wal => "wal",
            Self::Gap => "gap",
            Self::Unfinished => "unfinished",
            Self::Unproven => "unproven",
            Self::Unknown => "unknown",
            Self::Leftover => "leftover",
            Self::NoSums => "no_sums",
        }
    }

    /// What to do about it.
    const fn hint(self) -> &'static str {
        match self {
            Self::Missing => "Fetch it from another store, or make a new full backup now.",
            Self::Damaged | Self::Changed => {
                "Fetch the object from another store, or make a new full backup now; what needs this one can't be restored."
            }
            Self::Unchecked => {
                "Look at why the store doesn't give it, then run this again: what was read isn't read again."
            }
            Self::Foreign => "Find out which cluster wrote here, and give each a prefix of its own.",
            Self::Unfitting => "Don't restore from it; make a new full backup now.",
            Self::Page => "The page was damaged before it was backed up: check the server with pg_amcheck.",
            Self::Wal => "No restore gets past this position; make a new backup now.",
            Self::Gap => {
                "No restore gets past the gap; fetch the segments from another store, or make a new backup now."
            }
            Self::Unfinished => "If no backup is being made, `walg-wrap retain` removes it.",
            Self::Unproven => {
                "Nothing restores it. `walg-wrap verify --prove` proves it where it is sound, and so does the next `walg-wrap push`."
            }
            Self::Unknown => "It is left alone by everything here.",
            Self::Leftover => "`walg-wrap retain` removes it.",
            Self::NoSums => {
                "What it holds was checked as far as it says so itself; `walg-wrap copy` makes sums in the copy."
            }
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is.
    pub rule: Rule,
    /// The object's key.
    pub object: String,
    /// Where in it: a position of the log, or a block.
    pub place: Option<String>,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
    /// The kind of failure.
    pub code: Code,
}

impl Finding {
    fn new(severity: Severity, rule: Rule, object: &str, message: impl Into<String>) -> Self {
        let (object, message, hint) = (object.to_owned(), message.into(), rule.hint());
        Self { severity, rule, object, place: None, message, hint, code: Code::Mismatch }
    }

    pub(super) fn error(rule: Rule, object: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, rule, object, message)
    }

    /// An object that the store didn't give.
    pub(super) fn unchecked(object: &str, error: &Error) -> Self {
        let said = format!("it could not be checked: {}", error.message());
        Self { code: error.code(), ..Self::new(Severity::Error, Rule::Unchecked, object, said) }
    }

    pub(super) fn warning(rule: Rule, object: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, rule, object, message)
    }

    pub(super) fn info(rule: Rule, object: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, rule, object, message)
    }

    /// The same with where in the object it is.
    #[must_use]
    pub(super) fn at(self, place: impl fmt::Display) -> Self {
        Self { place: Some(place.to_string()), ..self }
    }
}

//! File names: what a script is, by Flyway's convention.
//!
//! `V1.2__add_users.sql`: a prefix, a version, two underscores, a description, a suffix. The suffix
//! is matched in any case, the prefix only as written; the longest prefix that fits counts, and the
//! name is split at the first pair of underscores.

use super::event::Event;
use super::version::Version;

/// What a script is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `V`: runs once, in the order of versions.
    Versioned(Version),
    /// `R`: runs again whenever it has changed.
    Repeatable,
    /// `B`: on an empty history, runs in place of all versions up to its own.
    Baseline(Version),
    /// `U`: takes the version back.
    Undo(Version),
    /// Named after an event: runs when it happens.
    Callback(Event),
}

/// A name taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// What the script is.
    pub kind: Kind,
    /// What it says it does: the rest of the name, with spaces for underscores.
    pub description: String,
}

const SUFFIX: &str = ".sql";
const SEPARATOR: &str = "__";

impl Name {
    /// The parts of a file's name; `None` when it isn't a script's.
    pub fn parse(file: &str) -> Option<Self> {
        let cut = file.len().checked_sub(SUFFIX.len())?;
        if !file.is_char_boundary(cut) || !file[cut..].eq_ignore_ascii_case(SUFFIX) {
            return None;
        }
        let stem = &file[..cut];
        if let Some((event, rest)) = Event::prefix_of(stem) {
            return unversioned(rest).map(|description| Self { kind: Kind::Callback(event), description });
        }
        let (prefix, rest) = stem.split_at_checked(1)?;
        match prefix {
            "R" => unversioned(rest).map(|description| Self { kind: Kind::Repeatable, description }),
            "V" => versioned(rest, Kind::Versioned),
            "B" => versioned(rest, Kind::Baseline),
            "U" => versioned(rest, Kind::Undo),
            _ => None,
        }
    }

    /// Whether a name that isn't a script's looks as if it was meant to be one.
    pub fn is_near_miss(file: &str) -> bool {
        let lower = file.to_ascii_lowercase();
        lower.ends_with(SUFFIX) && lower.starts_with(['v', 'r', 'b', 'u']) && Self::parse(file).is_none()
    }
}

fn versioned(rest: &str, kind: fn(Version) -> Kind) -> Option<Name> {
    let (version, description) = rest.split_once(SEPARATOR).unwrap_or((rest, ""));
    Some(Name { kind: kind(version.parse().ok()?), description: words(description) })
}

fn unversioned(rest: &str) -> Option<String> {
    match rest.split_once(SEPARATOR) {
        Some(("", description)) => Some(words(description)),
        None if rest.is_empty() => Some(String::new()),
        _ => None,
    }
}

fn words(description: &str) -> String {
    description.replace('_', " ")
}

//! What a pattern may be told.

use super::ParameterRecord;
use super::facts::Facts;
use super::value::Kind;

/// One thing that a pattern is told.
#[derive(Debug)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// What its value is.
    pub(super) kind: Kind,
    /// What happens without it.
    pub(super) without: Without,
    /// What it means, as a phrase.
    pub(super) about: &'static str,
}

/// What a parameter is when it isn't given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Without {
    /// An error.
    Refused,
    /// Left out.
    Nothing,
    /// This.
    Is(&'static str),
    /// What the scripts tell, as SQL; an error where they don't.
    Told(fn(&Facts) -> Option<String>),
}

/// Must be given.
pub(super) const fn needs(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, kind, without: Without::Refused, about }
}

/// May be given.
pub(super) const fn takes(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, kind, without: Without::Nothing, about }
}

/// May be given; is this otherwise.
pub(super) const fn is(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Parameter {
    Parameter { name, kind, without: Without::Is(default), about }
}

/// May be given; is what the scripts tell otherwise.
pub(super) const fn told(
    name: &'static str,
    kind: Kind,
    by: fn(&Facts) -> Option<String>,
    about: &'static str,
) -> Parameter {
    Parameter { name, kind, without: Without::Told(by), about }
}

impl Parameter {
    /// Whether it must be given where the scripts don't tell it.
    pub(super) fn is_needed(&self) -> bool {
        matches!(self.without, Without::Refused | Without::Told(_))
    }

    /// As `--list` shows it.
    pub(super) fn record(&self) -> ParameterRecord {
        let default = if let Without::Is(default) = self.without { Some(default.to_owned()) } else { None };
        ParameterRecord { name: self.name.to_owned(), about: self.about.to_owned(), default }
    }
}

//! What became of one probe.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flotilla::{Code, Error, clock};

use crate::check::{Check, Health};
use crate::component::{Found, Instance};

/// What became of one probe: what was seen of an instance, or why nothing was.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) component: &'static str,
    pub(crate) instance: Instance,
    /// What the instance is among its kind right now: primary, replica, leader.
    pub(crate) role: Option<String>,
    pub(crate) checks: Vec<Check>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) took: Duration,
    /// Why it couldn't be asked.
    pub(crate) error: Option<Failure>,
}

/// An error that can be kept and shown more than once.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    hint: Option<String>,
    sqlstate: Option<String>,
}

impl Failure {
    fn of(error: &Error) -> Self {
        let record = error.record();
        let whole: Vec<&str> = std::iter::once(&record.message).chain(&record.causes).map(String::as_str).collect();
        let message = whole.join(": ");
        Self { code: record.code, message, hint: record.hint, sqlstate: record.sqlstate }
    }

    /// The error again.
    pub(crate) fn error(&self) -> Error {
        let error = Error::new(self.code, self.message.clone());
        let error = match &self.sqlstate {
            Some(state) => error.sqlstate(state.clone()),
            None => error,
        };
        match &self.hint {
            Some(hint) => error.hint(hint.clone()),
            None => error,
        }
    }

    /// An instance that nobody reaches is down for clients, too. One that doesn't let this login in, or can't
    /// be asked for want of a setting, may be well: nobody can tell.
    fn health(&self) -> Health {
        match self.code {
            Code::AuthFailed | Code::Config | Code::Unsupported | Code::Cancelled | Code::Internal => Health::Unknown,
            _ => Health::Fail,
        }
    }
}

impl Report {
    /// What a probe yielded. Whether the instance answers at all is the first of its checks.
    pub(crate) fn new(
        component: &'static str,
        instance: Instance,
        yielded: Result<Found, Error>,
        took: Duration,
    ) -> Self {
        let at = clock::now();
        match yielded {
            Ok(Found { role, mut checks }) => {
                checks.insert(0, Check::holds("up", true, Health::Fail, ""));
                Self { component, instance, role, checks, at, took, error: None }
            }
            Err(error) => {
                let failure = Failure::of(&error);
                let up = Check::holds("up", false, failure.health(), failure.message.clone());
                let up = match &failure.hint {
                    Some(hint) => up.hint(hint.clone()),
                    None => up,
                };
                Self { component, instance, role: None, checks: vec![up], at, took, error: Some(failure) }
            }
        }
    }

    /// The worst of its checks.
    pub(crate) fn health(&self) -> Health {
        self.checks.iter().map(|check| check.status).max().unwrap_or(Health::Unknown)
    }

    /// The check that makes it what it is; none where all is well.
    pub(crate) fn worst(&self) -> Option<&Check> {
        let health = self.health();
        self.checks.iter().find(|check| check.status == health).filter(|check| check.status > Health::Pass)
    }

    /// What isn't well, in words; several things one after the other.
    pub(crate) fn summary(&self) -> Option<String> {
        let mut bad: Vec<&Check> = self.checks.iter().filter(|check| check.status > Health::Pass).collect();
        bad.sort_by_key(|check| std::cmp::Reverse(check.status));
        let said = |check: &Check| {
            let message = check.message.clone().unwrap_or_else(|| format!("{} is not well", check.label()));
            match &check.of {
                Some(of) if !message.contains(of.as_str()) => format!("{of}: {message}"),
                _ => message,
            }
        };
        let text = bad.into_iter().map(said).collect::<Vec<_>>().join("; ");
        (!text.is_empty()).then_some(text)
    }

    /// The error of its line: why it couldn't be asked, or what was seen to be at least as bad as this.
    pub(crate) fn failure(&self, from: Health) -> Option<Error> {
        if let Some(failure) = &self.error {
            return Some(failure.error());
        }
        let worst = self.worst().filter(|check| check.status >= from)?;
        let error = Error::new(Code::Mismatch, self.summary().unwrap_or_default());
        Some(match &worst.hint {
            Some(hint) => error.hint(hint.clone()),
            None => error,
        })
    }

    /// Component and instance, as one key.
    pub(crate) fn key(&self) -> (&'static str, &str) {
        (self.component, &self.instance.name)
    }
}

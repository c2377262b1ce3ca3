//! Attempts that came to nothing, and the one error that tells of them all.

use std::error::Error as StdError;
use std::fmt;

use super::dial::Address;
use super::endpoint::Host;
use crate::error::{Code, Error};

/// What comes after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another address of the same host.
    Address,
    /// Another host.
    Host,
    /// Nothing: the server's word, or a certificate's, isn't shopped around.
    Stop,
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) next: Next,
    /// The server itself refused, by an error message.
    pub(super) refused: bool,
    /// TLS was in use, or was what failed.
    pub(super) tls: bool,
}

impl Failure {
    pub(super) fn new(error: Error, next: Next) -> Self {
        Self { error, next, refused: false, tls: false }
    }
}

/// The server as messages name it.
pub(super) fn place(host: &Host, address: Option<&Address>) -> String {
    match address {
        Some(Address::Unix(path)) => format!("server on socket \"{}\"", path.display()),
        Some(Address::Tcp(address)) if host.host.is_empty() || host.host == address.ip().to_string() => {
            format!("server at \"{}\", port {}", address.ip(), host.port)
        }
        Some(Address::Tcp(address)) => {
            format!("server at \"{}\" ({}), port {}", host.host, address.ip(), host.port)
        }
        None => format!("server at \"{}\", port {}", host.host, host.port),
    }
}

/// A line of the list of attempts, or of what lies below one.
#[derive(Debug)]
struct Attempt {
    text: String,
    next: Option<Box<Attempt>>,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Attempt {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.next.as_deref().map(|next| next as &(dyn StdError + 'static))
    }
}

/// One error from all attempts, each with the place where it was made.
///
/// The code is the one that says most about what to do: a server's verdict ended the search; a
/// server that didn't answer may be the one looked for; only when all answered and none had the role
/// is the role wrong.
pub(super) fn all(mut attempts: Vec<(String, Failure)>) -> Error {
    if attempts.len() == 1
        && let Some((place, failure)) = attempts.pop()
    {
        return located(&place, &failure.error);
    }
    let telling = attempts
        .iter()
        .find(|(_, failure)| failure.next == Next::Stop)
        .or_else(|| attempts.iter().find(|(_, failure)| failure.error.code() == Code::Unreachable))
        .or_else(|| attempts.iter().find(|(_, failure)| failure.error.code() == Code::Timeout))
        .or_else(|| attempts.first());
    let Some((place, failure)) = telling else {
        return Error::config("no host to connect to");
    };
    let record = failure.error.record();
    let message = match failure.next {
        Next::Stop => format!("connection to {place} failed: {}", record.message),
        _ if failure.error.code() == Code::WrongRole => {
            format!("none of {} servers has the role that is needed", attempts.len())
        }
        _ => format!("none of {} servers could be used", attempts.len()),
    };
    let mut error = Error::new(failure.error.code(), message).retryable(failure.error.is_retryable());
    if let Some(hint) = record.hint {
        error = error.hint(hint);
    }
    if let Some(sqlstate) = record.sqlstate {
        error = error.sqlstate(sqlstate);
    }
    with_causes(
        error,
        attempts.iter().map(|(place, failure)| {
            let record = failure.error.record();
            let why = std::iter::once(record.message).chain(record.causes).collect::<Vec<_>>().join(": ");
            format!("connection to {place} failed: {why}")
        }),
    )
}

/// Hangs these causes onto the error, the first outermost.
fn with_causes(error: Error, causes: impl DoubleEndedIterator<Item = String>) -> Error {
    match causes.rev().fold(None, |next, text| Some(Box::new(Attempt { text, next }))) {
        Some(chain) => error.source(*chain),
        None => error,
    }
}

/// The error, with the place in front.
fn located(place: &str, error: &Error) -> Error {
    let record = error.record();
    let mut located = Error::new(error.code(), format!("connection to {place} failed: {}", record.message))
        .retryable(error.is_retryable());
    if let Some(hint) = record.hint {
        located = located.hint(hint);
    }
    if let Some(sqlstate) = record.sqlstate {
        located = located.sqlstate(sqlstate);
    }
    with_causes(located, record.causes.into_iter())
}

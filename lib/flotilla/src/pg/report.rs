//! What a server says in an error or a notice, and how that becomes an [`Error`].

use std::error::Error as StdError;
use std::fmt;
use std::io;

use postgres_protocol::message::backend::ErrorFields;
use tokio_postgres::error::{DbError, ErrorPosition};
use tokio_postgres::fallible_iterator::FallibleIterator as _;

use super::{pooler, sqlstate};
use crate::error::{Code, Error};
use crate::tls;

/// An error or notice of the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) severity: String,
    pub(super) sqlstate: String,
    pub(super) message: String,
    pub(super) detail: Option<String>,
    pub(super) hint: Option<String>,
    pub(super) position: Option<String>,
}

impl Report {
    pub(super) fn parse(mut fields: ErrorFields<'_>) -> io::Result<Self> {
        let mut report = Self::default();
        while let Some(field) = fields.next()? {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                // The severity that isn't translated comes second and wins.
                b'S' | b'V' => report.severity = value,
                b'C' => report.sqlstate = value,
                b'M' => report.message = value,
                b'D' => report.detail = Some(value),
                b'H' => report.hint = Some(value),
                b'P' => report.position = Some(value),
                _ => {}
            }
        }
        Ok(report)
    }

    /// The error that this report is.
    pub(super) fn error(self) -> Error {
        let mut meaning = sqlstate::meaning(&self.sqlstate);
        if self.sqlstate == pooler::SQLSTATE
            && let Some((code, hint)) = pooler::meaning(&self.message)
        {
            (meaning.code, meaning.hint) = (code, hint);
        }
        let mut code = meaning.code;
        if self.sqlstate == "57014" && self.message.contains("user request") {
            code = Code::Cancelled;
        }
        let mut error = Error::new(code, self.message).sqlstate(self.sqlstate);
        if let Some(retryable) = meaning.retryable {
            error = error.retryable(retryable);
        }
        if let Some(hint) = self.hint.or_else(|| meaning.hint.map(str::to_owned)) {
            error = error.hint(hint);
        }
        match (self.detail, self.position) {
            (Some(detail), _) => error.source(Remark(detail)),
            (None, Some(position)) => error.source(Remark(format!("at character {position} of the statement"))),
            (None, None) => error,
        }
    }

    /// Writes a notice to the log, at the level that its severity deserves.
    pub(super) fn log(&self) {
        let detail = self.detail.as_deref().unwrap_or_default();
        match self.severity.as_str() {
            "WARNING" => tracing::warn!(target: "postgres", sqlstate = self.sqlstate, detail, "{}", self.message),
            "NOTICE" | "INFO" => {
                tracing::info!(target: "postgres", sqlstate = self.sqlstate, detail, "{}", self.message);
            }
            _ => tracing::debug!(target: "postgres", sqlstate = self.sqlstate, detail, "{}", self.message),
        }
    }
}

impl From<&DbError> for Report {
    fn from(error: &DbError) -> Self {
        Self {
            severity: error.severity().to_owned(),
            sqlstate: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            position: match error.position() {
                Some(ErrorPosition::Original(position)) => Some(position.to_string()),
                _ => None,
            },
        }
    }
}

/// A cause that is only a sentence.
#[derive(Debug)]
struct Remark(String);

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Remark {}

/// An error of tokio-postgres, typed by what the server said or by what became of the connection.
impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            return Report::from(db).error();
        }
        if error.is_closed() {
            return closed();
        }
        if let Some(tls) = tls::find(&error) {
            return tls::explain(tls, "the server");
        }
        match error.source().and_then(|cause| cause.downcast_ref::<io::Error>()) {
            // Wrong values and unreadable answers are wrapped in an io::Error as well.
            Some(io) if error.to_string().contains("communicating") => lost(io),
            _ => Self::new(Code::QueryFailed, "could not run the statement").source(error),
        }
    }
}

/// The error of a connection that is no more.
pub(super) fn closed() -> Error {
    Error::new(Code::Unreachable, "server closed the connection unexpectedly")
        .hint("The server, or a pooler or balancer in between, stopped or restarted; run it again.")
}

/// The error of a connection that broke.
pub(super) fn lost(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => closed(),
        _ => Error::new(Code::Unreachable, format!("lost the connection to the server: {}", plain(error))),
    }
}

/// An operating system error in its own words, without the number that Rust adds.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

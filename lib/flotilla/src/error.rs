//! The one error type: what happened, why, and what to do next.
//!
//! An [`Error`] carries a typed [`Code`]; the code decides the exit code and whether trying again
//! can help. Anything that reaches the edge without a code is a bug and ends the process with 70.

use std::error::Error as StdError;
use std::fmt;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use crate::exit::Exit;

/// What kind of failure this is. Part of the JSON contract: codes are only ever added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The command line is wrong.
    Usage,
    /// The configuration or another file that the tool was told to read is wrong.
    Config,
    /// An input line is wrong.
    Input,
    /// No targets were named where they must be.
    NoTargets,
    /// A target isn't in the topology.
    UnknownTarget,
    /// A safety gate said no.
    Refused,
    /// A destructive act lacks `--yes` or `--confirm NAME`.
    ConsentMissing,
    /// The state has moved since the plan was made.
    StateMoved,
    /// The server has another role than the topology or the verb needs.
    WrongRole,
    /// The server isn't the one that it was: another system identifier.
    WrongSystem,
    /// The shard doesn't own this key's bucket, or the epoch is stale.
    NotOwner,
    /// No connection could be made.
    Unreachable,
    /// The server refused the login.
    AuthFailed,
    /// TLS failed: certificate, name or authority.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The run was stopped by a signal.
    Cancelled,
    /// Another run holds the lock.
    LockHeld,
    /// The database's lock wasn't granted in time.
    LockTimeout,
    /// The database reported an error.
    QueryFailed,
    /// The thing asked for doesn't exist.
    NotFound,
    /// A comparison failed: the answer is no.
    Mismatch,
    /// The server or its version can't do this.
    Unsupported,
    /// The line arrived with a failure from the tool before in the pipe.
    UpstreamFailed,
    /// Reading or writing failed.
    Io,
    /// The reader of standard output has gone.
    OutputClosed,
    /// A bug.
    Internal,
}

impl Code {
    /// Every code, in the order of the contract. Derived with the enumeration, so none can be missing.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// The exit code of a run that ends on this error before any target was worked on.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Usage | Self::Config | Self::Input | Self::NoTargets | Self::UnknownTarget => Exit::Usage,
            Self::Refused | Self::ConsentMissing | Self::StateMoved => Exit::Refused,
            Self::LockHeld => Exit::TryLater,
            Self::Internal => Exit::Internal,
            _ => Exit::Failed,
        }
    }

    /// Whether the same call may succeed later with nothing changed by hand.
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Timeout | Self::Cancelled | Self::LockHeld | Self::LockTimeout | Self::NotOwner
        )
    }
}

/// A failure, with everything a person or a script needs to act on it.
pub struct Error {
    code: Code,
    message: String,
    hint: Option<String>,
    sqlstate: Option<String>,
    retryable: Option<bool>,
    exit: Option<Exit>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of nearly everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a message worded as PostgreSQL words its own: lower case, no period.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, sqlstate: None, retryable: None, exit: None, source: None }
    }

    /// A usage error.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// A configuration error.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Code::Config, message)
    }

    /// An error in an input line.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Code::Input, message)
    }

    /// A refusal by a safety gate.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Code::Refused, message)
    }

    /// A bug.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// A sentence that says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The five-character SQLSTATE that the server reported.
    #[must_use]
    pub fn sqlstate(mut self, sqlstate: impl Into<String>) -> Self {
        self.sqlstate = Some(sqlstate.into());
        self
    }

    /// The same error with where it happened in front: `line 3: …`.
    #[must_use]
    pub fn within(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Overrides what the code says about trying again.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = Some(retryable);
        self
    }

    /// Overrides what the code says about how a run ends on this error.
    #[must_use]
    pub fn exits(mut self, exit: Exit) -> Self {
        self.exit = Some(exit);
        self
    }

    /// What caused it. Attached, never formatted into the message.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The typed code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The message alone.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The SQLSTATE, where the server sent one.
    pub fn state(&self) -> Option<&str> {
        self.sqlstate.as_deref()
    }

    /// Whether trying again may help.
    pub fn is_retryable(&self) -> bool {
        self.retryable.unwrap_or_else(|| self.code.retryable())
    }

    /// The exit code of a run that ends on this error.
    pub fn exit(&self) -> Exit {
        self.exit.unwrap_or_else(|| self.code.exit())
    }

    /// The causes, outermost first.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        for cause in anyhow::Chain::new(self).skip(1) {
            let text = cause.to_string();
            if causes.last() != Some(&text) && text != self.message {
                causes.push(text);
            }
        }
        causes
    }

    /// The error as the contract's `error` object.
    pub fn record(&self) -> ErrorRecord {
        ErrorRecord {
            code: self.code,
            message: self.message.clone(),
            sqlstate: self.sqlstate.clone(),
            retryable: self.is_retryable(),
            hint: self.hint.clone(),
            causes: self.causes(),
        }
    }

    /// The error as standard error shows it: message, causes and hint, a line each.
    pub fn text(&self, tool: &str) -> String {
        use fmt::Write as _;
        let mut text = format!("{tool}: {}", self.message);
        for cause in self.causes() {
            let _ = write!(text, "\n  caused by: {cause}");
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\n  hint: {hint}");
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.text("error"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}

/// An error that comes without a code is a bug, unless a coded one is in its chain.
impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(coded) => coded,
            Err(other) => Self::internal(other.to_string()).source(other),
        }
    }
}

/// The `error` object of every record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ErrorRecord {
    /// What kind of failure this is.
    pub code: Code,
    /// What happened, worded as PostgreSQL words it.
    pub message: String,
    /// The server's SQLSTATE; null where no server spoke.
    pub sqlstate: Option<String>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// A sentence that says what to do next.
    pub hint: Option<String>,
    /// The causes, outermost first.
    pub causes: Vec<String>,
}

//! What a guard and its owner say to each other: one JSON object per line, both ways.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::account::Account;

/// A program to be run below a guard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Program {
    /// The program and its arguments.
    pub(super) argv: Vec<String>,
    /// Set on top of the guard's own environment.
    pub(super) environment: BTreeMap<String, String>,
    /// User and group to run as, where it isn't the guard's own.
    pub(super) account: Option<(u32, u32)>,
    /// The folder to run in.
    pub(super) folder: Option<PathBuf>,
    /// The file that takes both its output streams, appended to.
    pub(super) log: Option<PathBuf>,
    /// The number of the signal that asks it to end.
    pub(super) stop_signal: i32,
}

impl Program {
    /// A program, by path or by a name on the PATH. SIGTERM ends it.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            argv: vec![program.as_ref().to_string_lossy().into_owned()],
            environment: BTreeMap::new(),
            account: None,
            folder: None,
            log: None,
            stop_signal: rustix::process::Signal::TERM.as_raw(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.argv.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Runs it as this account.
    #[must_use]
    pub fn account(mut self, account: &Account) -> Self {
        let same = rustix::process::geteuid().as_raw() == account.uid;
        self.account = (!same).then_some((account.uid, account.gid));
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Appends both its output streams to this file.
    #[must_use]
    pub fn log(mut self, file: &Path) -> Self {
        self.log = Some(file.to_owned());
        self
    }

    /// Asks it to end by another signal than SIGTERM.
    #[must_use]
    pub fn stop_signal(mut self, signal: rustix::process::Signal) -> Self {
        self.stop_signal = signal.as_raw();
        self
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// The answer to a request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Started {
    /// It runs.
    Pid(i32),
    /// It couldn't be started.
    Failed(String),
}

/// A line from the guard.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// The program of the last request.
    Started(Started),
    /// A program has ended.
    Exited {
        /// Which one.
        pid: i32,
        /// How.
        exit: Exit,
    },
}

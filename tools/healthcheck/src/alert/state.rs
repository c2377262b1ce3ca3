//! What is remembered between two runs: a file, written whole, held by one run at a time.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flotilla::lock::FileLock;
use flotilla::{Code, Error, Result, journal};
use flotilla_archive::digest::Sum;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::judge::Stage;
use crate::check::Health;
use crate::silence::About;

/// The form of the file; another is refused.
const FORM: u32 = 1;

/// Everything that isn't well, or wasn't when somebody was told last.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    form: u32,
    pub(super) alerts: BTreeMap<String, Alert>,
    #[serde(skip)]
    done: Vec<Alert>,
    #[serde(skip)]
    failures: Vec<(String, Error)>,
}

/// One check of one instance that isn't well.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Alert {
    pub(super) target: Option<String>,
    pub(super) component: String,
    pub(super) instance: String,
    pub(super) shard: Option<String>,
    pub(super) check: String,
    pub(super) of: Option<String>,
    pub(super) health: Health,
    pub(super) summary: Option<String>,
    pub(super) hint: Option<String>,
    pub(super) stage: Stage,
    pub(super) failures: u32,
    pub(super) successes: u32,
    pub(super) since: DateTime<Utc>,
    pub(super) ended: Option<DateTime<Utc>>,
    /// When it was decided last to tell of it.
    pub(super) told: Option<DateTime<Utc>>,
    /// Whether its end has been decided to be told.
    pub(super) resolution_owed: bool,
    /// Who is still to be told.
    pub(super) owed: Vec<String>,
    /// What is told in this run.
    #[serde(skip)]
    pub(super) event: Option<&'static str>,
    #[serde(skip)]
    pub(super) silenced: bool,
    /// Who was told in this run.
    #[serde(skip)]
    pub(super) informed: Vec<String>,
}

/// What names an alert.
pub(super) fn key(component: &str, instance: &str, check: &str, of: Option<&str>) -> String {
    format!("{component}/{instance}/{check}{}", of.map(|of| format!("[{of}]")).unwrap_or_default())
}

impl Alert {
    /// The check, with what in the instance it is about.
    pub(super) fn label(&self) -> String {
        self.of.as_ref().map_or_else(|| self.check.clone(), |of| format!("{}[{of}]", self.check))
    }

    /// The same for the same check of the same instance: the beginning of a hash, as Alertmanager's.
    pub(super) fn fingerprint(&self) -> String {
        let key = key(&self.component, &self.instance, &self.check, self.of.as_deref());
        Sum::of(key.as_bytes()).to_string()[..16].to_owned()
    }

    /// What silences look at.
    pub(super) fn about(&self) -> About<'_> {
        About { component: &self.component, instance: &self.instance, shard: self.shard.as_deref(), check: &self.check }
    }
}

impl State {
    /// A receiver has taken what it was owed.
    pub(super) fn paid(&mut self, receiver: &str) {
        for alert in self.alerts.values_mut() {
            if alert.owed.iter().any(|name| name == receiver) {
                alert.owed.retain(|name| name != receiver);
                alert.informed.push(receiver.to_owned());
            }
        }
        // What is over, and known to all, is forgotten.
        let over: Vec<String> = self
            .alerts
            .iter()
            .filter(|(_, alert)| alert.stage == Stage::Resolved && alert.owed.is_empty())
            .map(|(key, _)| key.clone())
            .collect();
        self.done.extend(over.iter().filter_map(|key| self.alerts.remove(key)));
    }

    /// A receiver hasn't.
    pub(super) fn failed(&mut self, receiver: &str, error: Error) {
        self.failures.push((receiver.to_owned(), error));
    }

    /// Why receivers weren't told.
    pub(super) fn take_failures(&mut self) -> Vec<(String, Error)> {
        std::mem::take(&mut self.failures)
    }

    /// What this run has told of, would tell of, or has kept quiet.
    pub(super) fn told(&self) -> impl Iterator<Item = &Alert> {
        let is_shown = |alert: &&Alert| {
            alert.event.is_some() || !alert.informed.is_empty() || (alert.silenced && alert.stage == Stage::Firing)
        };
        self.alerts.values().chain(&self.done).filter(is_shown)
    }
}

/// The file, held.
pub(super) struct StateFile {
    path: PathBuf,
    _lock: FileLock,
}

impl StateFile {
    /// Takes it, waiting at most so long for another run.
    pub(super) fn open(path: Option<PathBuf>, wait: Duration) -> Result<Self> {
        let path = match path {
            Some(path) => path,
            None => journal::state_dir()?.join("alerts.json"),
        };
        let folder = folder(&path);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| failed("make", folder, e))?;
        let scope = path.canonicalize().unwrap_or_else(|_| path.clone());
        let lock = FileLock::take("healthcheck-alert", &scope.display().to_string(), wait)?;
        Ok(Self { path, _lock: lock })
    }

    /// What is remembered; nothing at the first run.
    pub(super) fn read(&self) -> Result<State> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(State { form: FORM, ..State::default() }),
            Err(error) => return Err(failed("read", &self.path, error)),
        };
        let damaged = || {
            Error::config(format!("{} is damaged", self.path.display()))
                .hint("Delete it: alerts then fire again after as many failures as --failures says.")
        };
        let state: State = serde_json::from_str(&text).map_err(|e| damaged().source(e))?;
        if state.form != FORM {
            return Err(Error::config(format!("{} is of another release", self.path.display()))
                .hint("Delete it, or use the release that wrote it."));
        }
        Ok(state)
    }

    /// Writes it whole: whoever reads it sees the old one or the new one.
    pub(super) fn write(&self, state: &State) -> Result<()> {
        let text = serde_json::to_vec_pretty(state).map_err(|e| Error::internal("the state is not JSON").source(e))?;
        let write = || -> std::io::Result<()> {
            let mut file = NamedTempFile::new_in(folder(&self.path))?;
            file.write_all(&text)?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(|e| failed("write", &self.path, e))
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(Code::Io, format!("could not {what} {}", path.display())).source(error)
}

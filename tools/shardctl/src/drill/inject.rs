//! Breaking and mending: by the program that the topology names, and remembered until it is mended.
//!
//! How a host dies differs from one environment to the next, so the tool doesn't know it. It runs
//! `COMMAND break FAULT NAME…` and `COMMAND mend FAULT NAME…`; either ends with 0 when that is done.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use flotilla::config::Config;
use flotilla::error::{Code, Error, Result};
use flotilla::journal;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// What is broken at present.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Broken {
    pub(super) fault: String,
    pub(super) struck: Vec<String>,
}

/// The program, and where what is broken is remembered.
pub(super) struct Injector {
    command: Vec<String>,
    note: PathBuf,
}

impl Injector {
    /// The topology's.
    pub(super) fn new(config: &Config) -> Result<Self> {
        let command = config.drill.command.clone().ok_or_else(|| {
            Error::config(format!("{}: drill.command is not set", config.path.display()))
                .hint("Name the program that breaks and mends servers here; see flotilla.toml(5).")
        })?;
        let note = journal::state_dir()?.join(format!("broken-{}.json", config.cluster.name));
        Ok(Self { command, note })
    }

    /// What an earlier run has left broken.
    pub(super) fn left(&self) -> Option<Broken> {
        serde_json::from_str(&fs::read_to_string(&self.note).ok()?).ok()
    }

    /// Breaks; noted first, so that a run that is killed is made up for by the next.
    pub(super) async fn break_it(&self, broken: &Broken) -> Result<()> {
        let text = serde_json::to_string(broken).map_err(|e| Error::internal("no JSON").source(e))?;
        fs::write(&self.note, text)
            .map_err(|e| Error::new(Code::Io, format!("could not write {}", self.note.display())).source(e))?;
        let done = self.run("break", broken).await;
        if done.is_err() {
            // Half of it may be broken.
            let _ = self.mend(broken).await;
        }
        done
    }

    /// Mends; the note goes when that is done.
    pub(super) async fn mend(&self, broken: &Broken) -> Result<()> {
        self.run("mend", broken).await?;
        match fs::remove_file(&self.note) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::new(Code::Io, format!("could not remove {}", self.note.display())).source(e))
            }
            _ => Ok(()),
        }
    }

    async fn run(&self, verb: &str, broken: &Broken) -> Result<()> {
        let (program, first) = self.command.split_first().ok_or_else(|| Error::config("drill.command is empty"))?;
        let mut command = Command::new(program);
        command.args(first).args([verb, &broken.fault]).args(&broken.struck).stdin(Stdio::null());
        let output = command.output().await.map_err(|e| {
            Error::new(Code::NotFound, format!("could not run \"{program}\""))
                .hint("It is the first word of drill.command in the topology.")
                .source(e)
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let code = if output.status.code() == Some(3) { Code::Refused } else { Code::QueryFailed };
        Err(Error::new(code, format!("\"{program} {verb} {}\" failed: {said}", broken.fault))
            .hint("drill.command in the topology is what breaks and mends; it must be able to do this."))
    }
}

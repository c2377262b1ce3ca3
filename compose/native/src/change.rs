//! What a running member has yet to take up of files that were written anew.
//!
//! It is noted before the files are written and struck out after the member has taken them, so that
//! a run that was killed in between is made up for by the next.

use std::fs;
use std::io;
use std::path::PathBuf;

use flotilla::{Code, Error, Result};

use crate::files::{self, File};
use crate::plan::Plan;

/// What it takes to make a server use a file that has changed. The later the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing: it looks again by itself, or reads the file only once in its life.
    None,
    /// A signal; sessions stay.
    Reload,
    /// Another process.
    Restart,
}

impl Change {
    /// The word that it is noted and told by.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Reload => "reload",
            Self::Restart => "restart",
        }
    }
}

/// What the member has yet to do.
pub(crate) fn noted(plan: &Plan, member: &str) -> Result<Change> {
    let all = [Change::Reload, Change::Restart];
    let text = files::read_if_there(&path(plan, member))?;
    // A note that can't be understood asks for the strongest.
    Ok(text.map_or(Change::None, |text| {
        all.into_iter().find(|change| change.word() == text.trim()).unwrap_or(Change::Restart)
    }))
}

/// Notes what the member will have to do; a stronger note stays.
pub(crate) fn note(plan: &Plan, member: &str, change: Change) -> Result<()> {
    if change <= noted(plan, member)? {
        return Ok(());
    }
    File::new(path(plan, member), format!("{}\n", change.word())).write(plan).map(drop)
}

/// Strikes the note out.
pub(crate) fn done(plan: &Plan, member: &str) -> Result<()> {
    let path = path(plan, member);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::new(Code::Io, format!("could not remove {}", path.display())).source(error))
        }
        _ => Ok(()),
    }
}

fn path(plan: &Plan, member: &str) -> PathBuf {
    plan.state.join("pending").join(member)
}

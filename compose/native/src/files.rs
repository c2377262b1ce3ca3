//! Files of a stack: owned by who needs them, written whole, and only when they change.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use flotilla::{Code, Error, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::change::{self, Change};
use crate::plan::Plan;

/// Who a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Whoever runs `stack`: root, or the user.
    Caller,
    /// The account that servers run as.
    Servers,
    /// The user at the keyboard, also when sudo is between.
    Client,
    /// Servers read it and, through the group, so does the client.
    Shared,
}

/// One file to be written below the stack's folder.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    text: String,
    owner: Owner,
    mode: u32,
    keep: bool,
    change: Change,
}

impl File {
    /// A file that all may read, owned by the caller.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        Self { path, text, owner: Owner::Caller, mode: 0o644, keep: false, change: Change::Restart }
    }

    /// Gives it to someone.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    /// Lets only its owner read it.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.mode = 0o600;
        self
    }

    /// Makes it executable.
    #[must_use]
    pub fn program(mut self) -> Self {
        self.mode |= 0o111 & (self.mode >> 2);
        self
    }

    /// Writes it only when it isn't there: its server changes it later on.
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Says what a running server has to do to take it; without a word, restart.
    #[must_use]
    pub fn takes(mut self, change: Change) -> Self {
        self.change = change;
        self
    }

    /// Writes a file of a member; true when its text changed. What the member has to do is noted first.
    pub fn write_for(&self, plan: &Plan, member: &str) -> Result<bool> {
        let there = read_if_there(&plan.state.join(&self.path))?;
        let new = there.as_ref().is_none_or(|text| !self.keep && *text != self.text);
        if new && there.is_some() {
            change::note(plan, member, self.change)?;
        }
        self.write(plan)?;
        Ok(new)
    }

    /// Writes it; true when anything changed.
    pub fn write(&self, plan: &Plan) -> Result<bool> {
        let path = plan.state.join(&self.path);
        let (uid, gid, mode) = self.belongs(plan);
        let there = read_if_there(&path)?;
        if there.as_ref().is_some_and(|text| self.keep || *text == self.text) {
            return settle(&path, uid, gid, mode).map_err(|source| failed(&path, source));
        }
        replace(&path, &self.text, uid, gid, mode).map_err(|source| failed(&path, source))?;
        Ok(true)
    }

    fn belongs(&self, plan: &Plan) -> (u32, u32, u32) {
        let caller = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        match self.owner {
            Owner::Caller => (caller.0, caller.1, self.mode),
            Owner::Servers => (plan.servers.uid, plan.servers.gid, self.mode),
            Owner::Client => (plan.client.uid, plan.client.gid, self.mode),
            // One account: nobody to share with.
            Owner::Shared if plan.servers.uid == plan.client.uid || plan.client.uid == 0 => {
                (plan.servers.uid, plan.servers.gid, self.mode)
            }
            Owner::Shared => (plan.servers.uid, plan.client.gid, self.mode | 0o040),
        }
    }
}

/// Writes beside and renames, so that no reader ever sees half a file, nor a secret before its mode.
fn replace(path: &Path, text: &str, uid: u32, gid: u32, mode: u32) -> io::Result<()> {
    let mut half = path.as_os_str().to_owned();
    half.push(".new");
    let half = PathBuf::from(half);
    let _ = fs::remove_file(&half);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
    file.write_all(text.as_bytes())?;
    settle(&half, uid, gid, mode)?;
    file.sync_all()?;
    fs::rename(&half, path)
}

/// Sets owner and mode where they differ; true when they did.
fn settle(path: &Path, uid: u32, gid: u32, mode: u32) -> io::Result<bool> {
    let now = fs::metadata(path)?;
    let moved = now.uid() != uid || now.gid() != gid;
    if moved {
        chown(path, Some(uid), Some(gid))?;
    }
    let changed = now.mode() & 0o7777 != mode;
    if changed {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(moved || changed)
}

/// Makes a folder below the stack's, with owner and mode.
pub fn folder(plan: &Plan, path: &Path, owner: Owner, mode: u32) -> Result<()> {
    let path = plan.state.join(path);
    let (uid, gid, _) = File::new(&path, "").owner(owner).belongs(plan);
    let settled = fs::create_dir_all(&path).and_then(|()| settle(&path, uid, gid, mode));
    settled.map(drop).map_err(|source| failed(&path, source))
}

/// The file's text; none when there is no such file.
pub fn read_if_there(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::new(Code::Io, format!("could not read {}", path.display())).source(source)),
    }
}

/// Fills a template. A value that is missing is an error, never an empty place; a line that holds
/// only a tag leaves no empty line.
pub fn fill(template: &'static str, values: &impl Serialize) -> Result<String> {
    let failed = |source: minijinja::Error| Error::internal("a template could not be filled").source(source);
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(failed)?);
    environment.render_str(template, Serde(values)).map_err(failed)
}

fn failed(path: &Path, source: io::Error) -> Error {
    let error = Error::new(Code::Io, format!("could not write {}", path.display()));
    let error = match source.kind() {
        io::ErrorKind::PermissionDenied => {
            error.hint("Run as the user who started the stack, or set FLOTILLA_STATE to a folder of your own.")
        }
        io::ErrorKind::StorageFull => error.hint("Free some space, or set FLOTILLA_STATE to a larger disk."),
        _ => error,
    };
    error.source(source)
}

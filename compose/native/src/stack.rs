//! One stack: what is recorded about it, and the lock that keeps two runs apart.

use std::fs::{self, TryLockError};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flotilla::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::files::{self, File, Owner};
use crate::parts::{self, Member, Part};
use crate::plan::Plan;
use crate::supervisor::Supervisor;

/// What the stack's folder says about it. Its presence is what makes a folder a stack's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The layout of the folder.
    pub layout: u32,
    /// The stack's name.
    pub name: String,
    /// The base port.
    pub base_port: u16,
    /// Marks every process of the stack.
    pub mark: String,
    /// Whether it has a second region.
    #[serde(default)]
    pub second_region: bool,
}

/// The layout that this version writes.
const LAYOUT: u32 = 1;

/// A stack that this process has to itself.
#[derive(Debug)]
pub struct Stack {
    /// What it consists of.
    pub plan: Plan,
    /// What is recorded about it.
    pub record: Record,
    lock: fs::File,
}

/// Which stack is meant.
#[derive(Clone, Debug)]
pub struct Which {
    /// Its name.
    pub name: String,
    /// The base port; as recorded, or the default, where it isn't given.
    pub base_port: Option<u16>,
    /// Its folder.
    pub state: PathBuf,
    /// The cache folder.
    pub cache: PathBuf,
    /// Whether it is to have a second region; one that it has stays.
    pub second_region: bool,
}

impl Record {
    fn path(state: &Path) -> PathBuf {
        state.join("stack.json")
    }

    /// The record in a folder; none when it is no stack's.
    pub fn read(state: &Path) -> Result<Option<Self>> {
        let path = Self::path(state);
        let Some(text) = files::read_if_there(&path)? else { return Ok(None) };
        let record: Self = serde_json::from_str(&text)
            .map_err(|source| Error::config(format!("{} is damaged", path.display())).source(source))?;
        if record.layout > LAYOUT {
            return Err(Error::config(format!("{} was written by a newer version", path.display()))
                .hint("Use that version, or take the stack down with it first."));
        }
        Ok(Some(record))
    }

    fn write(&self, plan: &Plan) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::internal("no JSON").source(e))?;
        File::new(Self::path(&plan.state), text + "\n").write(plan).map(drop)
    }
}

impl Which {
    /// The plan of a stack that is recorded like this, or not yet.
    pub fn plan(&self, record: Option<&Record>) -> Result<Plan> {
        if let Some(record) = record {
            let same = record.name == self.name && self.base_port.is_none_or(|port| port == record.base_port);
            if !same {
                return Err(Error::config(format!(
                    "{} holds the stack \"{}\" with base port {}",
                    self.state.display(),
                    record.name,
                    record.base_port
                ))
                .hint("Give this one another --name, or remove that one with `compose/down --wipe`."));
            }
        }
        let tools = std::env::current_exe().ok().and_then(|me| Some(me.parent()?.to_owned()));
        let plan = Plan {
            name: self.name.clone(),
            base_port: self.base_port.or(record.map(|r| r.base_port)).unwrap_or(crate::plan::BASE_PORT),
            state: self.state.clone(),
            cache: self.cache.clone(),
            second_region: self.second_region || record.is_some_and(|record| record.second_region),
            tools: tools.ok_or_else(|| Error::internal("this program's folder is unknown"))?,
            servers: Account::server()?,
            client: client()?,
        };
        plan.check()?;
        Ok(plan)
    }
}

/// Who is at the keyboard: sudo tells who called it.
fn client() -> Result<Account> {
    match flotilla::env::var("SUDO_UID") {
        Some(uid) if rustix::process::geteuid().is_root() => Account::lookup(&uid),
        _ => Account::caller(),
    }
}

impl Stack {
    /// Takes an existing stack for this process alone.
    pub fn open(which: &Which) -> Result<Option<Self>> {
        let Some(record) = Record::read(&which.state)? else { return Ok(None) };
        let plan = which.plan(Some(&record))?;
        let lock = lock(&plan)?;
        Ok(Some(Self { plan, record, lock }))
    }

    /// Takes the stack, and makes its folder and record if they aren't there yet.
    pub fn create(plan: Plan) -> Result<Self> {
        files::folder(&plan, Path::new(""), Owner::Caller, 0o755)?;
        let lock = lock(&plan)?;
        let record = Record::read(&plan.state)?.unwrap_or_else(|| Record {
            layout: LAYOUT,
            name: plan.name.clone(),
            base_port: plan.base_port,
            mark: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>()),
            second_region: plan.second_region,
        });
        record.write(&plan)?;
        Ok(Self { plan, record, lock })
    }

    /// The same stack by this plan, which may have more to it than what was recorded.
    pub fn grown(self, plan: Plan) -> Result<Self> {
        let record = Record { second_region: plan.second_region, ..self.record };
        record.write(&plan)?;
        Ok(Self { plan, record, lock: self.lock })
    }

    /// Lets the servers' account reach it.
    pub fn open_way(&self) -> Result<()> {
        open_way(&self.plan.state, self.plan.servers.uid)
    }

    /// Its supervisor.
    pub fn supervisor(&self) -> Supervisor<'_> {
        Supervisor::new(&self.plan, &self.record.mark)
    }

    /// Every member with the part it belongs to, in the order of starting.
    pub fn members(plan: &Plan) -> Vec<(&'static dyn Part, Member)> {
        let mut members: Vec<_> =
            parts::all().iter().flat_map(|part| part.members(plan).into_iter().map(|member| (*part, member))).collect();
        members.sort_by_key(|(_, member)| member.stage);
        members
    }

    /// Removes the stack's folder with all its data. The stack must be down.
    pub fn wipe(self) -> Result<()> {
        let state = self.plan.state.clone();
        let failed = |source: std::io::Error| {
            Error::new(Code::Io, format!("could not remove {}", state.display())).source(source)
        };
        // The record goes last: a removal that was cut off can be taken up again.
        for entry in fs::read_dir(&state).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path == Record::path(&state) {
                continue;
            }
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(failed)?;
        }
        fs::remove_file(Record::path(&state)).map_err(failed)?;
        fs::remove_dir(&state).map_err(failed)?;
        drop(self.lock);
        Ok(())
    }
}

/// Lets the servers' account through the folder that the stacks lie in. Where a tool of root's kept its journal there
/// before any stack was made, that is root's alone; what lies in it has modes of its own.
fn open_way(state: &Path, servers: u32) -> Result<()> {
    let Some(around) = state.parent().filter(|around| around.ends_with("flotilla")) else { return Ok(()) };
    let failed = |source| Error::new(Code::Io, format!("could not open {}", around.display())).source(source);
    let meta = fs::metadata(around).map_err(failed)?;
    let (owner, mode) = (meta.uid(), meta.mode() & 0o7777);
    if owner == servers || owner != rustix::process::geteuid().as_raw() || mode & 0o001 != 0 {
        return Ok(());
    }
    fs::set_permissions(around, fs::Permissions::from_mode(mode | 0o011)).map_err(failed)
}

fn lock(plan: &Plan) -> Result<fs::File> {
    let path = plan.state.join("lock");
    let failed = |source: std::io::Error| {
        Error::new(Code::Io, format!("could not open {}", path.display()))
            .hint("Run as the user who started the stack.")
            .source(source)
    };
    let file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::new(Code::LockHeld, format!("another run is working on the stack \"{}\"", plan.name))
                .hint("Wait until it has ended."))
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_of_stacks_is_opened_and_only_for_another_account() {
        let place = tempfile::tempdir().expect("a folder");
        let me = rustix::process::geteuid().as_raw();
        for (name, servers, expected) in [("flotilla", me + 1, 0o711), ("flotilla", me, 0o700), ("root", me + 1, 0o700)]
        {
            let around = place.path().join(name);
            fs::create_dir_all(around.join("demo")).expect("folders");
            fs::set_permissions(&around, fs::Permissions::from_mode(0o700)).expect("a mode");
            open_way(&around.join("demo"), servers).expect("it is ours");
            assert_eq!(fs::metadata(&around).expect("it is there").mode() & 0o777, expected, "{name} {servers}");
        }
    }
}

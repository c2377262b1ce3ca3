//! A folder with a clean home, in which tools run and see nothing of the machine's own settings.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use flotilla_native::guard::{self, Guard, Process, Program};
use flotilla_native::places;

use crate::run::Run;
use crate::tool;

/// Where system programs are found by scripts.
const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A place to run tools in; removed when dropped, and by a guard when the test is killed.
#[derive(Debug)]
pub struct Sandbox {
    variables: BTreeMap<String, String>,
    guard: Guard,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// An empty one: a home, the XDG folders, no topology.
    pub fn new() -> Self {
        Self::below(&places::short_lived())
    }

    /// One for whole stacks, which need more room than there may be in memory. Their servers run as
    /// another account, and have to reach their folders in it.
    pub fn on_disk() -> Self {
        let sandbox = Self::below(&std::env::temp_dir());
        fs::set_permissions(sandbox.path(), Permissions::from_mode(0o755)).expect("a sandbox to be passed through");
        sandbox
    }

    fn below(place: &Path) -> Self {
        let temporary = tempfile::Builder::new().prefix("flotilla-test-").tempdir_in(place);
        let folder = temporary.expect("a temporary folder");
        let stack = guard::binary().expect("the guard's binary");
        let guard = Guard::over(&stack, folder.path()).expect("a guard");
        let folder = folder.keep();
        let mut variables = BTreeMap::new();
        for (name, path) in [
            ("HOME", "home"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_RUNTIME_DIR", "runtime"),
            ("XDG_STATE_HOME", "state"),
            ("TMPDIR", "tmp"),
        ] {
            let path = folder.join(path);
            DirBuilder::new().mode(0o700).create(&path).expect("a folder of the sandbox");
            variables.insert(name.to_owned(), path.display().to_string());
        }
        variables.insert("PATH".to_owned(), format!("{}:{SYSTEM_PATH}", tool::folder().display()));
        variables.insert("LOGNAME".to_owned(), "tester".to_owned());
        Self { variables, guard }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.guard.folder()
    }

    /// Writes a file that only this user may read or write, below the folder; returns its path.
    pub fn file(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).expect("a folder in the sandbox");
        }
        let _ = fs::remove_file(&path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).expect("a new file");
        file.write_all(text.as_ref()).expect("a file in the sandbox");
        path
    }

    /// The variables that tools are run with, for whoever runs them by itself.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Sets a variable of every tool and script that is run from now on.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// The variables of every run.
    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Makes this text the topology of every run from now on.
    pub fn topology(&mut self, text: impl AsRef<str>) -> PathBuf {
        let path = self.file("flotilla.toml", text.as_ref());
        self.set("FLOTILLA_CONFIG", path.display().to_string());
        path
    }

    /// Starts a server that ends with the sandbox.
    pub fn spawn(&self, program: &Program) -> Process {
        self.guard.spawn(program).expect("a server that starts")
    }

    /// A run of a tool.
    pub fn tool<S: AsRef<OsStr>>(&self, name: &str, args: impl IntoIterator<Item = S>) -> Run {
        Run::new(tool::binary(name)).args(args).environment(&self.variables).folder(self.path())
    }

    /// A run of `shardctl`.
    pub fn shardctl<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        self.tool("shardctl", args)
    }

    /// A run of a shell script that stops at the first failure, with the tools on its PATH. The
    /// exit code of a pipeline is its last command's, as everywhere: `pipefail` is no part of sh.
    pub fn script(&self, text: &str) -> Run {
        for tool in ["shardctl", "migrate", "poolcfg", "healthcheck"] {
            tool::binary(tool);
        }
        Run::new("/bin/sh").args(["-euc", text]).environment(&self.variables).folder(self.path())
    }

    /// Everything that tools have written below the home, runtime and state folders.
    pub fn written(&self) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        let mut folders: Vec<PathBuf> =
            ["home", "config", "runtime", "state", "tmp"].map(|f| self.path().join(f)).into();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    _ => {
                        let bytes = fs::read(entry.path()).unwrap_or_default();
                        found.push((entry.path(), String::from_utf8_lossy(&bytes).into_owned()));
                    }
                }
            }
        }
        found.sort();
        found
    }
}

//! A data folder made once by initdb and copied for each server.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use flotilla::{Code, Error, Result};

use super::{program, run};
use crate::account::Account;

/// Changes whenever what a template holds changes, so that old ones aren't used.
const REVISION: &str = "1";

/// Every server's settings. Those that only a restart can change are the real stack's; fsync and
/// its kin are off, for a server whose folder is removed in the end.
const SETTINGS: &str = "\
# Written by the test harness.
listen_addresses = ''
max_connections = 100
shared_buffers = '32MB'
dynamic_shared_memory_type = mmap
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = logical
wal_log_hints = on
max_wal_senders = 10
max_replication_slots = 10
max_prepared_transactions = 20
track_commit_timestamp = on
hot_standby_feedback = on
shared_preload_libraries = 'pg_stat_statements, pgaudit'
password_encryption = 'scram-sha-256'
log_line_prefix = '%m [%p] %q%u@%d '
timezone = 'UTC'
include_if_exists = 'server.conf'
";

/// A data folder to copy servers from. Kept in the cache folder; never started itself.
#[derive(Clone, Debug)]
pub struct Template {
    data: PathBuf,
    account: Account,
}

impl Template {
    /// The template of this number, made if it isn't there yet (about a second).
    ///
    /// Copies of one template share its system identifier; servers that a test must be able to
    /// tell apart, as the shards of a cluster, come from templates of different numbers.
    pub fn cached(cache: &Path, number: u8) -> Result<Self> {
        let account = Account::server()?;
        let version = version()?;
        let templates = cache.join("templates");
        let folder = templates.join(format!("postgres-{version}-{}-{REVISION}.{number}", account.name));
        let template = Self { data: folder.join("data"), account };
        if folder.is_dir() {
            return Ok(template);
        }
        fs::create_dir_all(&templates).map_err(|source| failed(&templates, source))?;
        // Several test processes may come here at once: one makes it, the others wait.
        let lock = templates.join("lock");
        let lock = File::options().create(true).append(true).open(&lock).map_err(|source| failed(&lock, source))?;
        lock.lock().map_err(|source| failed(&templates, source))?;
        if !folder.is_dir() {
            template.make(&folder)?;
        }
        Ok(template)
    }

    /// The account that owns the template's files and that its servers run as.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Makes it beside its place and renames, so that a half-made one is never found.
    fn make(&self, folder: &Path) -> Result<()> {
        let half = folder.with_extension("half");
        if half.exists() {
            fs::remove_dir_all(&half).map_err(|source| failed(&half, source))?;
        }
        self.account.private_folder(&half)?;
        let data = half.join("data");
        let mut initdb = Command::new(program("initdb"));
        initdb.args(["--no-sync", "--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]);
        initdb.args(["--username=postgres", "--auth=scram-sha-256", "--auth-local=peer", "--pgdata"]).arg(&data);
        initdb.current_dir("/");
        run(self.account.run(&mut initdb), "initdb")?;
        self.write(&data.join("postgresql.conf"), SETTINGS)?;
        fs::rename(&half, folder).map_err(|source| failed(folder, source))
    }

    fn write(&self, path: &Path, text: &str) -> Result<()> {
        fs::write(path, text).map_err(|source| failed(path, source))?;
        self.account.own(path)
    }

    /// Copies the data folder; where the file system can share blocks it does.
    pub(super) fn copy_to(&self, data: &Path) -> Result<()> {
        let mut copy = Command::new("cp");
        run(copy.args(["-a", "--reflink=auto"]).arg(&self.data).arg(data), "copying the template").map(drop)
    }
}

/// The version of PostgreSQL that is installed, asked for once.
fn version() -> Result<&'static str> {
    static VERSION: OnceLock<String> = OnceLock::new();
    if let Some(known) = VERSION.get() {
        return Ok(known);
    }
    let said = run(Command::new(program("postgres")).arg("--version"), "postgres --version")?;
    let version = said.split_ascii_whitespace().nth(2).unwrap_or("unknown").to_owned();
    Ok(VERSION.get_or_init(|| version))
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::new(Code::Io, format!("could not make {}", path.display())).source(source)
}

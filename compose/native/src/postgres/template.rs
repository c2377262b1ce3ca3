//! A data folder made once by initdb and copied for each server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use flotilla::{Error, Result};

use super::{Options, Server, Shutdown, program, run};
use crate::account::Account;
use crate::kept;

/// Changes whenever what a template holds changes, so that old ones aren't used.
const REVISION: &str = "4";

/// Every server's settings. Those that only a restart can change are the real stack's; fsync and
/// its kin are off, for a server whose folder is removed in the end, and so is the compiler of queries, which takes
/// longer to load than a query of the tests lasts.
const SETTINGS: &str = "\
# Written by the test harness.
listen_addresses = ''
max_connections = 100
shared_buffers = '32MB'
dynamic_shared_memory_type = mmap
jit = off
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
        let folder = cache.join("templates");
        let folder = folder.join(format!("postgres-{version}-{}-{REVISION}.{number}", account.name));
        let template = Self { data: folder.join("data"), account };
        kept::folder(&folder, |half| template.make(half)).map(|()| template)
    }

    /// What servers of these templates are after `change`: the templates of this name, made if they aren't there yet.
    /// What they are made with goes into the stamp; those of the same name with another stamp are old, and removed.
    pub fn changed(
        bases: &[Self],
        name: &str,
        stamp: &str,
        change: impl FnOnce(&[Server]) -> Result<()>,
    ) -> Result<Vec<Self>> {
        let base = bases.first().and_then(|base| base.data.parent());
        let base = base.ok_or_else(|| Error::internal("no template to begin with"))?;
        let old = format!("{}+{name}@", base.file_name().unwrap_or_default().to_string_lossy());
        let folder = base.with_file_name(format!("{old}{stamp}"));
        kept::folder(&folder, |half| {
            kept::remove_others(&folder, &old)?;
            let start = |base| Server::start(base, Options::default());
            let mut servers = bases.iter().map(start).collect::<Result<Vec<_>>>()?;
            change(&servers)?;
            // What has happened so far needn't be copied each time: WAL goes on in an empty segment.
            let segments = servers.iter().map(begin_segment).collect::<Result<Vec<_>>>()?;
            bases[0].account.private_folder(half)?;
            for (number, server) in servers.iter_mut().enumerate() {
                server.stop(Shutdown::Fast)?;
                remove_other_segments(&server.data(), &segments[number])?;
                kept::copy(&server.data(), &half.join(format!("data{number}")))?;
            }
            Ok(())
        })?;
        let changed = |(number, base): (usize, &Self)| Self {
            data: folder.join(format!("data{number}")),
            account: base.account.clone(),
        };
        Ok(bases.iter().enumerate().map(changed).collect())
    }

    /// The account that owns the template's files and that its servers run as.
    pub fn account(&self) -> &Account {
        &self.account
    }

    fn make(&self, half: &Path) -> Result<()> {
        self.account.private_folder(half)?;
        let data = half.join("data");
        let mut initdb = Command::new(program("initdb"));
        initdb.args(["--no-sync", "--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]);
        initdb.args(["--username=postgres", "--auth=scram-sha-256", "--auth-local=peer", "--pgdata"]).arg(&data);
        initdb.current_dir("/");
        run(self.account.run(&mut initdb), "initdb")?;
        self.account.write(&data.join("postgresql.conf"), SETTINGS)
    }

    /// Copies the data folder.
    pub(super) fn copy_to(&self, data: &Path) -> Result<()> {
        kept::copy(&self.data, data)
    }
}

/// Ends the segment of WAL at hand, and the recovery that would need it; the name of the new one.
fn begin_segment(server: &Server) -> Result<String> {
    server.sql("SELECT pg_switch_wal()")?;
    server.sql("CHECKPOINT")?;
    server.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
}

/// Removes what a stopped server keeps of WAL besides the segment that it goes on with.
fn remove_other_segments(data: &Path, segment: &str) -> Result<()> {
    let folder = data.join("pg_wal");
    for entry in fs::read_dir(&folder).map_err(|source| kept::failed(&folder, source))?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) && entry.file_name() != segment {
            fs::remove_file(entry.path()).map_err(|source| kept::failed(&entry.path(), source))?;
        }
    }
    Ok(())
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

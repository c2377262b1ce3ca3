//! Servers that archive, and tools that run beside them as the servers' own account.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flotilla_native::account::Account;
use flotilla_native::postgres::{Options, Server};

use crate::fleet::Fleet;
use crate::object_store::ObjectStore;
use crate::run::Run;
use crate::tool;
use crate::wait::until;

/// Folders of the sandbox that belong to the servers' account.
const FOLDERS: [&str; 6] = ["archive", "operator", "operator/home", "operator/tmp", "operator/state", "restored"];

/// The run with the account's home, settings and passwords.
pub(crate) fn operators(fleet: &Fleet, run: Run) -> Run {
    let path = |name: &str| fleet.operator(name);
    run.env("HOME", path("home"))
        .env("TMPDIR", path("tmp"))
        .env("XDG_STATE_HOME", path("state"))
        .env("XDG_RUNTIME_DIR", path("state"))
        .env("FLOTILLA_CONFIG", path("flotilla.toml"))
        .env("PGPASSFILE", path("passwords"))
        .env("PATH", format!("{}{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin", tool::folder().display(), beside_wal_g()))
        .env("LOGNAME", "operator")
}

impl Fleet {
    /// Gives the topology a folder as its store of archives, with these lines in `[archive]`, and makes
    /// every server archive there. The servers must have `archive_mode` on, by [`crate::Builder::archiving`].
    pub fn archive(&mut self, settings: &str) -> PathBuf {
        let store = self.archive_by_hand(settings);
        self.command_archiving();
        store
    }

    /// The same, and no server archives by itself.
    pub fn archive_by_hand(&mut self, settings: &str) -> PathBuf {
        let store = self.path().join("archive");
        self.archive_at(
            settings,
            &format!("[[archive.stores]]\nname = \"here\"\nurl = \"file://{}\"\n", store.display()),
        );
        store
    }

    /// The same with a path of an S3 service.
    pub fn archive_in(&mut self, service: &ObjectStore, path: &str, settings: &str) {
        let authority = service.authority();
        for folder in authority.ancestors().skip(1).take(2) {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("a folder to be passed through");
        }
        let account = Account::server().expect("the servers' account");
        for file in [&authority, &service.credentials()] {
            account.own(file).expect("a file of the servers");
        }
        self.archive_at(settings, &service.toml(path, "writer"));
        self.command_archiving();
    }

    fn archive_at(&mut self, settings: &str, store: &str) {
        let account = Account::server().expect("the servers' account");
        fs::set_permissions(self.path(), Permissions::from_mode(0o755)).expect("a sandbox to be passed through");
        for folder in FOLDERS {
            account.private_folder(&self.path().join(folder)).expect("a folder of the servers");
        }
        // Machines with and without WAL-G prove the same, unless a test is about the choice.
        let engine = if settings.contains("engine") { "" } else { "engine = \"embedded\"\n" };
        // Writing to a string doesn't fail.
        let _ = write!(self.topology.rest, "\n[archive]\n{engine}{settings}\n{store}");
        self.share_topology();
    }

    /// Writes the topology, and a copy of it and of the passwords for the servers' account.
    pub fn share_topology(&mut self) {
        self.write_topology();
        let account = Account::server().expect("the servers' account");
        for file in ["flotilla.toml", "passwords"] {
            let copy = self.operator(file);
            fs::copy(self.path().join(file), &copy).expect("a copy for the servers' account");
            account.own(&copy).expect("a file of the servers");
        }
    }

    /// Makes every server archive.
    fn command_archiving(&mut self) {
        let walg_wrap = tool::binary("walg-wrap");
        let config = self.operator("flotilla.toml");
        for shard in &mut self.shards {
            for node in &mut shard.nodes {
                let command =
                    format!("{} wal-push -q -t {} --config {} %p", walg_wrap.display(), shard.name, config.display());
                node.server.set("archive_command", &command).expect("a setting");
                node.server.reload();
            }
        }
    }

    /// A file of the account that servers and operators of these tests share.
    pub fn operator(&self, name: &str) -> PathBuf {
        self.path().join("operator").join(name)
    }

    /// A run of a tool as that account.
    pub fn as_operator<S: AsRef<OsStr>>(&self, tool: &str, args: impl IntoIterator<Item = S>) -> Run {
        self.program_as_operator(&tool::binary(tool), args)
    }

    /// A run of any program as that account.
    pub fn program_as_operator<S: AsRef<OsStr>>(&self, program: &Path, args: impl IntoIterator<Item = S>) -> Run {
        let account = Account::server().expect("the servers' account");
        let run = Run::new(program).args(args).account(&account).folder(&self.operator("home"));
        operators(self, run)
    }

    /// Ends the segment at hand and waits until the archive has all before it.
    pub fn archived(&self, shard: usize) {
        let server = self.primary(shard);
        let sql = |sql: &str| server.sql(sql).unwrap_or_else(|e| panic!("{}", e.text("sql")));
        // Without a record there would be nothing to switch from.
        sql("SELECT pg_logical_emit_message(false, 'archived', '')");
        let last = sql("SELECT pg_walfile_name(pg_switch_wal())");
        let has_it = format!("SELECT last_archived_wal >= '{last}' FROM pg_stat_archiver");
        until("the segment is archived", || (sql(&has_it) == "t").then_some(()));
    }

    /// Starts a server on a data folder that `fill` makes, and lets it recover from the archive of a
    /// shard as far as that goes.
    pub fn recovered(&self, shard: usize, fill: impl FnOnce(&Path)) -> Server {
        let fetch = format!(
            "{} wal-fetch -q -t {} --for pitr --config {} %f %p",
            tool::binary("walg-wrap").display(),
            self.shards[shard].name,
            self.operator("flotilla.toml").display()
        );
        let options = Options::default().set("restore_command", fetch).set("archive_mode", "off");
        let account = Account::server().expect("the servers' account");
        let recovered = Server::filled(account.clone(), options, |data| {
            fill(data);
            let signal = data.join("recovery.signal");
            fs::write(&signal, "").expect("recovery.signal");
            account.own(&signal)
        });
        let server = recovered.unwrap_or_else(|e| panic!("{}", e.text("postgres")));
        until("recovery is over", || {
            server.sql("SELECT pg_is_in_recovery()").is_ok_and(|answer| answer == "f").then_some(())
        });
        server
    }
}

/// Where WAL-G is, to be said in a PATH; nothing where it isn't.
fn beside_wal_g() -> String {
    let path = flotilla::env::var("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find(|folder| folder.join("wal-g").is_file());
    found.map_or_else(String::new, |folder| format!(":{}", folder.display()))
}

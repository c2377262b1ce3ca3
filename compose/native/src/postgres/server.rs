//! One running test server.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flotilla::{Code, Error, Result};
use rustix::process::Signal;

use super::options::{Listen, Options};
use super::{SOCKET_PATH_LIMIT, Template, program, run, superuser};
use crate::account::Account;
use crate::guard::{self, Guard, Process, Program};
use crate::places;
use crate::process::wait_until;

/// The port in the socket's name where no TCP port was asked for.
const SOCKET_PORT: u16 = 5432;
/// How long a start or stop may take before it counts as failed.
const LIMIT: Duration = Duration::from_mins(1);

/// A PostgreSQL server of its own folder, removed when this is dropped.
#[derive(Debug)]
pub struct Server {
    guard: Guard,
    account: Account,
    options: Options,
    port: u16,
    process: Option<Process>,
    /// Held by whoever makes a replica.
    copying: Mutex<()>,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Sessions are ended, a checkpoint is written.
    Fast,
    /// At once; the next start recovers.
    Immediate,
    /// `kill -9` of the postmaster; its children notice and end.
    Kill,
}

impl Server {
    /// Copies the template and starts a server from the copy.
    pub fn start(template: &Template, options: Options) -> Result<Self> {
        let (account, megabytes) = (template.account().clone(), options.segment_megabytes);
        Self::create(account.clone(), options, |data| {
            template.copy_to(data)?;
            let Some(megabytes) = megabytes else { return Ok(()) };
            let mut reset = Command::new(program("pg_resetwal"));
            reset.arg(format!("--wal-segsize={megabytes}")).arg(data).current_dir("/");
            run(account.run(&mut reset), "pg_resetwal").map(drop)
        })
    }

    /// A streaming replica of this server, through a slot of its own.
    pub fn replica(&self, options: Options) -> Result<Self> {
        Self::create(self.account.clone(), options, |data| {
            let slot = slot(data);
            let mut backup = Command::new(program("pg_basebackup"));
            backup.args(["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"]);
            backup.args(["--create-slot", "--slot", &slot]);
            backup.arg("--dbname").arg(self.conninfo("postgres")).arg("--pgdata").arg(data).current_dir("/");
            // A slot that is made while another backup's checkpoint removes WAL can be invalid at once, and its
            // walsender is then terminated.
            let _one = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
            run(self.account.run(&mut backup), "pg_basebackup").map(drop)
        })
    }

    /// The same of a server that was just started from this template: what has happened since is in its WAL, so that
    /// no file needs to be sent.
    pub fn follower(&self, template: &Template, options: Options) -> Result<Self> {
        Self::create(self.account.clone(), options, |data| {
            template.copy_to(data)?;
            let slot = slot(data);
            self.sql(&format!("SELECT pg_create_physical_replication_slot('{slot}', true)"))?;
            let primary = self.conninfo("postgres");
            let settings = format!("primary_conninfo = '{primary}'\nprimary_slot_name = '{slot}'\n");
            self.account.write(&data.join("postgresql.auto.conf"), &settings)?;
            self.account.write(&data.join("standby.signal"), "")
        })
    }

    /// A server on a data folder that `fill` makes.
    pub fn filled(account: Account, options: Options, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        Self::create(account, options, fill)
    }

    fn create(account: Account, options: Options, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let place = options.place.clone().unwrap_or_else(places::short_lived);
        let folder = tempfile::Builder::new().prefix("flotilla-").tempdir_in(place).map_err(|source| {
            Error::new(Code::Io, "could not make a temporary folder").hint("Check TMPDIR.").source(source)
        })?;
        let longest = folder.path().join(".s.PGSQL.65535").as_os_str().len();
        if longest > SOCKET_PATH_LIMIT {
            return Err(Error::config(format!("the path {} is too long for a Unix socket", folder.path().display()))
                .hint("Set TMPDIR to a short path, as /tmp."));
        }
        // From here on the guard removes it.
        let guard = Guard::over(&guard::binary()?, folder.path())?;
        let folder = folder.keep();
        account.own(&folder)?;
        fill(&folder.join("data"))?;
        let mut server = Self { guard, account, options, port: SOCKET_PORT, process: None, copying: Mutex::new(()) };
        server.launch()?;
        Ok(server)
    }

    /// Starts it again after [`Server::stop`], on the same port.
    pub fn launch(&mut self) -> Result<()> {
        if self.process.as_ref().is_some_and(|process| process.exit().is_none()) {
            return Ok(());
        }
        self.take_port()?;
        self.configure()?;
        let postgres = Program::new(program("postgres"))
            .args(["-D", &self.data().to_string_lossy()])
            .account(&self.account)
            .folder(&self.data())
            .log(&self.log_file())
            // Immediate: the folder goes anyway, and shared memory is freed all the same.
            .stop_signal(Signal::QUIT);
        let process = self.guard.spawn(&postgres)?;
        let ready =
            wait_until(LIMIT, Duration::from_millis(5), || process.exit().is_some() || self.is_ready(process.pid()));
        if !ready || process.exit().is_some() {
            return Err(
                Error::new(Code::Unreachable, "the server did not start").hint(format!("Its log was:\n{}", self.log()))
            );
        }
        self.process = Some(process);
        Ok(())
    }

    /// Sets or changes a parameter; it counts from the next [`Server::reload`] or start.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        self.options.settings.push((name.to_owned(), value.to_owned()));
        self.configure()
    }

    /// Reads the configuration files again.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    /// Stops it; the folder stays, for [`Server::launch`].
    pub fn stop(&mut self, how: Shutdown) -> Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        process.signal(match how {
            Shutdown::Fast => Signal::INT,
            Shutdown::Immediate => Signal::QUIT,
            Shutdown::Kill => Signal::KILL,
        });
        // A frozen one hears nothing but KILL until it goes on.
        process.signal(Signal::CONT);
        match process.wait(LIMIT) {
            Some(_) => Ok(()),
            None => Err(Error::new(Code::Timeout, "the server did not stop").hint(self.log())),
        }
    }

    /// Stops and starts it.
    pub fn restart(&mut self) -> Result<()> {
        self.stop(Shutdown::Fast)?;
        self.launch()
    }

    /// Freezes the postmaster: connections are accepted by the kernel and never answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Makes a replica a primary and waits until it is one.
    pub fn promote(&self) -> Result<()> {
        self.sql("select pg_promote(true, 60)").map(drop)
    }

    /// Runs SQL as the superuser, on a session of its own; unaligned rows without header, one per line, as
    /// `psql -XAtqc` shows them.
    pub fn sql(&self, sql: &str) -> Result<String> {
        self.sql_in("postgres", sql)
    }

    /// Runs SQL as the superuser in another database.
    pub fn sql_in(&self, dbname: &str, sql: &str) -> Result<String> {
        superuser::run(&self.conninfo(dbname), sql)
    }

    /// How the superuser reaches a database, by the Unix socket and without a password.
    pub fn conninfo(&self, dbname: &str) -> String {
        format!("host={} port={} user=postgres dbname={dbname}", self.socket_folder().display(), self.port)
    }

    /// The folder that holds everything of this server.
    pub fn folder(&self) -> &Path {
        self.guard.folder()
    }

    /// The folder of the Unix socket: the `host` to connect to.
    pub fn socket_folder(&self) -> &Path {
        self.guard.folder()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.guard.folder().join("data")
    }

    /// The port: in the socket's name, and over TCP where the options ask for it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The postmaster's process id; none while it is stopped.
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().filter(|process| process.exit().is_none()).map(Process::pid)
    }

    /// The guard, for other programs that belong to this server.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The server's log so far.
    pub fn log(&self) -> String {
        fs::read(self.log_file()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.guard.folder().join("log")
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// The lock file's first line is the process, its eighth the state.
    fn is_ready(&self, pid: i32) -> bool {
        let Ok(lock) = fs::read_to_string(self.data().join("postmaster.pid")) else { return false };
        let mut lines = lock.lines();
        lines.next() == Some(pid.to_string().as_str()) && lines.nth(6).map(str::trim_end) == Some("ready")
    }

    fn take_port(&mut self) -> Result<()> {
        let Some(Listen { address, port }) = &mut self.options.listen else { return Ok(()) };
        if *port == 0 {
            let probe = TcpListener::bind((*address, 0)).and_then(|listener| listener.local_addr());
            *port = probe.map_err(|source| Error::new(Code::Io, "no port is free").source(source))?.port();
        }
        self.port = *port;
        Ok(())
    }

    fn configure(&self) -> Result<()> {
        let mut text = String::new();
        let mut set = |name: &str, value: &str| {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        };
        set("port", &self.port.to_string());
        set("unix_socket_directories", &self.socket_folder().to_string_lossy());
        if let Some(listen) = &self.options.listen {
            set("listen_addresses", &listen.address.to_string());
        }
        if let Some(tls) = &self.options.tls {
            set("ssl", "on");
            for (setting, file, source) in [
                ("ssl_cert_file", "server.crt", &tls.certificate),
                ("ssl_key_file", "server.key", &tls.key),
                ("ssl_ca_file", "ca.crt", &tls.authority),
            ] {
                let copy = self.folder().join(file);
                self.copy_private(source, &copy)?;
                set(setting, &copy.to_string_lossy());
            }
        }
        for (name, value) in &self.options.settings {
            set(name, value);
        }
        self.write("server.conf", &text)?;
        self.write("pg_hba.conf", &rules(&self.options.rules))?;
        self.write("pg_ident.conf", &identities(&self.account, &Account::caller()?))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        self.account.write(&self.data().join(name), text)
    }

    /// PostgreSQL refuses a key that others may read.
    fn copy_private(&self, source: &Path, copy: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let copied = fs::copy(source, copy).and_then(|_| fs::set_permissions(copy, fs::Permissions::from_mode(0o600)));
        copied.map_err(|error| {
            Error::new(Code::Io, format!("could not copy {} to {}", source.display(), copy.display())).source(error)
        })?;
        self.account.own(copy)
    }
}

/// The slot of a replica, by the folder that is its own.
fn slot(data: &Path) -> String {
    let name = data.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// `pg_ident.conf`: who may be the superuser by the Unix socket.
fn identities(server: &Account, caller: &Account) -> String {
    let names = BTreeSet::from([server.name.as_str(), caller.name.as_str(), "root"]);
    names.iter().fold(String::new(), |text, name| text + "harness " + name + " postgres\n")
}

/// `pg_hba.conf`: the superuser by who runs the tests, everyone else by password.
fn rules(first: &[String]) -> String {
    let mut text = first.join("\n");
    text.push_str(
        "\nlocal all postgres peer map=harness\n\
         local replication postgres peer map=harness\n\
         local all,replication all scram-sha-256\n\
         host all,replication all samehost scram-sha-256\n",
    );
    text
}

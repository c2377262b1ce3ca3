//! A pooler and a balancer before a fleet: real ones, with files where the topology says.

mod busy;

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flotilla_native::account::Account;
use flotilla_native::guard::{Process, Program};

use crate::fleet::Fleet;
use crate::tls::Identity;
use crate::wait::until;
pub use busy::Busy;

/// The password of the pooler's administrator: a word that occurs nowhere else.
const ADMIN_PASSWORD: &str = "planted-Zx81-pool-admin";

/// A fleet of one shard behind a PgBouncer, which leads to its primary, and beside it a HAProxy.
#[derive(Debug)]
pub struct Pooling {
    /// The servers.
    pub fleet: Fleet,
    pooler_port: u16,
    balancer_port: u16,
    pooler: Option<Process>,
    balancer: Option<Process>,
}

impl Pooling {
    /// Starts the shard and the pooler with what the topology renders, and these settings of the pooler.
    pub fn start(settings: &str) -> Self {
        let mut fleet = Fleet::new().shards(1).tls(Identity::valid()).init().start();
        let (pooler_port, balancer_port) = (free_port(), free_port());
        let place = fleet.path().to_owned();
        // Servers run as another account where tests run as root, and have to reach their files.
        fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("a sandbox to be passed through");
        let server_port = fleet.primary(0).port();
        let _ = write!(
            fleet.topology.rest,
            "{settings}\n[[poolers]]\nname = \"pool-a\"\nhost = \"localhost\"\nport = {pooler_port}\n\
             config_file = \"conf/pgbouncer.ini\"\n\n[[balancers]]\nname = \"lb-a\"\nhost = \"localhost\"\n\
             config_file = \"conf/haproxy.cfg\"\nstats_socket = \"conf/stats.sock\"\nmaster_socket = \"conf/master.sock\"\n"
        );
        let ports = format!("name = \"s0\"\nwrite_port = {server_port}\nread_port = {server_port}\n");
        let text = fleet.topology.to_string().replacen("name = \"s0\"\n", &ports, 1);
        // The pooler is reached by the same name as the servers.
        fleet.topology(text);
        let passwords = fs::read_to_string(place.join("passwords")).expect("the password file");
        fleet.file("passwords", format!("*:*:*:pool_admin:{ADMIN_PASSWORD}\n{passwords}"));
        let verifiers = fs::read_to_string(place.join("secrets/userlist.txt")).expect("the verifiers");
        let admin = postgres_protocol::password::scram_sha_256(ADMIN_PASSWORD.as_bytes());
        fleet.file("secrets/userlist.txt", format!("{verifiers}\"pool_admin\" \"{admin}\"\n"));
        for (from, to) in [("tls/server.crt", "tls/pool-a.crt"), ("tls/server.key", "tls/pool-a.key")] {
            let bytes = fs::read(place.join(from)).expect("a file of the sandbox");
            fleet.file(to, bytes);
        }
        let pooling = Self { fleet, pooler_port, balancer_port, pooler: None, balancer: None };
        pooling.hand_over();
        pooling
    }

    /// Gives what the servers read to their account.
    fn hand_over(&self) {
        let account = Account::server().expect("the servers' account");
        let place = self.fleet.path();
        fs::create_dir_all(place.join("conf")).expect("a folder in the sandbox");
        for folder in ["tls", "secrets", "conf"] {
            fs::set_permissions(place.join(folder), Permissions::from_mode(0o755)).expect("a folder to pass through");
        }
        for path in ["conf", "tls/ca.crt", "tls/pool-a.crt", "tls/pool-a.key", "secrets/userlist.txt"] {
            account.own(&place.join(path)).expect("a file of the servers'");
        }
    }

    /// The pooler's file.
    pub fn pooler_file(&self) -> PathBuf {
        self.fleet.path().join("conf/pgbouncer.ini")
    }

    /// The balancer's file.
    pub fn balancer_file(&self) -> PathBuf {
        self.fleet.path().join("conf/haproxy.cfg")
    }

    /// Where the balancer listens for clients.
    pub fn balancer_port(&self) -> u16 {
        self.balancer_port
    }

    /// What the topology renders for the pooler.
    pub fn rendered(&self) -> String {
        let outcome = self.fleet.tool("poolcfg", ["render", "-t", "pool-a"]).run().ok();
        outcome.line("pool-a")["text"].as_str().expect("a text").to_owned()
    }

    /// Puts a text in place as the account that the servers run as would.
    pub fn write(&self, path: &Path, text: &str) {
        fs::write(path, text).expect("a file of the servers'");
        Account::server().expect("the servers' account").own(path).expect("a file of the servers'");
    }

    /// Starts PgBouncer with this text.
    #[must_use]
    pub fn pooler(mut self, text: &str) -> Self {
        let path = self.pooler_file();
        self.write(&path, text);
        let program = self.program("/usr/sbin/pgbouncer").arg(path.display().to_string());
        let server = self.fleet.spawn(&program.log(&self.fleet.path().join("conf/pgbouncer.log")));
        self.pooler = Some(server);
        until("the pooler answers", || self.ask("SHOW VERSION").map(drop));
        self
    }

    /// Starts HAProxy with this text.
    #[must_use]
    pub fn balancer(mut self, text: &str) -> Self {
        let path = self.balancer_file();
        self.write(&path, text);
        let master = format!("{},mode,600", self.fleet.path().join("conf/master.sock").display());
        let program =
            self.program("/usr/sbin/haproxy").args(["-W", "-S", &master, "-f"]).arg(path.display().to_string());
        let server = self.fleet.spawn(&program.log(&self.fleet.path().join("conf/haproxy.log")));
        self.balancer = Some(server);
        let socket = self.fleet.path().join("conf/stats.sock");
        until("the balancer answers", || std::os::unix::net::UnixStream::connect(&socket).ok().map(drop));
        self
    }

    fn program(&self, program: &str) -> Program {
        let account = Account::server().expect("the servers' account");
        Program::new(program).account(&account).folder(&self.fleet.path().join("conf"))
    }

    /// Asks the pooler's console; the rows, fields separated by bars. None while it doesn't answer.
    pub fn ask(&self, sql: &str) -> Option<String> {
        let line = format!("PGDATABASE=pgbouncer PGUSER=pool_admin {} -XAtqc '{sql}'", self.psql());
        let outcome = self.fleet.script(&line).run();
        outcome.status.success().then(|| outcome.stdout.trim_end().to_owned())
    }

    /// psql, or another client by libpq, at the pooler.
    pub fn psql(&self) -> String {
        let psql = flotilla_native::postgres::program("psql");
        format!("{} {}", self.client(), psql.display())
    }

    /// The variables by which a client of libpq comes to the pooler.
    pub fn client(&self) -> String {
        let authority = self.fleet.path().join("tls/ca.crt");
        format!(
            "PGHOST=localhost PGPORT={} PGSSLMODE=verify-full PGSSLROOTCERT={}",
            self.pooler_port,
            authority.display()
        )
    }

    /// What the pooler runs with for a key.
    pub fn running(&self, key: &str) -> String {
        let rows = self.ask("SHOW CONFIG").expect("the console answers");
        let row = rows.lines().find_map(|row| row.strip_prefix(&format!("{key}|")).map(str::to_owned));
        row.unwrap_or_else(|| panic!("no key {key}: {rows}")).split('|').next().unwrap_or_default().to_owned()
    }

    /// A line of the pooler's log that has these words.
    pub fn pooler_log(&self) -> String {
        fs::read_to_string(self.fleet.path().join("conf/pgbouncer.log")).unwrap_or_default()
    }
}

fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.expect("a free port").port()
}

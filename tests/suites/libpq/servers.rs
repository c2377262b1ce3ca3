//! The servers that both connect to.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::thread;

use flotilla_native::places;
use flotilla_native::postgres::{Options, Server, Template, Tls};
use flotilla_tests::{Sandbox, until_replayed};

use super::certificates;

/// Five servers, and three ports with none.
pub(super) struct Servers {
    pub(super) main: Server,
    pub(super) standby: Server,
    /// Without TLS.
    pub(super) plain: Server,
    /// Its certificate has expired.
    pub(super) expired: Server,
    /// Its certificate is its own authority.
    pub(super) own: Server,
    /// A port where nothing listens.
    pub(super) dead: u16,
    /// A port where connections are taken and never answered.
    pub(super) mute: u16,
    /// A port where connections are taken and closed.
    pub(super) curt: u16,
    _mute: TcpListener,
    sandbox: Sandbox,
}

impl Servers {
    pub(super) fn start() -> Self {
        let sandbox = Sandbox::new();
        certificates::write(sandbox.path());
        let template = Template::cached(&places::cache().expect("the cache folder"), 0).expect("a template");
        let (main, standby, plain, expired, own) = thread::scope(|scope| {
            let start = |certificate: Option<&'static str>| {
                let (sandbox, template) = (&sandbox, &template);
                scope.spawn(move || set_up(template, options(sandbox, certificate)))
            };
            let (main, plain) = (start(Some("server")), start(None));
            let (expired, own) = (start(Some("expired")), start(Some("own")));
            let main = main.join().expect("a server");
            let standby = main.replica(options(&sandbox, Some("server"))).expect("a standby");
            let [plain, expired, own] = [plain, expired, own].map(|server| server.join().expect("a server"));
            (main, standby, plain, expired, own)
        });
        until_replayed(&main, &standby);
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let (mute, curt, dead) = (listen(), listen(), port(&listen()));
        let (mute_port, curt_port) = (port(&mute), port(&curt));
        thread::spawn(move || curt.incoming().for_each(drop));
        write_client_files(&sandbox, main.port());
        Self { main, standby, plain, expired, own, dead, mute: mute_port, curt: curt_port, _mute: mute, sandbox }
    }

    /// The folder of the clients' files.
    pub(super) fn path(&self) -> &std::path::Path {
        self.sandbox.path()
    }

    /// A file in there.
    pub(super) fn file(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    /// The folder of the main server's Unix socket.
    pub(super) fn socket(&self) -> String {
        self.main.socket_folder().display().to_string()
    }
}

/// Where the server with this port is, by name and address.
pub(super) fn at(port: u16) -> String {
    format!("host=db.test hostaddr=127.0.0.1 port={port} dbname=app")
}

/// The same as a user who logs in by password.
pub(super) fn alice(port: u16) -> String {
    format!("{} user=alice", at(port))
}

/// Her line in a password file.
pub(super) const PASS: &str = "*:*:*:alice:sesame\n";

fn options(sandbox: &Sandbox, certificate: Option<&str>) -> Options {
    let options = Options::default().rule(HBA).listen(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    // The second address is for a certificate that doesn't name it.
    let options = options.set("listen_addresses", "127.0.0.1,127.0.0.2");
    let Some(name) = certificate else { return options };
    let file = |name: String| sandbox.path().join(name);
    options.tls(Tls {
        certificate: file(format!("{name}.crt")),
        key: file(format!("{name}.key")),
        authority: file("ca.crt".to_owned()),
    })
}

fn set_up(template: &Template, options: Options) -> Server {
    let server = Server::start(template, options).unwrap_or_else(|e| panic!("{}", e.text("postgres")));
    for sql in SETUP {
        server.sql(sql).unwrap_or_else(|e| panic!("{sql}: {}", e.text("sql")));
    }
    server
}

const HBA: &str = "\
local all all trust
local replication all trust
host all trusted 127.0.0.0/8 trust
host all old 127.0.0.0/8 md5
hostssl all tlsonly 127.0.0.0/8 scram-sha-256
hostnossl all plainonly 127.0.0.0/8 scram-sha-256
hostssl all certy 127.0.0.0/8 cert
host all tlsonly,plainonly,certy 127.0.0.0/8 reject
host all all 127.0.0.0/8 scram-sha-256
";

const SETUP: &[&str] = &[
    "CREATE DATABASE app",
    "CREATE DATABASE trusted",
    "CREATE ROLE alice LOGIN PASSWORD 'sesame'",
    "CREATE ROLE tlsonly LOGIN PASSWORD 'sesame'",
    "CREATE ROLE plainonly LOGIN PASSWORD 'sesame'",
    "CREATE ROLE \"we:ird\\\" LOGIN PASSWORD 'p:a\\s'",
    "CREATE ROLE trusted LOGIN",
    "CREATE ROLE certy LOGIN",
    "SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD 's3cret'",
];

fn write_client_files(sandbox: &Sandbox, port: u16) {
    let write = |name: &str, text: String| drop(sandbox.file(name, text));
    let trusted = format!("host=127.0.0.1\nport={port}\nuser=trusted\ndbname=app\n");
    write("passfile", "*:*:*:alice:sesame\n".to_owned());
    write(
        "services",
        format!(
            "[s0]\n{trusted}application_name=from s0\n[pw]\nhost=127.0.0.1\nport={port}\nuser=alice\ndbname=app\npassword=sesame\n\
             [broken]\nhost 127.0.0.1\n[nested]\nservice=s0\n[ldap]\nldap://localhost/x\n[sys]\n{trusted}application_name=user's\n"
        ),
    );
    write("sysconf/pg_service.conf", format!("[sys]\n{trusted}application_name=system's\n"));
}

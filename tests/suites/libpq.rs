//! Connecting, held side by side with psql: the same connection string, environment, password file
//! and service file lead both to the same server as the same user, or neither gets in.
//!
//! Where the tools are stricter than libpq on purpose, the case says so.
#![expect(clippy::unwrap_used, reason = "what a helper can't do fails the test that called it")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flotilla::Code;
use flotilla::pg::Endpoint;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// Who and where, in one row.
const WHO: &str = "SELECT current_user, current_database(), current_setting('port'), \
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), pg_is_in_recovery(), \
    current_setting('application_name'), current_setting('work_mem'), current_setting('search_path')";

#[test]
fn connects_as_psql_does() {
    let fleet = Fleet::start();
    let mut failures = Vec::new();
    let cases = cases(&fleet);
    for case in &cases {
        if let Err(why) = case.compare(&fleet) {
            failures.push(format!("{}: {why}", case.name));
        }
    }
    assert!(failures.is_empty(), "{} of {} cases differ:\n{}", failures.len(), cases.len(), failures.join("\n"));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        errors_say_what_to_do(&fleet).await;
        cancels_go_the_way_of_the_session(&fleet).await;
    });
}

/// What a person reads when it goes wrong.
async fn errors_say_what_to_do(fleet: &Fleet) {
    let failure = async |dsn: String| {
        let dsn = format!("user=alice dbname=app passfile={} {dsn}", fleet.path("passfile"));
        let error = Endpoint::from_argument(&dsn).unwrap().connect().await.map(|_| ()).unwrap_err().record();
        (error.message, error.hint.unwrap_or_default(), error.causes)
    };
    let full = format!("hostaddr=127.0.0.1 sslmode=verify-full sslrootcert={}", fleet.path("ca.crt"));
    let (main, dead) = (fleet.main.port, fleet.dead);

    let (message, ..) = failure(format!("host=other.test port={main} {full}")).await;
    assert_eq!(
        message,
        format!(
            "connection to server at \"other.test\" (127.0.0.1), port {main} failed: certificate of \"other.test\" is for \"db.test\", \"127.0.0.1\", not for that name"
        )
    );
    let (message, hint, _) = failure(format!("host=db.test port={} {full}", fleet.expired.port)).await;
    assert!(message.ends_with("certificate of \"db.test\" expired at 2021-01-01T00:00:00Z"), "{message}");
    assert!(hint.starts_with("Renew"), "{hint}");
    let (message, hint, _) = failure(format!("host=127.0.0.1 port={main} passfile=/dev/null")).await;
    assert!(message.ends_with("failed: no password supplied"), "{message}");
    assert!(hint.contains(&format!("\"127.0.0.1:{main}:app:alice:PASSWORD\"")), "{hint}");
    let (message, _, causes) =
        failure(format!("host=127.0.0.1,127.0.0.1 port={dead},{} target_session_attrs=primary", fleet.standby.port))
            .await;
    assert_eq!(message, "none of 2 servers could be used");
    assert_eq!(
        causes,
        [
            format!("connection to server at \"127.0.0.1\", port {dead} failed: connection refused"),
            format!(
                "connection to server at \"127.0.0.1\", port {} failed: server is in hot standby mode",
                fleet.standby.port
            ),
        ]
    );
}

/// A cancel request is encrypted and verified like the session that it is for.
async fn cancels_go_the_way_of_the_session(fleet: &Fleet) {
    let dsn = format!(
        "host=db.test hostaddr=127.0.0.1 port={} user=alice dbname=app sslmode=verify-full sslrootcert={} passfile={}",
        fleet.main.port,
        fleet.path("ca.crt"),
        fleet.path("passfile")
    );
    let session = Endpoint::from_argument(&dsn).unwrap().connect().await.unwrap();
    assert!(session.is_tls());
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        session.cancel().await.unwrap();
    };
    let (slept, ()) = tokio::join!(session.simple("SELECT pg_sleep(30)"), cancel);
    assert_eq!(slept.unwrap_err().code(), Code::Cancelled);
}

/// What is expected of the tools beside psql.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ours {
    /// The same: the same identity, or no connection.
    AsPsql,
    /// psql connects, the tools refuse with this code.
    Stricter(&'static str),
    /// psql gives up, the tools find a server.
    FurtherThanPsql,
}

struct Case {
    name: &'static str,
    dsn: String,
    env: Vec<(&'static str, String)>,
    files: Vec<(&'static str, String, u32)>,
    code: Option<&'static str>,
    ours: Ours,
}

impl Case {
    fn new(name: &'static str, dsn: impl Into<String>) -> Self {
        Self { name, dsn: dsn.into(), env: Vec::new(), files: Vec::new(), code: None, ours: Ours::AsPsql }
    }

    fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// A file below the home of the case.
    fn file(mut self, path: &'static str, text: impl Into<String>, mode: u32) -> Self {
        self.files.push((path, text.into(), mode));
        self
    }

    fn pgpass(self, text: impl Into<String>) -> Self {
        self.file(".pgpass", text, 0o600)
    }

    /// Both fail, the tools with this code.
    fn fails(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    fn ours(mut self, ours: Ours) -> Self {
        self.ours = ours;
        self
    }

    fn compare(&self, fleet: &Fleet) -> Result<(), String> {
        let home = tempfile::tempdir_in(fleet.dir.path()).unwrap();
        for (path, text, mode) in &self.files {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        let run = |mut command: Command| {
            let output = command
                .env_clear()
                .env("HOME", home.path())
                .env("PATH", "/usr/bin:/bin")
                .envs(self.env.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
            if output.status.success() {
                Ok(text(&output.stdout))
            } else {
                Err(text(&output.stdout) + &text(&output.stderr))
            }
        };
        let mut psql = Command::new(format!("{BIN}/psql"));
        psql.args(["-XAtwq", "-v", "ON_ERROR_STOP=1", "-d", &self.dsn, "-c", WHO]);
        let mut connect = Command::new(env!("CARGO_BIN_EXE_connect"));
        connect.args([&self.dsn, WHO]);
        let (theirs, ours) = (run(psql), run(connect));
        // psql names itself where nothing else does.
        let theirs = theirs.map(|line| line.replace("|psql|", "||"));
        let code = ours.as_ref().err().map(|json| {
            serde_json::from_str::<serde_json::Value>(json)
                .map_or_else(|_| json.clone(), |e| e["code"].as_str().unwrap_or_default().to_owned())
        });
        let fine = match &self.ours {
            Ours::AsPsql => match (&theirs, &ours) {
                (Ok(theirs), Ok(ours)) => theirs == ours && self.code.is_none(),
                (Err(_), Err(_)) => self.code.is_some() && code.as_deref() == self.code,
                _ => false,
            },
            Ours::Stricter(expected) => theirs.is_ok() && code.as_deref() == Some(expected),
            Ours::FurtherThanPsql => theirs.is_err() && ours.is_ok(),
        };
        let secrets = ["sesame", "s3cret"];
        if let Err(shown) = &ours
            && secrets.iter().any(|secret| shown.contains(secret))
        {
            return Err(format!("shows a secret: {shown}"));
        }
        if fine { Ok(()) } else { Err(format!("\n  psql: {theirs:?}\n  ours: {ours:?}")) }
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases(fleet: &Fleet) -> Vec<Case> {
    let Fleet { main, standby, plain, expired, own, dead, mute, .. } = fleet;
    let (main, standby, plain, expired, own) = (main.port, standby.port, plain.port, expired.port, own.port);
    let socket = fleet.dir.path().display();
    let root = fleet.path("ca.crt");
    let other_root = fleet.path("other.crt");
    let own_root = fleet.path("own.crt");
    let client = format!("sslcert={} sslkey={}", fleet.path("client.crt"), fleet.path("client.key"));
    let at = |port: u16| format!("host=db.test hostaddr=127.0.0.1 port={port} dbname=app");
    let alice = |port: u16| format!("{} user=alice", at(port));
    let pass = "*:*:*:alice:sesame\n";
    let full = format!("sslmode=verify-full sslrootcert={root}");
    vec![
        // Passwords.
        Case::new("password file", alice(main)).pgpass(pass),
        Case::new("password file, first match wins", alice(main)).pgpass(format!("{pass}*:*:*:*:wrong\n")),
        Case::new("password file, wrong line first", alice(main)).pgpass(format!("*:*:*:*:wrong\n{pass}")).fails("auth_failed"),
        Case::new("password file, host not address", alice(main)).pgpass(format!("127.0.0.1:{main}:app:alice:sesame")).fails("auth_failed"),
        Case::new("password file, by host", alice(main)).pgpass(format!("db.test:{main}:app:alice:sesame\r\n")),
        Case::new("password file, by address", format!("hostaddr=127.0.0.1 port={main} user=alice dbname=app")).pgpass(format!("127.0.0.1:{main}:app:alice:sesame")),
        Case::new("password file, escapes", format!("{} user='we:ird\\\\'", at(main))).pgpass("*:*:*:we\\:ird\\\\:p\\:a\\\\s\n"),
        Case::new("password file, others may read it", alice(main)).file(".pgpass", pass, 0o644).fails("config"),
        Case::new("password file, others may read it but it isn't needed", format!("{} user=trusted", at(main))).file(".pgpass", pass, 0o644),
        Case::new("password file, empty password", alice(main)).pgpass("*:*:*:alice:\n").fails("auth_failed"),
        Case::new("no password", alice(main)).fails("auth_failed"),
        Case::new("wrong password", alice(main)).pgpass("*:*:*:*:wrong").fails("auth_failed"),
        Case::new("PGPASSWORD", alice(main)).env("PGPASSWORD", "sesame").pgpass("*:*:*:*:wrong"),
        Case::new("PGPASSFILE", alice(main)).env("PGPASSFILE", fleet.path("passfile")),
        Case::new("passfile option", format!("{} passfile={}", alice(main), fleet.path("passfile"))).env("PGPASSFILE", "/nonexistent"),
        Case::new("md5 password", format!("{} user=old", at(main))).pgpass("*:*:*:old:s3cret"),
        Case::new("password in a URI", format!("postgresql://alice:sesame@127.0.0.1:{main}/app")).ours(Ours::Stricter("usage")),
        Case::new("password in pairs", format!("{} password=sesame", alice(main))).ours(Ours::Stricter("usage")),
        // Strings, environment, services.
        Case::new("URI", format!("postgresql://alice@127.0.0.1:{main}/app?application_name=a%20b&options=-c%20work_mem%3D5MB")).pgpass(pass),
        Case::new("URI with socket", format!("postgresql://{}:{main}/app?user=trusted", socket.to_string().replace('/', "%2F"))),
        Case::new("environment alone", "").env("PGHOST", "127.0.0.1").env("PGPORT", main.to_string()).env("PGUSER", "alice")
            .env("PGDATABASE", "app").env("PGAPPNAME", "env").env("PGOPTIONS", "-c work_mem=7MB").pgpass(pass),
        Case::new("PGHOSTADDR", alice(main).replace("hostaddr=127.0.0.1 ", "")).env("PGHOSTADDR", "127.0.0.1").pgpass(pass),
        Case::new("a string beats the environment", alice(main)).env("PGPORT", dead.to_string()).env("PGUSER", "nobody").pgpass(pass),
        Case::new("database defaults to user", format!("host=127.0.0.1 port={main} user=trusted")),
        Case::new("a bare word is a database", "app").env("PGHOST", socket.to_string()).env("PGPORT", main.to_string()).env("PGUSER", "trusted"),
        Case::new("service", "service=s0").pgpass(pass).file(".pg_service.conf", format!("# c\n[s0]\n{}\n[s1]\nhost=no\n", alice(main).replace(' ', "\n")), 0o644),
        Case::new("service, string wins, then service, then environment", "service=s0 user=alice").pgpass(pass).env("PGUSER", "x").env("PGPORT", "1")
            .file(".pg_service.conf", format!("[s0]\nhost=127.0.0.1\nport={main}\nuser=trusted\ndbname=app\napplication_name=svc"), 0o644),
        Case::new("PGSERVICE and PGSERVICEFILE", "dbname=app").env("PGSERVICE", "s0").env("PGSERVICEFILE", fleet.path("services")),
        Case::new("PGSYSCONFDIR", "service=sys").env("PGSYSCONFDIR", fleet.path("sysconf")),
        Case::new("user's service before the system's", "service=sys").env("PGSYSCONFDIR", fleet.path("sysconf")).env("PGSERVICEFILE", fleet.path("services")),
        Case::new("service with a password", "service=pw").env("PGSERVICEFILE", fleet.path("services")),
        Case::new("no such service", "service=nope").env("PGSERVICEFILE", fleet.path("services")).fails("config"),
        Case::new("no such service file", "service=s0").env("PGSERVICEFILE", "/nonexistent").fails("config"),
        Case::new("broken service", "service=broken").env("PGSERVICEFILE", fleet.path("services")).fails("config"),
        Case::new("nested service", "service=nested").env("PGSERVICEFILE", fleet.path("services")).fails("config"),
        Case::new("service from LDAP", "service=ldap").env("PGSERVICEFILE", fleet.path("services")).fails("config"),
        Case::new("unknown option", "hots=x").fails("config"),
        Case::new("unterminated quote", "user='x").fails("config"),
        Case::new("bad port", "host=127.0.0.1 port=65536").fails("config"),
        Case::new("ports and hosts that don't match", "host=a,b port=1,2,3").fails("config"),
        Case::new("addresses and hosts that don't match", "host=a,b hostaddr=127.0.0.1").fails("config"),
        Case::new("bad target_session_attrs", "target_session_attrs=x").fails("config"),
        Case::new("bad sslmode", "sslmode=Require").fails("config"),
        Case::new("bad connect_timeout", "connect_timeout=1s").fails("config"),
        Case::new("GSS encryption required", format!("{} gssencmode=require", alice(main))).pgpass(pass).fails("config"),
        Case::new("no such database", format!("host=127.0.0.1 port={main} user=trusted dbname=nope")).fails("not_found"),
        Case::new("no such user", format!("{} user=nobody", at(main))).pgpass("*:*:*:*:x").fails("auth_failed"),
        // TLS.
        Case::new("prefer takes TLS", alice(main)).pgpass(pass),
        Case::new("prefer without TLS", alice(plain)).pgpass(pass),
        Case::new("disable", format!("{} sslmode=disable", alice(main))).pgpass(pass),
        Case::new("disable where TLS is required", format!("{} user=tlsonly sslmode=disable", at(main))).fails("auth_failed"),
        Case::new("allow goes plain", format!("{} sslmode=allow", alice(main))).pgpass(pass),
        Case::new("allow goes TLS when refused", format!("{} user=tlsonly sslmode=allow", at(main))).pgpass("*:*:*:tlsonly:sesame"),
        Case::new("prefer goes plain when refused", format!("{} user=plainonly sslmode=prefer", at(main))).pgpass("*:*:*:plainonly:sesame"),
        Case::new("require where plain is required", format!("{} user=plainonly sslmode=require", at(main))).fails("auth_failed"),
        Case::new("require", format!("{} sslmode=require", alice(main))).pgpass(pass),
        Case::new("require without TLS", format!("{} sslmode=require", alice(plain))).pgpass(pass).fails("tls"),
        Case::new("PGSSLMODE", alice(plain)).env("PGSSLMODE", "require").pgpass(pass).fails("tls"),
        Case::new("require with a root checks the authority", format!("{} sslmode=require sslrootcert={other_root}", alice(main))).pgpass(pass).fails("tls"),
        Case::new("require with the right root", format!("{} sslmode=require sslrootcert={root} ", alice(main)).replace("db.test", "other.test")).pgpass(pass),
        Case::new("prefer with a wrong root goes plain", format!("{} sslmode=prefer sslrootcert={other_root}", alice(main))).pgpass(pass),
        Case::new("verify-ca", format!("{} sslmode=verify-ca sslrootcert={root}", alice(main)).replace("db.test", "other.test")).pgpass(pass),
        Case::new("verify-ca with a wrong root", format!("{} sslmode=verify-ca sslrootcert={other_root}", alice(main))).pgpass(pass).fails("tls"),
        Case::new("verify-ca without a root", format!("{} sslmode=verify-ca", alice(main))).pgpass(pass).fails("config"),
        Case::new("verify-full", format!("{} {full}", alice(main))).pgpass(pass),
        Case::new("verify-full by environment", alice(main)).env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", &root).pgpass(pass),
        Case::new("verify-full with a wrong name", format!("{} {full}", alice(main)).replace("db.test", "other.test")).pgpass(pass).fails("tls"),
        Case::new("verify-full by address", format!("host=127.0.0.1 port={main} user=alice dbname=app {full}")).pgpass(pass),
        Case::new("verify-full by an address that isn't named", format!("host=127.0.0.2 port={main} user=alice dbname=app {full}")).pgpass(pass).fails("tls"),
        Case::new("verify-full without a name", format!("hostaddr=127.0.0.1 port={main} user=alice dbname=app {full}")).pgpass(pass).fails("config"),
        Case::new("verify-full over a socket", format!("host={socket} port={main} user=trusted dbname=app {full}")),
        Case::new("require over a socket", format!("host={socket} port={main} user=trusted dbname=app sslmode=require")),
        Case::new("expired certificate, verified", format!("{} {full}", alice(expired))).pgpass(pass).fails("tls"),
        Case::new("expired certificate, not verified", format!("{} sslmode=require", alice(expired))).pgpass(pass),
        Case::new("self-signed certificate as its own root", format!("{} sslmode=verify-full sslrootcert={own_root}", alice(own))).pgpass(pass),
        Case::new("self-signed certificate, wrong name", format!("{} sslmode=verify-full sslrootcert={own_root}", alice(own)).replace("db.test", "other.test")).pgpass(pass).fails("tls"),
        Case::new("root in the home", format!("{} sslmode=verify-full", alice(main))).pgpass(pass).file(".postgresql/root.crt", fs::read_to_string(&root).unwrap(), 0o644),
        Case::new("root in the home is checked by require", format!("{} sslmode=require", alice(main))).pgpass(pass).file(".postgresql/root.crt", fs::read_to_string(&other_root).unwrap(), 0o644).fails("tls"),
        Case::new("a named root that isn't there", format!("{} sslmode=require sslrootcert=/nonexistent", alice(main))).pgpass(pass).ours(Ours::Stricter("config")),
        Case::new("client certificate", format!("{} user=certy {full} {client}", at(main))),
        Case::new("client certificate missing", format!("{} user=certy {full}", at(main))).fails("auth_failed"),
        Case::new("client certificate in the home", format!("{} user=certy {full}", at(main)))
            .file(".postgresql/postgresql.crt", fs::read_to_string(fleet.path("client.crt")).unwrap(), 0o644)
            .file(".postgresql/postgresql.key", fs::read_to_string(fleet.path("client.key")).unwrap(), 0o600),
        Case::new("client key that others may read", format!("{} user=certy {full}", at(main)))
            .file(".postgresql/postgresql.crt", fs::read_to_string(fleet.path("client.crt")).unwrap(), 0o644)
            .file(".postgresql/postgresql.key", fs::read_to_string(fleet.path("client.key")).unwrap(), 0o644).fails("config"),
        Case::new("TLS 1.3 at least", format!("{} {full} ssl_min_protocol_version=TLSv1.3", alice(main))).pgpass(pass),
        Case::new("TLS 1.2 at most", format!("{} {full} ssl_max_protocol_version=TLSv1.2", alice(main))).pgpass(pass),
        Case::new("channel binding required", format!("{} {full} channel_binding=require", alice(main))).pgpass(pass),
        Case::new("channel binding required, no TLS", format!("{} sslmode=disable channel_binding=require", alice(main))).pgpass(pass).fails("auth_failed"),
        Case::new("channel binding required, trust", format!("{} user=trusted {full} channel_binding=require", at(main))).fails("auth_failed"),
        Case::new("channel binding required, md5", format!("{} user=old {full} channel_binding=require", at(main))).pgpass("*:*:*:old:s3cret").fails("auth_failed"),
        Case::new("channel binding disabled", format!("{} {full} channel_binding=disable", alice(main))).pgpass(pass),
        Case::new("requirepeer", format!("host={socket} port={main} user=trusted dbname=app requirepeer=postgres")),
        Case::new("requirepeer, another", format!("host={socket} port={main} user=trusted dbname=app requirepeer=nobody")).fails("auth_failed"),
        // Several hosts.
        Case::new("nothing there", format!("host=127.0.0.1 port={dead} user=alice dbname=app")).fails("unreachable"),
        Case::new("the next host", format!("host=127.0.0.1,127.0.0.1 port={dead},{main} user=alice dbname=app")).pgpass(pass),
        Case::new("an empty host is the socket directory", format!("host=127.0.0.1,{socket} port={dead},{main} user=trusted dbname=app")),
        Case::new("a name that doesn't resolve", format!("host=nowhere.invalid,127.0.0.1 port={main} user=alice dbname=app")).pgpass(pass),
        Case::new("a wrong password ends the search", format!("host=127.0.0.1,127.0.0.1 port={plain},{main} user=alice dbname=app"))
            .pgpass(format!("*:{plain}:*:*:wrong\n{pass}")).fails("auth_failed"),
        Case::new("failed TLS ends the search", format!("host=127.0.0.1,127.0.0.1 port={plain},{main} user=alice dbname=app sslmode=require")).pgpass(pass).fails("tls"),
        Case::new("a host that says nothing", format!("host=127.0.0.1,127.0.0.1 port={mute},{main} user=alice dbname=app connect_timeout=2")).pgpass(pass),
        Case::new("a host that says nothing, alone", format!("host=127.0.0.1 port={mute} user=alice dbname=app connect_timeout=1")).fails("timeout"),
        Case::new("primary behind a standby", format!("host=127.0.0.1,127.0.0.1 port={standby},{main} user=alice dbname=app target_session_attrs=primary")).pgpass(pass),
        Case::new("read-write behind a standby", format!("host=127.0.0.1,127.0.0.1 port={standby},{main} user=alice dbname=app target_session_attrs=read-write")).pgpass(pass),
        Case::new("read-write where reading is the default", format!("{} target_session_attrs=read-write options='-c default_transaction_read_only=on'", alice(main))).pgpass(pass).fails("wrong_role"),
        Case::new("read-only", format!("host=127.0.0.1,127.0.0.1 port={main},{standby} user=alice dbname=app target_session_attrs=read-only")).pgpass(pass),
        Case::new("standby", format!("host=127.0.0.1,127.0.0.1 port={main},{standby} user=alice dbname=app")).env("PGTARGETSESSIONATTRS", "standby").pgpass(pass),
        Case::new("standby, but there is none", format!("{} target_session_attrs=standby", alice(main))).pgpass(pass).fails("wrong_role"),
        Case::new("primary, but there is none", format!("host=127.0.0.1 port={standby} user=alice dbname=app target_session_attrs=primary")).pgpass(pass).fails("wrong_role"),
        Case::new("primary, which may be the dead one", format!("host=127.0.0.1,127.0.0.1 port={dead},{standby} user=alice dbname=app target_session_attrs=primary")).pgpass(pass).fails("unreachable"),
        Case::new("prefer-standby finds one", format!("host=127.0.0.1,127.0.0.1 port={main},{standby} user=alice dbname=app target_session_attrs=prefer-standby")).pgpass(pass),
        Case::new("prefer-standby takes any", format!("host=127.0.0.1,127.0.0.1 port={dead},{main} user=alice dbname=app target_session_attrs=prefer-standby")).pgpass(pass),
        Case::new("a host that hangs up", format!("host=127.0.0.1,127.0.0.1 port={},{main} user=alice dbname=app sslmode=disable", fleet.curt)).pgpass(pass).ours(Ours::FurtherThanPsql),
    ]
}

// ---------------------------------------------------------------------------------------------
// The servers. A minimal starter of its own, until the harness has servers with TLS and standbys.

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT: immediate shutdown, children included.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        let _ = self.child.wait();
    }
}

struct Fleet {
    main: Server,
    standby: Server,
    plain: Server,
    expired: Server,
    own: Server,
    /// A port where nothing listens.
    dead: u16,
    /// A port where connections are taken and never answered.
    mute: u16,
    /// A port where connections are taken and closed.
    curt: u16,
    _mute: TcpListener,
    dir: tempfile::TempDir,
}

impl Fleet {
    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("libpq-").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        own_by_postgres(dir.path());
        let path = dir.path();
        certificates(path);
        let template = path.join("template");
        run(server("initdb").args(["-N", "-A", "trust", "-U", "postgres", "--no-instructions", "-D"]).arg(&template));
        fs::write(template.join("pg_hba.conf"), HBA).unwrap();
        let copy = |name: &str| {
            let data = path.join(name);
            run(as_postgres(Command::new("cp").arg("-a").arg(&template).arg(&data)));
            data
        };
        let main = Server::start(&copy("main"), path, Some("server"));
        for sql in SETUP {
            sql_in(main.port, "postgres", path, sql);
        }
        let data = path.join("standby");
        run(server("pg_basebackup")
            .args(["-X", "stream", "-c", "fast", "-R", "-U", "postgres", "-h"])
            .arg(path)
            .args(["-p", &main.port.to_string(), "-D"])
            .arg(&data));
        let standby = Server::start(&data, path, Some("server"));
        let start = |name: &str, certificate: Option<&str>| {
            let server = Server::start(&copy(name), path, certificate);
            for sql in SETUP {
                sql_in(server.port, "postgres", path, sql);
            }
            server
        };
        let plain = start("plain", None);
        let expired = start("expired", Some("expired"));
        let own = start("own", Some("own"));
        let mute = TcpListener::bind("127.0.0.1:0").unwrap();
        let curt = TcpListener::bind("127.0.0.1:0").unwrap();
        let curt_port = curt.local_addr().unwrap().port();
        std::thread::spawn(move || curt.incoming().for_each(drop));
        write_client_files(path, main.port);
        Self {
            dead: free_port(),
            mute: mute.local_addr().unwrap().port(),
            curt: curt_port,
            _mute: mute,
            main,
            standby,
            plain,
            expired,
            own,
            dir,
        }
    }
}

impl Server {
    fn start(data: &Path, socket: &Path, certificate: Option<&str>) -> Self {
        let port = free_port();
        let mut settings = vec![
            format!("port = {port}"),
            "listen_addresses = '127.0.0.1,127.0.0.2'".to_owned(),
            format!("unix_socket_directories = '{}'", socket.display()),
            "fsync = off".to_owned(),
            "shared_buffers = 16MB".to_owned(),
            "max_connections = 20".to_owned(),
        ];
        if let Some(name) = certificate {
            let file = |name: &str| socket.join(name).display().to_string();
            let (certificate, key) = (file(&format!("{name}.crt")), file(&format!("{name}.key")));
            settings.extend([
                "ssl = on".to_owned(),
                format!("ssl_cert_file = '{certificate}'"),
                format!("ssl_key_file = '{key}'"),
                format!("ssl_ca_file = '{}'", file("ca.crt")),
            ]);
        }
        // Where a standby finds its primary stays as pg_basebackup wrote it.
        let auto = data.join("postgresql.auto.conf");
        let kept = fs::read_to_string(&auto).unwrap();
        settings.extend(kept.lines().filter(|line| line.starts_with("primary_conninfo")).map(str::to_owned));
        fs::write(auto, settings.join("\n") + "\n").unwrap();
        let log = fs::File::create(data.join("log")).unwrap();
        let child = server("postgres").arg("-D").arg(data).stderr(log).stdout(Stdio::null()).spawn().unwrap();
        let started = Self { child, port };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !server("pg_isready")
            .args(["-q", "-h"])
            .arg(socket)
            .args(["-p", &port.to_string()])
            .status()
            .unwrap()
            .success()
        {
            assert!(
                Instant::now() < deadline,
                "server didn't start: {}",
                fs::read_to_string(data.join("log")).unwrap()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        started
    }
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

fn write_client_files(path: &Path, port: u16) {
    let write = |name: &str, text: String| {
        let file = path.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
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

/// A CA with a server's and a client's certificate, an expired one, another CA, and a self-signed one.
fn certificates(path: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let names = || CertificateParams::new(vec!["db.test".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let write = |name: &str, certificate: &str, key: &KeyPair| {
        fs::write(path.join(format!("{name}.crt")), certificate).unwrap();
        let file = path.join(format!("{name}.key"));
        fs::write(&file, key.serialize_pem()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let ca = authority("the authority");
    fs::write(path.join("ca.crt"), ca.pem()).unwrap();
    fs::write(path.join("other.crt"), authority("another authority").pem()).unwrap();
    let issue = |name: &str, params: CertificateParams| {
        let key = KeyPair::generate().unwrap();
        write(name, &params.signed_by(&key, &ca).unwrap().pem(), &key);
    };
    issue("server", names());
    let mut params = names();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    issue("expired", params);
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "certy");
    issue("client", params);
    let key = KeyPair::generate().unwrap();
    let mut params = names();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("own", &params.self_signed(&key).unwrap().pem(), &key);
    for name in ["server.key", "expired.key", "own.key"] {
        own_by_postgres(&path.join(name));
    }
}

/// The account that servers run as: PostgreSQL refuses root.
fn account() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("postgres:")).expect("there is an account postgres");
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    Some((fields.next().unwrap(), fields.next().unwrap()))
}

fn own_by_postgres(path: &Path) {
    if let Some((uid, gid)) = account() {
        std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
    }
}

fn as_postgres(command: &mut Command) -> &mut Command {
    if let Some((uid, gid)) = account() {
        command.uid(uid).gid(gid);
    }
    command
}

fn server(program: &str) -> Command {
    let mut command = Command::new(PathBuf::from(BIN).join(program));
    as_postgres(&mut command);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").current_dir("/");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn sql_in(port: u16, dbname: &str, socket: &Path, sql: &str) {
    run(server("psql")
        .args([
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            dbname,
            "-p",
            &port.to_string(),
            "-c",
            sql,
            "-h",
        ])
        .arg(socket));
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

//! One way to connect, tried by psql and by the tools.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use flotilla_native::postgres::program;

use super::servers::Servers;

/// Who and where, in one row.
const WHO: &str = "SELECT current_user, current_database(), current_setting('port'), \
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), pg_is_in_recovery(), \
    current_setting('application_name'), current_setting('work_mem'), current_setting('search_path')";

/// Compares every case, and fails with all that differ.
#[track_caller]
pub(super) fn all(servers: &Servers, cases: &[Case]) {
    let differ = cases.iter().filter_map(|case| Some(format!("{}: {}", case.name, case.compare(servers).err()?)));
    let differ: Vec<String> = differ.collect();
    assert!(differ.is_empty(), "{} of {} cases differ:\n{}", differ.len(), cases.len(), differ.join("\n"));
}

/// What is expected of the tools beside psql.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ours {
    /// The same: the same identity, or no connection.
    AsPsql,
    /// psql connects, the tools refuse with this code.
    Stricter(&'static str),
    /// psql gives up, the tools find a server.
    FurtherThanPsql,
}

pub(super) struct Case {
    name: &'static str,
    dsn: String,
    env: Vec<(&'static str, String)>,
    files: Vec<(&'static str, String, u32)>,
    code: Option<&'static str>,
    ours: Ours,
}

impl Case {
    pub(super) fn new(name: &'static str, dsn: impl Into<String>) -> Self {
        Self { name, dsn: dsn.into(), env: Vec::new(), files: Vec::new(), code: None, ours: Ours::AsPsql }
    }

    pub(super) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// A file below the home of the case.
    pub(super) fn file(mut self, path: &'static str, text: impl Into<String>, mode: u32) -> Self {
        self.files.push((path, text.into(), mode));
        self
    }

    pub(super) fn pgpass(self, text: impl Into<String>) -> Self {
        self.file(".pgpass", text, 0o600)
    }

    /// Both fail, the tools with this code.
    pub(super) fn fails(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(super) fn ours(mut self, ours: Ours) -> Self {
        self.ours = ours;
        self
    }

    fn compare(&self, servers: &Servers) -> Result<(), String> {
        let home = tempfile::tempdir_in(servers.path()).unwrap();
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
        let mut psql = Command::new(program("psql"));
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

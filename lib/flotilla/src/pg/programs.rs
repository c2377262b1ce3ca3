//! PostgreSQL's own programs, such as `pg_dump`: which of them fit a server, and how they log in where a
//! session did.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;
use tokio::process::Command;

use super::endpoint::{ChannelBinding, Endpoint, Host};
use super::passfile::Lookup;
use super::ssl::{RootSource, SslMode};
use crate::env;
use crate::error::{Code, Error, Result};

/// Where Debian keeps the authorities that the system trusts; libpq knows `system` only since 16.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// PostgreSQL's programs of one major version.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The folder that holds `name` in this major version: the one given, where Debian has it, or one of
    /// the PATH.
    pub async fn find(name: &str, given: Option<&Path>, major: u32) -> Result<Self> {
        Self::search(name, given, major).await.map_err(|there| {
            Error::new(
                Code::Unsupported,
                format!("\"{name}\" of PostgreSQL {major} is needed, and {there}; nothing was touched"),
            )
            .hint("Install it, or name the folder of PostgreSQL's programs with --bin.")
        })
    }

    /// The same; where it isn't there, what is, to be said after "and".
    pub async fn search(name: &str, given: Option<&Path>, major: u32) -> Result<Self, String> {
        let mut folders: Vec<PathBuf> = given.map(Path::to_owned).into_iter().collect();
        if given.is_none() {
            folders.push(format!("/usr/lib/postgresql/{major}/bin").into());
            folders.extend(env::var("PATH").iter().flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>()));
        }
        let mut found = Vec::new();
        for folder in folders {
            let Ok(output) = Command::new(folder.join(name)).arg("--version").output().await else { continue };
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let version = text.split_ascii_whitespace().nth(2).unwrap_or_default().to_owned();
            let digits = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            if digits.parse() == Ok(major) {
                return Ok(Self { folder });
            }
            found.push(format!("{version} in {}", folder.display()));
        }
        Err(if found.is_empty() { "none is here".to_owned() } else { format!("here is {}", found.join(", ")) })
    }

    /// The path of a program.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// What a program's environment must say so that it logs in as a session did.
#[derive(Debug)]
pub struct Login {
    variables: Vec<(&'static str, String)>,
}

impl Login {
    /// The variables.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl Endpoint {
    /// What makes libpq log in to this host as a session of this endpoint would, and never elsewhere or
    /// with less protection. A password goes into a file in `folder`, which must be private.
    pub fn program_login(&self, host: &Host, folder: &Path) -> Result<Login> {
        // What is left out here would be looked for in the home folder.
        let nothing = folder.join("none").display().to_string();
        let mut all: Vec<(&'static str, String)> = vec![
            ("PGHOST", host.host.clone()),
            ("PGPORT", host.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.dbname.clone()),
            ("PGSSLMODE", mode(self.ssl.mode).to_owned()),
            ("PGGSSENCMODE", "disable".to_owned()),
            ("PGPASSFILE", self.password_file(host, folder)?.unwrap_or_else(|| nothing.clone())),
        ];
        all.push((
            "PGSSLROOTCERT",
            match &self.ssl.roots {
                Some(RootSource::File(path)) => path.display().to_string(),
                Some(RootSource::System) => SYSTEM_ROOTS.to_owned(),
                None => nothing.clone(),
            },
        ));
        let (certificate, key) = match &self.ssl.identity {
            Some((certificate, key)) => (certificate.display().to_string(), key.display().to_string()),
            None => (nothing.clone(), nothing.clone()),
        };
        all.extend([("PGSSLCERT", certificate), ("PGSSLKEY", key)]);
        match self.ssl.revocations.as_slice() {
            [] => all.push(("PGSSLCRL", nothing)),
            [one] => all.push(("PGSSLCRL", one.display().to_string())),
            [one, ..] => {
                all.push(("PGSSLCRLDIR", one.parent().unwrap_or(Path::new("/")).display().to_string()));
            }
        }
        match (self.ssl.versions.tls12, self.ssl.versions.tls13) {
            (true, false) => all.push(("PGSSLMAXPROTOCOLVERSION", "TLSv1.2".to_owned())),
            (false, true) => all.push(("PGSSLMINPROTOCOLVERSION", "TLSv1.3".to_owned())),
            _ => {}
        }
        let optional = [
            ("PGHOSTADDR", host.hostaddr.map(|address| address.to_string())),
            ("PGOPTIONS", self.options.clone()),
            ("PGAPPNAME", self.application_name.clone()),
            ("PGREQUIREPEER", self.require_peer.clone()),
            ("PGCONNECT_TIMEOUT", self.connect_timeout.map(|limit| limit.as_secs().max(2).to_string())),
            ("PGSSLSNI", self.ssl.hide_server_name.then(|| "0".to_owned())),
            (
                "PGCHANNELBINDING",
                match self.channel_binding {
                    ChannelBinding::Prefer => None,
                    ChannelBinding::Require => Some("require".to_owned()),
                    ChannelBinding::Disable => Some("disable".to_owned()),
                },
            ),
        ];
        all.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        Ok(Login { variables: all })
    }

    /// Writes the password for this host into a file of its own; none where there is none.
    fn password_file(&self, host: &Host, folder: &Path) -> Result<Option<String>> {
        let Some((password, _)) = self.password(host)? else { return Ok(None) };
        let name = if host.host.is_empty() {
            host.hostaddr.map(|address| address.to_string()).unwrap_or_default()
        } else {
            host.host.clone()
        };
        let escaped = password.expose_secret().replace('\\', r"\\").replace(':', r"\:");
        // Programs in Go look for `localhost` where libpq looks for a socket's folder, and some connect to
        // other databases of the server as well.
        let names = if host.is_socket() { vec![name.as_str(), "localhost"] } else { vec![name.as_str()] };
        let mut lines = String::new();
        for name in names {
            let lookup = Lookup { host: name, port: host.port, dbname: "*", user: &self.user };
            let line = lookup.line();
            let line = line.strip_suffix("PASSWORD");
            let line = line.ok_or_else(|| Error::internal("a line of the password file without a password"))?;
            lines.extend([line, escaped.as_str(), "\n"]);
        }
        let path = folder.join("pgpass");
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(lines.as_bytes())).map_err(|e| {
            Error::new(Code::Io, format!("could not write {}", path.display())).hint("Is there room?").source(e)
        })?;
        Ok(Some(path.display().to_string()))
    }
}

fn mode(mode: SslMode) -> &'static str {
    match mode {
        SslMode::Disable => "disable",
        SslMode::Allow => "allow",
        SslMode::Prefer => "prefer",
        SslMode::Require => "require",
        SslMode::VerifyCa => "verify-ca",
        SslMode::VerifyFull => "verify-full",
    }
}

//! What a login says about TLS: libpq's `ssl*` options, with libpq's meaning.
//!
//! Stricter than libpq in two places: a certificate or root file that was named must exist, and a
//! host name is looked for among the certificate's alternative names only, never in its common name.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustls::ClientConfig;
use rustls::pki_types::CertificateRevocationListDer;

use super::conninfo::Conninfo;
use super::surroundings::Surroundings;
use crate::error::{Error, Result};
use crate::tls::{self, Check, Identity, Roots, Versions};

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only if the server refuses a login without.
    Allow,
    /// TLS if the server speaks it; the default, which protects against nobody who tries.
    #[default]
    Prefer,
    /// TLS or nothing; as `verify-ca` when there is a root certificate.
    Require,
    /// TLS with a certificate of a known authority.
    VerifyCa,
    /// TLS with a certificate of a known authority that names the host.
    VerifyFull,
}

impl FromStr for SslMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            other => {
                return Err(Error::config(format!("invalid sslmode value: \"{}\"", other.escape_debug()))
                    .hint("It is one of disable, allow, prefer, require, verify-ca, verify-full."));
            }
        })
    }
}

/// Where the trusted authorities come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootSource {
    /// A PEM file.
    File(PathBuf),
    /// The operating system's authorities.
    System,
}

/// Everything about TLS to a PostgreSQL server.
#[derive(Clone, Debug, Default)]
pub struct Ssl {
    /// How much TLS is wanted.
    pub mode: SslMode,
    /// The trusted authorities.
    pub roots: Option<RootSource>,
    /// The client's certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Files of revocation lists.
    pub revocations: Vec<PathBuf>,
    /// The TLS versions.
    pub versions: Versions,
    /// Keeps the host name out of the handshake.
    pub hide_server_name: bool,
}

impl Ssl {
    /// This mode, with the authorities of this file.
    pub fn new(mode: SslMode, root: Option<&Path>) -> Self {
        Self { mode, roots: root.map(|path| RootSource::File(path.to_owned())), ..Self::default() }
    }

    pub(super) fn resolve(info: &Conninfo, around: &Surroundings<'_>) -> Result<Self> {
        let own = |name: &str| around.home().map(|home| home.join(".postgresql").join(name));
        let own_if_there = |name: &str| own(name).filter(|path| path.exists());
        let given_path = |name: &str| info.given(name).map(PathBuf::from);

        let roots = match info.given("sslrootcert") {
            Some("system") => Some(RootSource::System),
            Some(path) => Some(RootSource::File(path.into())),
            None => own_if_there("root.crt").map(RootSource::File),
        };
        let system = roots == Some(RootSource::System);
        let mode = match info.given("sslmode") {
            Some(mode) => mode.parse()?,
            None if system => SslMode::VerifyFull,
            None => SslMode::default(),
        };
        if system && mode != SslMode::VerifyFull {
            return Err(Error::config("weak sslmode may not be used with sslrootcert=system")
                .hint("Use sslmode=verify-full: the public authorities certify anyone who asks."));
        }
        if matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull) && roots.is_none() {
            let missing = own("root.crt").unwrap_or_else(|| ".postgresql/root.crt".into());
            return Err(Error::config(format!("root certificate file \"{}\" does not exist", missing.display()))
                .hint("Name the authority's file as sslrootcert or PGSSLROOTCERT."));
        }
        let certificate = given_path("sslcert").or_else(|| own_if_there("postgresql.crt"));
        let identity = certificate.map(|certificate| {
            let key = given_path("sslkey").or_else(|| own("postgresql.key")).unwrap_or_else(|| "postgresql.key".into());
            (certificate, key)
        });
        let mut revocations: Vec<PathBuf> = given_path("sslcrl").into_iter().collect();
        if let Some(dir) = given_path("sslcrldir") {
            revocations.extend(files_in(&dir)?);
        } else if revocations.is_empty() {
            revocations.extend(own_if_there("root.crl"));
        }
        Ok(Self {
            mode,
            roots,
            identity,
            revocations,
            versions: versions(info)?,
            hide_server_name: info.given("sslsni") == Some("0"),
        })
    }

    /// Whether the host name in the certificate is checked.
    pub(super) fn checks_name(&self) -> bool {
        self.mode == SslMode::VerifyFull
    }

    /// Reads the files and makes the configuration; `None` when TLS is never used.
    pub(super) fn config(&self) -> Result<Option<ClientConfig>> {
        if self.mode == SslMode::Disable {
            return Ok(None);
        }
        let roots = match &self.roots {
            None if matches!(self.mode, SslMode::VerifyCa | SslMode::VerifyFull) => {
                return Err(Error::config("sslmode verifies the server, but there is no root certificate")
                    .hint("Name the authority's file as sslrootcert."));
            }
            None => None,
            Some(RootSource::System) => Some(Roots::system()?),
            Some(RootSource::File(path)) => Some(Roots::from_file(path)?),
        };
        let check = match (self.mode, &roots) {
            (SslMode::VerifyFull, _) => Check::AuthorityAndName,
            // Every weaker mode checks the authority too, once there is one to check against.
            (_, Some(_)) => Check::Authority,
            (_, None) => Check::Nothing,
        };
        let identity = match &self.identity {
            Some((certificate, key)) => Some(Identity::from_files(certificate, key)?),
            None => None,
        };
        let mut revoked: Vec<CertificateRevocationListDer<'static>> = Vec::new();
        for path in &self.revocations {
            revoked.extend(tls::revocations(path)?);
        }
        let client = tls::Client {
            check,
            roots,
            identity,
            revoked,
            versions: self.versions,
            server_name: !self.hide_server_name,
        };
        client.config().map(Some)
    }
}

fn files_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::config(format!("could not read directory \"{}\"", dir.display())).source(e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// rustls speaks TLS 1.2 and 1.3; older minimums mean 1.2.
fn versions(info: &Conninfo) -> Result<Versions> {
    let rank = |name: &str| -> Result<Option<u8>> {
        let Some(value) = info.given(name) else { return Ok(None) };
        ["tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"]
            .iter()
            .position(|known| known.eq_ignore_ascii_case(value))
            .and_then(|rank| u8::try_from(rank).ok())
            .map(Some)
            .ok_or_else(|| Error::config(format!("invalid {name} value: \"{}\"", value.escape_debug())))
    };
    let min = rank("ssl_min_protocol_version")?.unwrap_or(2);
    let max = rank("ssl_max_protocol_version")?.unwrap_or(3);
    if min > max {
        return Err(Error::config("invalid SSL protocol version range"));
    }
    if max < 2 {
        return Err(Error::config("TLS older than 1.2 is not supported")
            .hint("Raise ssl_max_protocol_version to TLSv1.2 or TLSv1.3."));
    }
    Ok(Versions { tls12: min <= 2, tls13: max >= 3 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssl(dsn: &str, home: &Path) -> Result<Ssl> {
        let info = Conninfo::parse(dsn)?;
        Ssl::resolve(&info, &Surroundings::made_up(&|_| None, Some(home.to_owned())))
    }

    #[test]
    fn the_root_certificate_decides_what_is_checked() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(ssl("host=h", home.path()).unwrap().mode, SslMode::Prefer);
        assert!(ssl("sslmode=verify-ca", home.path()).unwrap_err().message().contains("root.crt\" does not exist"));
        assert_eq!(ssl("sslrootcert=system", home.path()).unwrap().mode, SslMode::VerifyFull);
        assert!(ssl("sslrootcert=system sslmode=require", home.path()).is_err());
        assert!(ssl("sslmode=Require", home.path()).is_err());
        std::fs::create_dir(home.path().join(".postgresql")).unwrap();
        let root = home.path().join(".postgresql/root.crt");
        std::fs::write(&root, "").unwrap();
        assert_eq!(ssl("sslmode=require", home.path()).unwrap().roots, Some(RootSource::File(root)));
    }

    #[test]
    fn versions_are_a_range() {
        let home = tempfile::tempdir().unwrap();
        let of = |dsn: &str| ssl(dsn, home.path()).map(|s| s.versions);
        assert_eq!(of("ssl_min_protocol_version=TLSv1").unwrap(), Versions { tls12: true, tls13: true });
        assert_eq!(of("ssl_min_protocol_version=tlsv1.3").unwrap(), Versions { tls12: false, tls13: true });
        assert_eq!(of("ssl_max_protocol_version=TLSv1.2").unwrap(), Versions { tls12: true, tls13: false });
        assert!(of("ssl_max_protocol_version=TLSv1.1").is_err());
        assert!(of("ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2").is_err());
        assert!(of("ssl_min_protocol_version=SSLv3").is_err());
    }
}

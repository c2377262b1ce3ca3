//! Certificates and keys from PEM files.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::error::{Error, Result};

/// The authorities that are trusted.
#[derive(Clone)]
pub struct Roots {
    store: RootCertStore,
    /// The certificates themselves: a server's own self-signed certificate may be named as its root.
    certificates: Vec<CertificateDer<'static>>,
    origin: String,
}

impl Roots {
    /// The authorities in a PEM file.
    pub fn from_file(path: &Path) -> Result<Self> {
        let certificates = certificates(path, "root certificate")?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(|e| {
                Error::config(format!(
                    "root certificate file \"{}\" holds a certificate that can't be used",
                    path.display()
                ))
                .source(e)
            })?;
        }
        Ok(Self { store, certificates, origin: format!("\"{}\"", path.display()) })
    }

    /// The authorities that the operating system trusts; `SSL_CERT_FILE` names others.
    pub fn system() -> Result<Self> {
        let found = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(found.certs);
        if store.is_empty() {
            let error = Error::config("the system has no trusted certificate authorities")
                .hint("Install the package ca-certificates, or name a root certificate file.");
            return Err(match found.errors.into_iter().next() {
                Some(cause) => error.source(cause),
                None => error,
            });
        }
        Ok(Self { store, certificates: Vec::new(), origin: "the system's authorities".to_owned() })
    }

    pub(super) fn into_parts(self) -> (RootCertStore, Vec<CertificateDer<'static>>) {
        (self.store, self.certificates)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({}, {})", self.origin, self.store.len())
    }
}

/// A certificate with its private key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    path: PathBuf,
}

impl Identity {
    /// Reads a certificate chain and its key. A key that others may read is refused.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self> {
        let chain = certificates(certificate, "certificate")?;
        check_key_mode(key)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|e| {
            let error = Error::config(format!("could not load private key file \"{}\"", key.display()));
            match e {
                PemError::NoItemsFound => error.hint(
                    "The file must hold an unencrypted key in PEM form; decrypt it with \"openssl pkey\" and keep it at mode 0600.",
                ),
                other => error.source(other),
            }
        })?;
        Ok(Self { chain, key, path: certificate.to_owned() })
    }

    pub(super) fn into_parts(self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, PathBuf) {
        (self.chain, self.key, self.path)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity(\"{}\")", self.path.display())
    }
}

/// The revocation lists in a PEM file.
pub fn revocations(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>> {
    let unreadable = |e: PemError| unreadable(path, "certificate revocation list", e);
    let lists = CertificateRevocationListDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    if lists.is_empty() {
        return Err(unreadable(PemError::NoItemsFound));
    }
    Ok(lists)
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |e: PemError| unreadable(path, what, e);
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(unreadable(PemError::NoItemsFound));
    }
    Ok(certificates)
}

fn unreadable(path: &Path, what: &str, error: PemError) -> Error {
    let path = path.display();
    match error {
        PemError::NoItemsFound => Error::config(format!("{what} file \"{path}\" holds none in PEM form")),
        PemError::Io(e) if e.kind() == io::ErrorKind::NotFound => {
            Error::config(format!("{what} file \"{path}\" does not exist"))
        }
        PemError::Io(e) => Error::config(format!("could not read {what} file \"{path}\"")).source(e),
        other => Error::config(format!("{what} file \"{path}\" is not valid PEM")).source(other),
    }
}

/// libpq's rule: nobody else may read the key; a key that root owns may be read by its group.
fn check_key_mode(path: &Path) -> Result<()> {
    let meta = fs::metadata(path).map_err(|e| {
        if e.kind() == io::ErrorKind::NotFound {
            Error::config(format!("certificate present, but not private key file \"{}\"", path.display()))
        } else {
            Error::config(format!("could not read private key file \"{}\"", path.display())).source(e)
        }
    })?;
    if !meta.is_file() {
        return Err(Error::config(format!("private key file \"{}\" is not a regular file", path.display())));
    }
    let allowed = if meta.uid() == 0 { 0o640 } else { 0o600 };
    if meta.mode() & 0o077 & !allowed != 0 {
        return Err(Error::config(format!("private key file \"{}\" has group or world access", path.display()))
            .hint(format!("Run \"chmod {allowed:o} {}\".", path.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn missing_and_empty_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.crt");
        assert!(Roots::from_file(&path).unwrap_err().message().ends_with("ca.crt\" does not exist"));
        fs::write(&path, "not a certificate").unwrap();
        assert!(Roots::from_file(&path).unwrap_err().message().ends_with("holds none in PEM form"));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.key");
        fs::write(&path, "").unwrap();
        for (mode, root_ok) in [(0o600, true), (0o640, true), (0o644, false), (0o660, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let root = fs::metadata(&path).unwrap().uid() == 0;
            let ok = if root { root_ok } else { mode == 0o600 };
            assert_eq!(check_key_mode(&path).is_ok(), ok, "{mode:o}");
        }
    }
}

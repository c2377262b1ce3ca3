//! TLS, configured in one place.
//!
//! The only module that builds rustls configurations (clippy bans the builders elsewhere), so that
//! one provider serves the whole process: two providers without a default make rustls panic.
//! Certificates and keys come from PEM files; what goes wrong is said in the words of whoever runs
//! the servers: which certificate, which names it has, when it expired.

mod explain;
mod files;
mod shown;
mod verify;

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};

pub use explain::{explain, find};
pub use files::{Identity, Roots, revocations};
pub use shown::Shown;

use crate::error::{Code, Error, Result};

/// Installs the process's one provider. Called in the first line of every process; later calls do
/// nothing.
pub fn install() {
    // The error case is "already installed", which is what a second call wants.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn provider() -> Arc<CryptoProvider> {
    install();
    CryptoProvider::get_default().map_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()), Arc::clone)
}

/// How much of the server's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Nothing: the connection is encrypted, to whoever answers.
    Nothing,
    /// That an authority in the root file issued it; its names are not looked at.
    Authority,
    /// That an authority issued it and that it names the host.
    AuthorityAndName,
}

/// The protocol versions that may be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// TLS 1.2 may be used.
    pub tls12: bool,
    /// TLS 1.3 may be used.
    pub tls13: bool,
}

impl Default for Versions {
    fn default() -> Self {
        Self { tls12: true, tls13: true }
    }
}

impl Versions {
    fn list(self) -> Vec<&'static SupportedProtocolVersion> {
        let mut list = Vec::new();
        if self.tls13 {
            list.push(&rustls::version::TLS13);
        }
        if self.tls12 {
            list.push(&rustls::version::TLS12);
        }
        list
    }
}

/// Everything a client may want to say about TLS.
#[derive(Debug)]
pub struct Client {
    /// How much of the server's certificate is checked.
    pub check: Check,
    /// The authorities; needed unless nothing is checked.
    pub roots: Option<Roots>,
    /// The client's own certificate.
    pub identity: Option<Identity>,
    /// Certificates that are no longer to be trusted; empty: not checked.
    pub revoked: Vec<CertificateRevocationListDer<'static>>,
    /// The protocol versions.
    pub versions: Versions,
    /// Whether the server is told the host name it is called by.
    pub server_name: bool,
}

impl Client {
    /// A client that checks authority and name.
    pub fn verifying(roots: Roots) -> Self {
        Self {
            check: Check::AuthorityAndName,
            roots: Some(roots),
            identity: None,
            revoked: Vec::new(),
            versions: Versions::default(),
            server_name: true,
        }
    }

    /// A client that looks at what it is shown and trusts nobody: nothing secret may be sent.
    pub(crate) fn unverified() -> Self {
        Self {
            check: Check::Nothing,
            roots: None,
            identity: None,
            revoked: Vec::new(),
            versions: Versions::default(),
            server_name: true,
        }
    }

    /// Shows this certificate to servers that ask for one.
    #[must_use]
    pub fn identity(mut self, identity: Option<Identity>) -> Self {
        self.identity = identity;
        self
    }

    /// The rustls configuration.
    pub fn config(self) -> Result<ClientConfig> {
        let provider = provider();
        let verifier: Arc<dyn ServerCertVerifier> = match (self.check, self.roots) {
            (Check::Nothing, _) => Arc::new(verify::Anyone::new(&provider)),
            (check, Some(roots)) => {
                let (store, leaves) = roots.into_parts();
                let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                    .with_crls(self.revoked)
                    .enforce_revocation_expiration()
                    .build()
                    .map_err(|e| Error::config("certificate revocation list can't be used").source(e))?;
                Arc::new(verify::Issued::new(inner, leaves, check == Check::AuthorityAndName))
            }
            (_, None) => return Err(Error::internal("a TLS client that verifies needs authorities")),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions.list())
            .map_err(|e| Error::config("no TLS version is left to speak").source(e))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key, path) = identity.into_parts();
                builder.with_client_auth_cert(chain, key).map_err(|e| mismatched(&path, e))?
            }
        };
        config.enable_sni = self.server_name;
        Ok(config)
    }
}

/// A client configuration that checks authority and host name, for HTTP and other clients.
pub fn client_config(roots: Roots, identity: Option<Identity>) -> Result<Arc<ClientConfig>> {
    Ok(Arc::new(Client::verifying(roots).identity(identity).config()?))
}

/// A server configuration; with `clients`, only clients with a certificate of those authorities
/// get in.
pub fn server_config(identity: Identity, clients: Option<Roots>) -> Result<Arc<ServerConfig>> {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::internal("no TLS version is left to speak").source(e))?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let (store, _) = roots.into_parts();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider)
                .build()
                .map_err(|e| Error::config("client authorities can't be used").source(e))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key, path) = identity.into_parts();
    Ok(Arc::new(builder.with_single_cert(chain, key).map_err(|e| mismatched(&path, e))?))
}

fn mismatched(path: &Path, error: rustls::Error) -> Error {
    Error::new(Code::Tls, format!("certificate \"{}\" and its private key don't belong together", path.display()))
        .hint("Name the key that the certificate was made for.")
        .source(error)
}

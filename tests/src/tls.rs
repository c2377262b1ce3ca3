//! Certificates of a test's own authority: good, expired, or for another name.

use std::time::{Duration, SystemTime};

use flotilla_native::postgres::Tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::sandbox::Sandbox;

/// An authority and a server's certificate by it.
#[derive(Clone, Debug)]
pub struct Identity {
    authority: String,
    certificate: String,
    key: String,
}

impl Identity {
    /// A certificate for `localhost` that is valid now.
    pub fn valid() -> Self {
        Self::issue("localhost", Duration::from_hours(24))
    }

    /// A certificate for `localhost` that was valid until a minute ago.
    pub fn expired() -> Self {
        Self::issue("localhost", Duration::ZERO)
    }

    /// A valid certificate for another name.
    pub fn of_another_name() -> Self {
        Self::issue("elsewhere.example", Duration::from_hours(24))
    }

    /// A valid certificate for an address.
    pub fn of_address(address: &str) -> Self {
        Self::issue(address, Duration::from_hours(24))
    }

    fn issue(name: &str, valid_for: Duration) -> Self {
        let now = SystemTime::now();
        let yesterday = now - Duration::from_hours(24);
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        // Another name than the server's: OpenSSL takes equal ones for a certificate that signs itself.
        authority.distinguished_name.push(DnType::CommonName, "authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.not_before = yesterday.into();
        authority.not_after = (now + Duration::from_hours(48)).into();
        let root = authority.self_signed(&authority_key).expect("an authority").pem();
        let issuer = Issuer::from_params(&authority, &authority_key);

        let key = KeyPair::generate().expect("a key");
        let mut server = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        server.not_before = yesterday.into();
        server.not_after = (now - Duration::from_mins(1) + valid_for).into();
        let certificate = server.signed_by(&key, &issuer).expect("a certificate").pem();
        Self { authority: root, certificate, key: key.serialize_pem() }
    }

    /// The authority's certificate.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Writes the files below `tls/` of the sandbox.
    pub(crate) fn write(&self, sandbox: &Sandbox) -> Tls {
        Tls {
            authority: sandbox.file("tls/ca.crt", &self.authority),
            certificate: sandbox.file("tls/server.crt", &self.certificate),
            key: sandbox.file("tls/server.key", &self.key),
        }
    }
}

//! A certificate that a server shows, looked at rather than relied on: until when, and what is wrong with it.

use chrono::{DateTime, Utc};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Roots, explain, verify};
use crate::error::{Code, Error, Result};

/// What a server showed.
#[derive(Debug)]
pub struct Shown {
    /// When it ends.
    pub ends: DateTime<Utc>,
    /// What a client that verifies authority and name would say; none where it would be content.
    pub objection: Option<Error>,
}

impl Shown {
    /// Looks at a chain, the server's own certificate first.
    pub(crate) fn of(chain: &[CertificateDer<'_>], name: &ServerName<'_>, host: &str, roots: Roots) -> Result<Self> {
        let Some((own, others)) = chain.split_first() else {
            return Err(Error::new(Code::Tls, format!("\"{host}\" showed no certificate")));
        };
        let unreadable = || Error::new(Code::Tls, format!("the certificate of \"{host}\" can't be read"));
        let (_, parsed) = X509Certificate::from_der(own).map_err(|e| unreadable().source(e))?;
        let ends = DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0).ok_or_else(unreadable)?;
        let (store, leaves) = roots.into_parts();
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), super::provider())
            .build()
            .map_err(|e| Error::config("certificate authorities can't be used").source(e))?;
        let verifier = verify::Issued::new(inner, leaves, true);
        let verdict = verifier.verify_server_cert(own, others, name, &[], UnixTime::now());
        Ok(Self { ends, objection: verdict.err().map(|error| explain(&error, host)) })
    }
}

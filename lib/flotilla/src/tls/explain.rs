//! What went wrong in a TLS handshake, said so that the person who runs the servers can act on it.

use std::error::Error as StdError;
use std::io;

use chrono::{DateTime, SecondsFormat};
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use crate::error::{Code, Error};

/// The rustls error in a chain of causes, where there is one.
pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An io::Error's source is the source of what it wraps, not what it wraps.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            next = Some(inner);
            continue;
        }
        next = error.source();
    }
    None
}

/// Explains a rustls error met while talking to `host`.
pub fn explain(error: &rustls::Error, host: &str) -> Error {
    use rustls::Error as Tls;
    let (message, hint) = match error {
        Tls::InvalidCertificate(error) => certificate(error, host),
        Tls::AlertReceived(alert) => refused(*alert, host),
        Tls::PeerIncompatible(_) => (
            format!("\"{host}\" and this program have no TLS version or cipher in common"),
            Some("Check ssl_min_protocol_version and ssl_max_protocol_version on both sides.".to_owned()),
        ),
        Tls::InvalidMessage(_) => (
            format!("\"{host}\" answered the TLS handshake with something else"),
            Some("Check that the port is the one of a server that speaks TLS.".to_owned()),
        ),
        _ => (format!("TLS handshake with \"{host}\" failed"), None),
    };
    let explained = Error::new(Code::Tls, message).source(error.clone());
    match hint {
        Some(hint) => explained.hint(hint),
        None => explained,
    }
}

fn certificate(error: &CertificateError, host: &str) -> (String, Option<String>) {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => (
            format!("certificate of \"{host}\" expired at {}", moment(*not_after)),
            Some("Renew the server's certificate and reload the server.".to_owned()),
        ),
        CertificateError::Expired => (
            format!("certificate of \"{host}\" has expired"),
            Some("Renew the server's certificate and reload the server.".to_owned()),
        ),
        CertificateError::NotValidYetContext { not_before, .. } => (
            format!("certificate of \"{host}\" is not valid before {}", moment(*not_before)),
            Some("Compare the clocks of this machine and of the one that made the certificate.".to_owned()),
        ),
        CertificateError::NotValidForNameContext { presented, .. } => (
            format!("certificate of \"{host}\" is for {}, not for that name", names(presented)),
            Some(
                "Connect by a name that the certificate has, or issue one with this name; hostaddr can hold the address."
                    .to_owned(),
            ),
        ),
        CertificateError::UnknownIssuer => (
            format!("certificate of \"{host}\" was issued by an authority that is not trusted"),
            Some("Name the file of the authority that issued it as sslrootcert.".to_owned()),
        ),
        CertificateError::Revoked => (format!("certificate of \"{host}\" has been revoked"), None),
        CertificateError::ExpiredRevocationListContext { next_update, .. } => (
            format!("certificate revocation list for \"{host}\" expired at {}", moment(*next_update)),
            Some("Fetch the authority's current list.".to_owned()),
        ),
        CertificateError::UnknownRevocationStatus => (
            format!("no certificate revocation list speaks for the issuer of the certificate of \"{host}\""),
            Some("Add the list of every authority in the chain to the revocation list file.".to_owned()),
        ),
        CertificateError::BadSignature => (
            format!("signature on the certificate of \"{host}\" is wrong"),
            Some("The authority in sslrootcert has the issuer's name but another key; name the right file.".to_owned()),
        ),
        _ => (format!("certificate of \"{host}\" can't be accepted"), None),
    }
}

fn refused(alert: AlertDescription, host: &str) -> (String, Option<String>) {
    match alert {
        AlertDescription::CertificateRequired => (
            format!("\"{host}\" asks for a client certificate"),
            Some("Name one as sslcert with its key as sslkey.".to_owned()),
        ),
        AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => (
            format!("\"{host}\" doesn't accept the client certificate"),
            Some("Use a certificate that the server's ssl_ca_file has issued.".to_owned()),
        ),
        AlertDescription::CertificateExpired => {
            (format!("\"{host}\" says that the client certificate has expired"), Some("Renew it.".to_owned()))
        }
        AlertDescription::CertificateRevoked => {
            (format!("\"{host}\" says that the client certificate has been revoked"), None)
        }
        AlertDescription::ProtocolVersion => (
            format!("\"{host}\" refuses the TLS version"),
            Some("Check ssl_min_protocol_version and ssl_max_protocol_version on both sides.".to_owned()),
        ),
        _ => (format!("\"{host}\" broke off the TLS handshake"), None),
    }
}

fn moment(at: UnixTime) -> String {
    i64::try_from(at.as_secs())
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .map_or_else(|| "an unknown time".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// The names as people write them; webpki gives them as `DnsName("a")` and `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name at all".to_owned();
    }
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest.trim_end_matches(')'));
        format!("\"{}\"", inner.trim_matches('"'))
    };
    presented.iter().map(bare).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_lists_the_names_that_are_there() {
        let presented = vec!["DnsName(\"s0-a\")".to_owned(), "IpAddress(127.0.0.11)".to_owned()];
        assert_eq!(names(&presented), "\"s0-a\", \"127.0.0.11\"");
    }

    #[test]
    fn a_rustls_error_is_found_inside_io_errors() {
        let inner = io::Error::other(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        let outer = io::Error::other(inner);
        let found = find(&outer).map(|e| explain(e, "s0-a"));
        assert_eq!(found.as_ref().map(Error::code), Some(Code::Tls));
        assert!(found.is_some_and(|e| e.message().contains("not trusted")));
    }
}

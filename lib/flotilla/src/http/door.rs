//! Who may ask a server: anybody on this machine, or elsewhere whoever has the token, over TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use rustls::ServerConfig;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::secret;
use crate::tls::{self, Identity};

/// Where a server listens, and who may ask it.
#[derive(Clone, Debug)]
pub struct Door {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Arc<ServerConfig>>,
    token: Option<Token>,
}

/// What callers have to show. Only its hash is kept.
#[derive(Clone, Debug)]
pub struct Token([u8; 32]);

impl Token {
    /// Reads it from a file that only its owner and its group may read.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = secret::from_file(path, "token")?;
        let token = text.expose_secret();
        if token.len() < 16 || token.chars().any(char::is_whitespace) {
            return Err(Error::config(format!("the token file {} holds no token", path.display()))
                .hint("Put at least 16 characters without blanks into it, such as `openssl rand -hex 32` makes."));
        }
        Ok(Self::of(token))
    }

    fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Whether a request shows it: as a bearer's token, or as the password of whoever asks with a browser. What
    /// is compared are hashes, so the time that it takes says nothing.
    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, credentials)) = shown.and_then(|value| value.split_once(' ')) else { return false };
        let given = if scheme.eq_ignore_ascii_case("bearer") {
            credentials.trim().to_owned()
        } else if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(credentials.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let Some(password) = decoded.as_deref().and_then(|pair| pair.split_once(':')).map(|(_, p)| p.to_owned())
            else {
                return false;
            };
            password
        } else {
            return false;
        };
        Self::of(&given).0 == self.0
    }
}

impl Door {
    /// A door at this address.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, tls: None, token: None }
    }

    /// With this certificate, and only for whoever has the token.
    pub fn guarded(self, identity: Option<Identity>, token: Option<Token>) -> Result<Self> {
        let tls = identity.map(|identity| tls::server_config(identity, None)).transpose()?;
        Ok(Self { tls, token, ..self })
    }

    /// Refuses an address that others may reach without both.
    pub fn check(&self, hint: &str) -> Result<()> {
        if self.address.ip().is_loopback() || (self.tls.is_some() && self.token.is_some()) {
            return Ok(());
        }
        Err(Error::refused(format!("{} is not a loopback address", self.address)).hint(hint))
    }

    /// Whether whoever sent these headers may ask.
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        self.token.as_ref().is_none_or(|token| token.is_shown(headers))
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};

    use super::{Door, Token};

    #[test]
    fn a_token_is_taken_from_programs_and_from_browsers() {
        let token = Token::of("0123456789abcdef");
        let shows = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            token.is_shown(&headers)
        };
        assert!(shows("Bearer 0123456789abcdef"));
        // Whoever logs in as anybody, with the token as the password.
        assert!(shows("Basic YW55Ym9keTowMTIzNDU2Nzg5YWJjZGVm"));
        for other in ["Bearer 0123456789abcdeg", "Bearer", "Basic !!", "Basic bm9jb2xvbg==", "Digest 0123456789abcdef"]
        {
            assert!(!shows(other), "{other}");
        }
        assert!(!token.is_shown(&HeaderMap::new()));
    }

    #[test]
    fn others_come_in_only_where_both_guard() {
        let door = |address: &str| Door::new(address.parse().unwrap());
        assert!(door("127.0.0.1:0").check("").is_ok());
        assert!(door("[::1]:0").check("").is_ok());
        assert!(door("0.0.0.0:0").check("").is_err());
        let half = door("10.0.0.1:0").guarded(None, Some(Token::of("0123456789abcdef"))).unwrap();
        assert!(half.check("").is_err());
    }
}

//! What a test server may be told.

use std::net::IpAddr;
use std::path::PathBuf;

/// How a server is started. The default is a Unix socket and nothing else.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(super) settings: Vec<(String, String)>,
    pub(super) rules: Vec<String>,
    pub(super) listen: Option<Listen>,
    pub(super) tls: Option<Tls>,
    pub(super) place: Option<PathBuf>,
    pub(super) segment_megabytes: Option<u16>,
}

/// A TCP address to listen on, besides the socket.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// The address.
    pub address: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
}

/// The server's certificate. The files are copied.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The authority that client certificates are checked against.
    pub authority: PathBuf,
}

impl Options {
    /// Sets a configuration parameter.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Puts the server's folder below this one instead of where short-lived servers are.
    #[must_use]
    pub fn below(mut self, place: impl Into<PathBuf>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// Gives a server that is started from a template segments of WAL of this size, a power of two, in MiB.
    #[must_use]
    pub fn segments(mut self, megabytes: u16) -> Self {
        self.segment_megabytes = Some(megabytes);
        self
    }

    /// Puts a line of `pg_hba.conf` before the ones every server has.
    #[must_use]
    pub fn rule(mut self, line: impl Into<String>) -> Self {
        self.rules.push(line.into());
        self
    }

    /// Listens on a TCP address too.
    #[must_use]
    pub fn listen(mut self, address: IpAddr, port: u16) -> Self {
        self.listen = Some(Listen { address, port });
        self
    }

    /// Offers TLS on the TCP address.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }
}

//! One address: opening a socket and, where wanted, TLS on it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect as _};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::endpoint::{Host, Tcp};
use super::link::Stream;
use super::report::plain;
use super::surroundings::account_name;
use crate::error::{Code, Error, Result};
use crate::tls;

/// Where one attempt goes.
#[derive(Clone, Debug)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Whether this attempt speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Plain,
    IfOffered,
    Required,
}

/// Everything needed to reach one address, once or again (a cancel request goes the same way).
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) address: Address,
    pub(super) tcp: Tcp,
    pub(super) require_peer: Option<String>,
    pub(super) tls: Option<MakeRustlsConnect>,
    /// The name that TLS verifies.
    pub(super) tls_name: String,
    pub(super) encryption: Encryption,
}

/// Why an address couldn't be used.
pub(super) enum DialError {
    /// Nothing answers there, or it broke off.
    Network(io::Error),
    /// It answers, but TLS or the peer isn't as it must be.
    Verdict(Error),
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Network(error)
    }
}

impl DialError {
    pub(super) fn error(self) -> Error {
        match self {
            Self::Network(e) => Error::new(Code::Unreachable, plain(&e))
                .hint("Is the server running, and does it listen at this address? `shardctl targets` shows where each should be."),
            Self::Verdict(error) => error,
        }
    }
}

impl Dialer {
    /// Opens the socket and, if wanted, TLS.
    pub(super) async fn open(&self) -> Result<Stream, DialError> {
        match &self.address {
            Address::Unix(path) => {
                let socket = unix(path).await?;
                if let Some(wanted) = &self.require_peer {
                    check_peer(&socket, wanted).map_err(DialError::Verdict)?;
                }
                Ok(Stream::Unix(socket))
            }
            Address::Tcp(address) => {
                let socket = tcp(*address, self.tcp).await?;
                match (&self.tls, self.encryption) {
                    (Some(tls), Encryption::IfOffered | Encryption::Required) => self.encrypt(socket, tls).await,
                    _ => Ok(Stream::Tcp(socket)),
                }
            }
        }
    }

    async fn encrypt(&self, mut socket: TcpStream, tls: &MakeRustlsConnect) -> Result<Stream, DialError> {
        let mut request = bytes::BytesMut::new();
        postgres_protocol::message::frontend::ssl_request(&mut request);
        socket.write_all(&request).await?;
        match socket.read_u8().await? {
            b'S' => {}
            b'N' if self.encryption == Encryption::IfOffered => return Ok(Stream::Tcp(socket)),
            b'N' => {
                return Err(DialError::Verdict(
                    Error::new(Code::Tls, "server does not support SSL, but SSL was required")
                        .hint("Turn ssl on in the server's configuration, or lower sslmode if the network is trusted."),
                ));
            }
            other => {
                return Err(DialError::Verdict(
                    Error::new(
                        Code::Tls,
                        format!("received invalid response to SSL negotiation: {:?}", char::from(other)),
                    )
                    .hint("Check that the port is PostgreSQL's."),
                ));
            }
        }
        let connect = match MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls.clone(), &self.tls_name) {
            Ok(connect) => connect,
            Err(never) => match never {},
        };
        match connect.connect(socket).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(e) => Err(match tls::find(&e) {
                Some(found) => DialError::Verdict(tls::explain(found, &self.tls_name)),
                None => DialError::Network(e),
            }),
        }
    }
}

/// The name that the certificate must have, or that is at least said in the handshake.
pub(super) fn tls_name(host: &Host, address: &Address, checked: bool) -> Result<String> {
    if host.host.is_empty() && checked {
        return Err(Error::config("host name must be specified for a verified SSL connection")
            .hint("Give the name as host beside the address in hostaddr."));
    }
    if !host.host.is_empty() && !host.is_socket() {
        if ServerName::try_from(host.host.as_str()).is_ok() {
            return Ok(host.host.clone());
        }
        if checked {
            return Err(Error::config(format!(
                "\"{}\" is not a name that a certificate can have",
                host.host.escape_debug()
            )));
        }
    }
    Ok(match address {
        Address::Tcp(address) => address.ip().to_string(),
        Address::Unix(_) => String::new(),
    })
}

async fn tcp(address: SocketAddr, options: Tcp) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    if options.keepalive {
        use rustix::net::sockopt;
        sockopt::set_socket_keepalive(&stream, true)?;
        if let Some(idle) = options.idle {
            sockopt::set_tcp_keepidle(&stream, idle)?;
        }
        if let Some(interval) = options.interval {
            sockopt::set_tcp_keepintvl(&stream, interval)?;
        }
        if let Some(count) = options.count {
            sockopt::set_tcp_keepcnt(&stream, count)?;
        }
        if let Some(milliseconds) = options.user_timeout {
            sockopt::set_tcp_user_timeout(&stream, milliseconds)?;
        }
    }
    Ok(stream)
}

async fn unix(path: &Path) -> io::Result<UnixStream> {
    // An abstract socket's name starts with a NUL byte, which libpq writes as '@'.
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = path.as_os_str().as_bytes();
    let Some(name) = bytes.strip_prefix(b"@") else { return UnixStream::connect(path).await };
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    let stream = std::os::unix::net::UnixStream::connect_addr(&address)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// libpq's `requirepeer`: the account that the server runs as.
fn check_peer(socket: &UnixStream, wanted: &str) -> Result<()> {
    let uid =
        socket.peer_cred().map_err(|e| Error::new(Code::AuthFailed, "could not get peer credentials").source(e))?.uid();
    match account_name(uid) {
        Some(name) if name == wanted => Ok(()),
        name => {
            let name = name.unwrap_or_else(|| uid.to_string());
            Err(Error::new(
                Code::AuthFailed,
                format!("requirepeer specifies \"{wanted}\", but actual peer user name is \"{name}\""),
            ))
        }
    }
}

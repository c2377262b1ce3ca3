//! Streams to servers that are neither PostgreSQL nor HTTP: TCP, and TLS where the topology has an authority.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::tls::{self, Roots};

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A stream, whatever it runs over.
pub type Stream = Box<dyn Duplex>;

/// Connects to a server by the name that TLS verifies and, where that doesn't resolve, its address.
pub async fn plain(host: &str, hostaddr: Option<IpAddr>, port: u16) -> Result<TcpStream> {
    let connected = match hostaddr {
        Some(address) => TcpStream::connect(SocketAddr::new(address, port)).await,
        None => TcpStream::connect((host, port)).await,
    };
    let unreachable = |e: std::io::Error| {
        Error::new(Code::Unreachable, format!("could not connect to {host}, port {port}"))
            .source(e)
            .hint("Is the server running, and does it listen at this address?")
    };
    let stream = connected.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    Ok(stream)
}

/// The same with TLS, where the topology names an authority.
pub async fn open(config: &Config, host: &str, hostaddr: Option<IpAddr>, port: u16) -> Result<Stream> {
    let stream = plain(host, hostaddr, port).await?;
    let Some(roots) = roots(config)? else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|e| Error::config(format!("\"{host}\" is not a name that a certificate can have")).source(e))?;
    let connector = TlsConnector::from(tls::client_config(roots, None)?);
    let stream = connector.connect(name, stream).await.map_err(|e| match tls::find(&e) {
        Some(found) => tls::explain(found, host),
        None => Error::new(Code::Unreachable, format!("{host} broke off the TLS handshake")).source(e),
    })?;
    Ok(Box::new(stream))
}

/// The authorities that the topology names; none where it names none.
pub fn roots(config: &Config) -> Result<Option<Roots>> {
    match config.connect.sslrootcert.as_deref() {
        None => Ok(None),
        Some(path) if path == Path::new("system") => Roots::system().map(Some),
        Some(path) => Roots::from_file(path).map(Some),
    }
}

/// What a server shows in a TLS handshake, whether it may be trusted or not.
pub async fn certificate(stream: TcpStream, host: &str, roots: Roots) -> Result<tls::Shown> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|e| Error::config(format!("\"{host}\" is not a name that a certificate can have")).source(e))?;
    let connector = TlsConnector::from(Arc::new(tls::Client::unverified().config()?));
    let stream = connector.connect(name.clone(), stream).await.map_err(|e| match tls::find(&e) {
        Some(found) => tls::explain(found, host),
        None => Error::new(Code::Unreachable, format!("{host} broke off the TLS handshake")).source(e),
    })?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    tls::Shown::of(&chain, &name, host, roots)
}

//! Being a server: many connections, each bounded, until the run ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Door;
use crate::context::Context;
use crate::error::{Code, Error, Result};

/// Connections at most; whoever comes later waits.
const CONNECTIONS: usize = 1024;
/// How long a caller may take to come to the point.
const PATIENCE: Duration = Duration::from_secs(10);

/// A door that is open: whoever calls from now on is answered.
pub struct Listening {
    listener: TcpListener,
    door: Door,
}

impl Listening {
    /// Opens it.
    pub async fn at(door: Door) -> Result<Self> {
        let listener = TcpListener::bind(door.address).await.map_err(|e| {
            Error::new(Code::Io, format!("could not listen on {}", door.address))
                .source(e)
                .hint("Is another process using the port?")
        })?;
        Ok(Self { listener, door })
    }

    /// Where it is: the port, too, where any would do.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(|e| Error::internal("the listener has no address").source(e))
    }

    /// Its URL.
    pub fn url(&self) -> Result<String> {
        Ok(format!("{}://{}", self.door.scheme(), self.address()?))
    }
}

/// Serves until a signal or the deadline.
pub async fn serve(cx: &Context, listening: Listening, app: Router) -> Result<()> {
    let Listening { listener, door } = listening;
    let acceptor = door.tls.map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropped with this, they end.
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, mostly; it passes.
                    tracing::warn!("a connection was not taken: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (acceptor, app) = (acceptor.clone(), app.clone());
            connections.spawn(async move {
                if let Err(error) = connection(stream, acceptor, app).await {
                    tracing::debug!("a connection ended: {error}");
                }
                drop(permit);
            });
            while connections.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = accepting => Ok(()),
        () = cx.stop().asked() => Ok(()),
        () = cx.deadline_passed() => Ok(()),
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, app: Router) -> Result<(), Failed> {
    stream.set_nodelay(true)?;
    match acceptor {
        None => http(stream, app).await,
        Some(acceptor) => http(tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await??, app).await,
    }
}

async fn http(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, app: Router) -> Result<(), Failed> {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await.map_err(Failed::from)
}

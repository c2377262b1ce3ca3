//! The HTTP client below the S3 client: its TLS is the process's one.

use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use flotilla::config::ArchiveStore;
use flotilla::tls::{self, Roots};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower::ServiceExt as _;
use tower::util::MapResponse;

use super::ahead::Ahead;
use crate::store::Patience;

/// Connections that nothing has used for so long are closed: services close theirs soon, too.
const IDLE: Duration = Duration::from_secs(15);

/// A connector whose connections are read ahead.
type Reading = MapResponse<Tcp, fn(TokioIo<TcpStream>) -> TokioIo<Ahead>>;
type Https = Client<HttpsConnector<Reading>, SdkBody>;
type Making = Box<dyn FnOnce() -> Result<Https, String> + Send>;

/// A client that is made when it is first used; or why it can't be.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    client: Arc<LazyLock<Result<Https, String>, Making>>,
}

impl Connection {
    fn new(making: impl FnOnce() -> flotilla::Result<Https> + Send + 'static) -> Self {
        let making: Making = Box::new(|| making().map_err(|error| error.to_string()));
        Self { client: Arc::new(LazyLock::new(making)) }
    }
}

/// Two clients: one for the store, which trusts its own authority where it has one, and one for
/// whoever hands out credentials, which the operating system's authorities vouch for. Those are more than a
/// hundred files, and most credentials come from a file: they are read when somebody is asked for some.
pub(super) fn clients(store: &ArchiveStore, patience: Patience) -> flotilla::Result<(Connection, Connection)> {
    let Some(file) = store.ca_file.as_deref() else {
        let https = client(Roots::system()?, patience)?;
        let one = Connection::new(|| Ok(https));
        return Ok((one.clone(), one));
    };
    let own = Roots::from_file(file)?;
    let https = client(own.clone(), patience)?;
    let others = Connection::new(move || client(Roots::system().unwrap_or(own), patience));
    Ok((Connection::new(|| Ok(https)), others))
}

fn client(roots: Roots, patience: Patience) -> flotilla::Result<Https> {
    let config = tls::client_config(roots, None)?;
    let mut tcp = Tcp::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(patience.connect));
    tcp.set_keepalive(Some(Duration::from_secs(30)));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config((*config).clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp.map_response(Ahead::of as fn(_) -> _));
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        // Trying again is decided elsewhere.
        .retry_canceled_requests(false)
        .build(https))
}

impl HttpClient for Connection {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let lazy = Arc::clone(&self.client);
        HttpConnectorFuture::new(async move {
            let client = (**lazy).as_ref().map_err(|why| ConnectorError::user(why.clone().into()))?;
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let response = client.request(request).await.map_err(failed)?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn failed(error: hyper_util::client::legacy::Error) -> ConnectorError {
    let timed_out = anyhow::Chain::new(&error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::TimedOut);
    if timed_out { ConnectorError::timeout(error.into()) } else { ConnectorError::io(error.into()) }
}

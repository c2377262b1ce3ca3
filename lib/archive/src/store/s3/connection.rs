//! The HTTP client below the S3 client: its TLS is the process's one.

use std::error::Error as StdError;
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
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::store::Patience;

/// Connections that nothing has used for so long are closed: services close theirs soon, too.
const IDLE: Duration = Duration::from_secs(15);

#[derive(Clone, Debug)]
pub(super) struct Connection {
    client: Client<HttpsConnector<Tcp>, SdkBody>,
}

/// Two clients: one for the store, which trusts its own authority where it has one, and one for
/// whoever hands out credentials, which the operating system's authorities vouch for.
pub(super) fn clients(store: &ArchiveStore, patience: Patience) -> flotilla::Result<(Connection, Connection)> {
    let own = store.ca_file.as_deref().map(Roots::from_file).transpose()?;
    let system = match (Roots::system(), &own) {
        (Ok(system), _) => system,
        (Err(_), Some(own)) => own.clone(),
        (Err(error), None) => return Err(error),
    };
    let others = client(system, patience)?;
    let stores = own.map(|own| client(own, patience)).transpose()?;
    Ok((stores.unwrap_or_else(|| others.clone()), others))
}

fn client(roots: Roots, patience: Patience) -> flotilla::Result<Connection> {
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
        .wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        // Trying again is decided elsewhere.
        .retry_canceled_requests(false)
        .build(https);
    Ok(Connection { client })
}

impl HttpClient for Connection {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.client.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let response = client.request(request).await.map_err(failed)?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn failed(error: hyper_util::client::legacy::Error) -> ConnectorError {
    let timed_out = {
        let mut next: Option<&(dyn StdError + 'static)> = Some(&error);
        let mut found = false;
        while let Some(cause) = next {
            let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            found |= kind == Some(std::io::ErrorKind::TimedOut);
            next = cause.source();
        }
        found
    };
    if timed_out { ConnectorError::timeout(error.into()) } else { ConnectorError::io(error.into()) }
}

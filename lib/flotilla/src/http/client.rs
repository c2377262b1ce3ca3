//! A client for small questions: one request, one answer of bounded size, no second try.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::tls::{self, Identity, Roots};

/// No answer that anybody asks for here is larger, in bytes.
const ANSWER_LIMIT: usize = 16 << 20;
/// Connections that nothing has used for so long are closed.
const IDLE: Duration = Duration::from_secs(15);

/// Asks servers over HTTP, with TLS where the URL says so. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    inner: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    url: &'a str,
    method: Method,
    body: Bytes,
    headers: Vec<(&'a str, String)>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The content.
    pub body: Bytes,
}

impl Answer {
    /// Whether the server calls it a success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The content as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(|e| Error::new(Code::QueryFailed, "the answer is no JSON").source(e))
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl<'a> Request<'a> {
    /// A GET of this URL.
    pub fn get(url: &'a str) -> Self {
        Self { url, method: Method::GET, body: Bytes::new(), headers: Vec::new() }
    }

    /// A POST of a JSON document to it.
    pub fn post_json(url: &'a str, document: &serde_json::Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { url, method: Method::POST, body: document.to_string().into(), headers }
    }

    /// A PATCH of a JSON document to it.
    pub fn patch_json(url: &'a str, document: &serde_json::Value) -> Self {
        Self { method: Method::PATCH, ..Self::post_json(url, document) }
    }

    /// With this header as well.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Client {
    /// A client that trusts these authorities.
    pub fn new(roots: Roots, identity: Option<Identity>, connect_timeout: Duration) -> Result<Self> {
        let config = tls::client_config(roots, identity)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config((*config).clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            // A second try is the caller's to make.
            .retry_canceled_requests(false)
            .build(https);
        Ok(Self { inner })
    }

    /// A client for the topology's servers: it trusts the authority that they share, or the system's.
    pub fn of(config: &Config, identity: Option<Identity>, connect_timeout: Duration) -> Result<Self> {
        let roots = match crate::stream::roots(config)? {
            Some(roots) => roots,
            None => Roots::system()?,
        };
        Self::new(roots, identity, connect_timeout)
    }

    /// Asks, and reads the whole answer.
    pub async fn ask(&self, request: Request<'_>) -> Result<Answer> {
        let Request { url, method, body, headers } = request;
        let mut built = hyper::Request::builder().method(method).uri(url);
        built = built.header(header::USER_AGENT, concat!("flotilla/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            built = built.header(name, value);
        }
        let built =
            built.body(Full::new(body)).map_err(|e| Error::config(format!("{url:?} is not a URL")).source(e))?;
        let answer = self.inner.request(built).await.map_err(|e| failed(url, &e))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT)
            .collect()
            .await
            .map_err(|e| Error::new(Code::Unreachable, format!("the answer of {} broke off", host(url))).source(e))?;
        Ok(Answer { status, body: body.to_bytes() })
    }
}

fn host(url: &str) -> String {
    let (host, port) = crate::reach::host_and_port(url);
    port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
}

fn failed(url: &str, error: &legacy::Error) -> Error {
    let (name, _) = crate::reach::host_and_port(url);
    if let Some(found) = tls::find(error) {
        return tls::explain(found, &name);
    }
    let last = anyhow::Chain::new(error).last().map(ToString::to_string).unwrap_or_default();
    Error::new(Code::Unreachable, format!("could not ask {}: {last}", host(url)))
        .hint("Is the server running, and does it listen at this address?")
}

//! The HTTP client.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::config::{Config, Node};
use crate::error::{Code, Error, Result};
use crate::tls::{self, Identity, Roots};

/// Longer answers aren't Patroni's, in bytes.
const ANSWER_LIMIT: usize = 4 << 20;

/// A client of the REST interfaces of all nodes.
#[derive(Clone)]
pub struct Rest {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// What a node answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The text.
    pub body: String,
}

impl Answer {
    /// The text as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Rest {
    /// A client that asks, and gives orders where the topology names a certificate.
    pub fn new(config: &Config) -> Result<Self> {
        let roots = match config.connect.sslrootcert.as_deref() {
            Some(path) if path != Path::new("system") => Roots::from_file(path)?,
            _ => Roots::system()?,
        };
        let identity = match (&config.patroni.sslcert, &config.patroni.sslkey) {
            (Some(certificate), Some(key)) => Some(Identity::from_files(certificate, key)?),
            _ => None,
        };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(Duration::from_secs(config.connect.connect_timeout_seconds.max(1))));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config((*tls::client_config(roots, identity)?).clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        // Patroni closes each connection after its answer.
        Ok(Self { client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(https) })
    }

    /// Asks a node.
    pub async fn get(&self, node: &Node, path: &str, limit: Duration) -> Result<Answer> {
        self.call(Method::GET, node, path, None, limit).await
    }

    /// Gives a node an order.
    pub async fn post(&self, node: &Node, path: &str, body: &Value, limit: Duration) -> Result<Answer> {
        self.call(Method::POST, node, path, Some(body), limit).await
    }

    /// Changes a part of what a node holds.
    pub async fn patch(&self, node: &Node, path: &str, body: &Value, limit: Duration) -> Result<Answer> {
        self.call(Method::PATCH, node, path, Some(body), limit).await
    }

    async fn call(
        &self,
        method: Method,
        node: &Node,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<Answer> {
        let base = url(node)?;
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(Code::Unreachable, format!("Patroni of \"{}\" does not answer at {base}", node.name))
                .hint("Is Patroni running there?")
                .source(source)
        };
        let text = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request =
            Request::builder().method(method).uri(format!("{base}{path}")).body(Full::new(text)).map_err(|source| {
                Error::config(format!("node \"{}\": {base:?} is no URL of Patroni's", node.name)).source(source)
            })?;
        let asked = async {
            let answer = self.client.request(request).await.map_err(|e| failed(e.into()))?;
            let status = answer.status().as_u16();
            let bytes = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await.map_err(failed)?.to_bytes();
            Ok(Answer { status, body: String::from_utf8_lossy(&bytes).trim().to_owned() })
        };
        tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| {
            Err(Error::new(Code::Timeout, format!("Patroni of \"{}\" did not answer within {limit:?}", node.name))
                .hint("Look at its log, and at its machine's load."))
        })
    }
}

/// A node's URL without a slash at its end.
fn url(node: &Node) -> Result<&str> {
    let url = node.patroni.as_deref().ok_or_else(|| {
        Error::config(format!("node \"{}\" has no patroni URL", node.name))
            .hint("Set `patroni` in the topology, as \"https://10.0.0.1:8008\".")
    })?;
    Ok(url.strip_suffix('/').unwrap_or(url))
}

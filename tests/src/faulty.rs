//! A proxy in front of a real S3 service that fails by rule: what networks and services do on bad days.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flotilla::config::ArchiveStore;
use flotilla::tls::{self, Identity, Roots};
use futures_util::StreamExt as _;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::ObjectStore;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service answers this status and error code instead of doing anything.
    Status(u16, &'static str),
    /// No answer ever comes.
    Hang,
    /// The connection breaks before anything is done.
    Refuse,
    /// It is done, but the connection breaks before the answer.
    LoseAnswer,
    /// The body breaks off after so many bytes.
    Cut(usize),
    /// The body stands still after so many bytes.
    Stall(usize),
    /// The body comes in pieces of so many bytes, with a pause of so many milliseconds after each.
    Slow(usize, u64),
    /// The length and the body are shorter by so many bytes.
    Shorten(usize),
    /// The lowest bit of the byte at this place is another.
    Flip(usize),
}

/// Which requests a fault hits.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The method; empty for all.
    pub method: &'static str,
    /// What the path with its query contains.
    pub path: String,
    /// How many such requests pass first.
    pub after: usize,
    /// How many are hit.
    pub times: usize,
    /// By what.
    pub fault: Fault,
}

impl Rule {
    /// A rule for every request of this method whose path with its query contains this.
    pub fn new(method: &'static str, path: impl Into<String>, fault: Fault) -> Self {
        Self { method, path: path.into(), after: 0, times: usize::MAX, fault }
    }

    /// Hits only so many.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Lets so many pass first.
    #[must_use]
    pub fn after(mut self, after: usize) -> Self {
        self.after = after;
        self
    }

    /// Whether it hits this request, which counts.
    fn hits(&mut self, method: &str, path: &str) -> bool {
        if !(self.method.is_empty() || self.method == method) || !path.contains(&self.path) || self.times == 0 {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

/// The proxy. It speaks TLS with the service's own certificate.
#[derive(Debug)]
pub struct Faulty {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<String>>,
}

type Answer = Response<BoxBody<Bytes, std::io::Error>>;
type Upstream = Client<HttpsConnector<HttpConnector>, BoxBody<Bytes, hyper::Error>>;

impl Faulty {
    /// A proxy before this service, without a rule.
    pub fn before(service: &ObjectStore) -> Self {
        let roots = Roots::from_file(&service.authority()).expect("an authority");
        let identity =
            Identity::from_files(&service.path().join("certs/public.crt"), &service.path().join("certs/private.key"));
        let client = tls::client_config(roots, None).expect("a client's TLS");
        let server = tls::server_config(identity.expect("a certificate"), None).expect("a server's TLS");
        let state = Arc::new(State::default());
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = std::sync::mpsc::channel();
        let (shared, target) = (Arc::clone(&state), service.address());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                ready.send(listener.local_addr().expect("an address")).expect("somebody waits");
                let https = HttpsConnectorBuilder::new().with_tls_config((*client).clone()).https_only().enable_http1();
                let upstream: Upstream = Client::builder(TokioExecutor::new()).build(https.build());
                let acceptor = TlsAcceptor::from(server);
                tokio::select! {
                    () = accept(listener, acceptor, upstream, target, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().expect("the proxy listens"), state, stop: Some(stop), thread: Some(thread) }
    }

    /// Adds a rule; the first that hits a request decides.
    pub fn rule(&self, rule: Rule) -> &Self {
        held(&self.state.rules).push(rule);
        self
    }

    /// Forgets all rules and requests.
    pub fn clear(&self) {
        held(&self.state.rules).clear();
        held(&self.state.seen).clear();
    }

    /// The requests so far: `GET /archive/x?list-type=2`.
    pub fn requests(&self) -> Vec<String> {
        held(&self.state.seen).clone()
    }

    /// How many requests have this method, and this in their path.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let wanted = |request: &&String| request.starts_with(method) && request.contains(path);
        held(&self.state.seen).iter().filter(wanted).count()
    }

    /// The same store, by way of this proxy.
    pub fn store(&self, store: ArchiveStore) -> ArchiveStore {
        ArchiveStore { endpoint: Some(format!("https://{}", self.address)), ..store }
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, upstream: Upstream, target: String, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (acceptor, upstream, target, state) =
            (acceptor.clone(), upstream.clone(), target.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request| {
                let (upstream, target, state) = (upstream.clone(), target.clone(), Arc::clone(&state));
                async move { answer(request, &upstream, &target, &state).await }
            });
            // A connection that breaks is what the proxy is for.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Answers a request; an error closes the connection without an answer.
async fn answer(
    request: Request<Incoming>,
    upstream: &Upstream,
    target: &str,
    state: &State,
) -> Result<Answer, std::io::Error> {
    let method = request.method().as_str().to_owned();
    let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    held(&state.seen).push(format!("{method} {path}"));
    let fault = held(&state.rules).iter_mut().find_map(|rule| rule.hits(&method, &path).then_some(rule.fault));
    match fault {
        Some(Fault::Status(status, code)) => {
            // Taken in whole first, as a service would.
            let _ = request.into_body().collect().await;
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>planted</Message></Error>"
            );
            let text = if method == "HEAD" || code.is_empty() { String::new() } else { text };
            let body = Full::new(Bytes::from(text)).map_err(never).boxed();
            let mut answer = Response::new(body);
            *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
            return Ok(answer);
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Refuse) => return Err(std::io::ErrorKind::ConnectionReset.into()),
        _ => {}
    }
    let (mut parts, body) = request.into_parts();
    parts.uri = Uri::builder().scheme("https").authority(target).path_and_query(path).build().expect("a URL");
    let answer = upstream.request(Request::from_parts(parts, body.boxed())).await.map_err(std::io::Error::other)?;
    let (mut parts, body) = answer.into_parts();
    let body = body.map_err(std::io::Error::other).boxed();
    let body = match fault {
        None => body,
        Some(Fault::LoseAnswer) => return Err(std::io::ErrorKind::ConnectionReset.into()),
        Some(fault) => {
            if let Fault::Shorten(by) = fault
                && let Some(length) =
                    parts.headers.get(CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse::<usize>().ok())
            {
                parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length.saturating_sub(by)));
            }
            spoil(body.collect().await?.to_bytes(), fault)
        }
    };
    Ok(Response::from_parts(parts, body))
}

/// The body with its fault.
fn spoil(whole: Bytes, fault: Fault) -> BoxBody<Bytes, std::io::Error> {
    let frames =
        |chunks: Vec<Bytes>| futures_util::stream::iter(chunks.into_iter().map(|chunk| Ok(Frame::data(chunk))));
    match fault {
        Fault::Cut(at) => {
            let broken = async {
                // What was sent before is to arrive.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::ErrorKind::ConnectionReset.into())
            };
            let start = whole.slice(..at.min(whole.len()));
            BodyExt::boxed(StreamBody::new(frames(vec![start]).chain(futures_util::stream::once(Box::pin(broken)))))
        }
        Fault::Stall(at) => {
            let start = whole.slice(..at.min(whole.len()));
            BodyExt::boxed(StreamBody::new(frames(vec![start]).chain(futures_util::stream::pending())))
        }
        Fault::Slow(size, pause) => {
            let chunks: Vec<Bytes> = whole.chunks(size.max(1)).map(Bytes::copy_from_slice).collect();
            let slowly = frames(chunks).then(move |frame| async move {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                frame
            });
            BodyExt::boxed(StreamBody::new(slowly))
        }
        Fault::Shorten(by) => Full::new(whole.slice(..whole.len().saturating_sub(by))).map_err(never).boxed(),
        Fault::Flip(at) => {
            let mut bytes = whole.to_vec();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1;
            }
            Full::new(Bytes::from(bytes)).map_err(never).boxed()
        }
        Fault::Status(..) | Fault::Hang | Fault::Refuse | Fault::LoseAnswer => Full::new(whole).map_err(never).boxed(),
    }
}

fn never(impossible: Infallible) -> std::io::Error {
    match impossible {}
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! `healthcheck serve`: health over HTTP for programs, a page for people.

mod access;
mod app;
mod document;
mod events;
mod metrics;
mod openapi;
mod page;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use flotilla::clock::parse_duration;
use flotilla::http::{Door, Listening, Token};
use flotilla::tls::Identity;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, Error, Result, http, log};

use self::app::App;
use crate::component::Subject;
use crate::sweep::jobs;
use crate::watched::Watching;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "serve",
    effect: Effect::Reads,
    scope: Scope::None,
    exclusive: false,
    records: &[],
    examples: &[
        Example { line: "healthcheck serve", does: "Show the page at http://127.0.0.1:9186" },
        Example {
            line: "healthcheck serve --listen 0.0.0.0:9186 --token-file token --tls-cert health.crt --tls-key health.key",
            does: "Serve other machines, which must show the token",
        },
    ],
};

/// Where, for whom, and how often is asked.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9186")]
    listen: SocketAddr,
    /// A file with the token that callers must show; needed off loopback
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The certificate to serve with; needed off loopback
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// How often to ask [default: `health.interval_ms`]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    interval: Option<Duration>,
    /// How long one probe may take [default: `health.timeout_ms`]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// Asking more often than this would be load of its own.
pub(crate) const SHORTEST: Duration = Duration::from_millis(100);

/// Asks everything on and on, and serves what was seen last, until a signal or the deadline.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let config = cx.config()?;
    let identity = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(Identity::from_files(certificate, key)?),
        _ => None,
    };
    let token = args.token_file.as_deref().map(Token::from_file).transpose()?;
    let door = Door::new(args.listen).guarded(identity, token)?;
    door.check("Others may reach it: give --tls-cert, --tls-key and --token-file, or listen on 127.0.0.1.")?;
    let limit = args.timeout.unwrap_or(Duration::from_millis(config.health.timeout_ms));
    let interval = args.interval.unwrap_or(Duration::from_millis(config.health.interval_ms)).max(SHORTEST);
    let jobs = jobs(cx, &Subject::all(config), &[])?;
    if jobs.is_empty() {
        return Err(Error::config(format!("{}: there is nothing to ask", config.path.display()))
            .hint("Add [[shards]] to the topology."));
    }
    let listening = Listening::at(door.clone()).await?;
    let (_watching, watched) = Watching::begin(cx, jobs, limit, interval)?;
    if !cx.global().quiet {
        log::say(&format!("{}: serving {}", cx.tool(), listening.url()?));
    }
    let app = Arc::new(App::new(&config.cluster.name, watched));
    http::serve(cx, listening, router(app, door)).await
}

/// Liveness and readiness are for whoever starts and stops processes, and show nothing: they need no token.
fn router(app: Arc<App>, door: Door) -> Router {
    let guarded = Router::new()
        .route("/", get(page::page))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/events", get(events::events))
        .route("/health", get(document::all))
        .route("/health/{component}", get(document::one))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::openapi))
        .layer(from_fn_with_state(Arc::new(door), access::token));
    Router::new()
        .route("/livez", get(access::livez))
        .route("/readyz", get(access::readyz))
        .merge(guarded)
        .layer(from_fn(access::headers))
        .with_state(app)
}

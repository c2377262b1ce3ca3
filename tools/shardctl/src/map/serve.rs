//! The map over HTTP: `GET /map` with an `ETag`, so that routers may ask often and cheaply.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flotilla::error::{Code, Error, Result};
use flotilla::http::{self, Door, Listening};
use flotilla::{Context, log};
use tokio::sync::watch;

use super::export::proven;

/// A map as it goes out.
struct Served {
    body: Vec<u8>,
    etag: String,
}

/// Serves until a signal or the deadline. Starts only with a proven map; later keeps the last one
/// that was, since the fence catches what is stale.
pub(super) async fn run(cx: &Context, address: SocketAddr, refresh: Duration) -> Result<()> {
    let door = Door::new(address);
    door.check("This server has neither TLS nor a login. Serve on 127.0.0.1 behind a proxy that has, or hand out the file of --export.")?;
    let (sender, receiver) = watch::channel(Arc::new(read(cx).await?));
    let listening = Listening::at(door).await?;
    log::say(&format!("{}: serving {}/map", cx.tool(), listening.url()?));
    let app = Router::new().route("/map", get(map)).route("/livez", get(async || "ok\n")).with_state(receiver);
    let refreshing = async {
        loop {
            tokio::time::sleep(refresh.max(Duration::from_millis(100))).await;
            match read(cx).await {
                Ok(served) => drop(sender.send_replace(Arc::new(served))),
                Err(error) if error.code() == Code::Cancelled => std::future::pending().await,
                Err(error) => log::say(&error.text(cx.tool())),
            }
        }
    };
    tokio::select! {
        served = http::serve(cx, listening, app) => served,
        () = refreshing => Ok(()),
    }
}

async fn read(cx: &Context) -> Result<Served> {
    let file = proven(cx).await?;
    let body = serde_json::to_vec(&file).map_err(|e| Error::internal("the map is not JSON").source(e))?;
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let etag = format!("\"{}-{:016x}\"", file.epoch, hasher.finish());
    Ok(Served { body, etag })
}

async fn map(State(receiver): State<watch::Receiver<Arc<Served>>>, headers: HeaderMap) -> Response {
    let served = receiver.borrow().clone();
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let same = known.is_some_and(|v| v.split(',').any(|tag| tag.trim().trim_start_matches("W/") == served.etag));
    let head = [(header::ETAG, served.etag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if same {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, [(header::CONTENT_TYPE, "application/json")], served.body.clone()).into_response()
}

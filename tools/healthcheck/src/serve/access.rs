//! Who may ask what, and the headers of every answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flotilla::http::Door;

use super::app::App;

/// Nothing from elsewhere, nothing inline.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Lets through whoever shows the token.
pub(super) async fn token(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    if door.admits(request.headers()) {
        return next.run(request).await;
    }
    // By Basic, so that a browser asks for it: the token is the password.
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"flotilla\", Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, "show the token\n").into_response()
}

/// Adds the headers that every answer has.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The process runs. What it watches has no say in that.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Everything has been asked once, so the answers mean something.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    if app.watched.is_complete() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not everything has been asked yet\n").into_response()
}

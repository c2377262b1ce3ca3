//! The page's news: server-sent events, each the whole of what is shown, made once for all readers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;

use super::app::App;
use super::page;

/// Reports that come together are shown together.
const TOGETHER: Duration = Duration::from_millis(250);

/// What is shown, whenever it has changed.
pub(super) async fn events(State(app): State<Arc<App>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut version = app.watched.version();
    version.mark_changed();
    let news = unfold((app, version), |(app, mut version)| async move {
        version.changed().await.ok()?;
        tokio::time::sleep(TOGETHER).await;
        version.mark_unchanged();
        let shown = page::fragment(&app);
        Some((Ok(Event::default().event("state").data(shown)), (app, version)))
    });
    Sse::new(news).keep_alive(KeepAlive::default())
}

//! Poolers and balancers: what is rendered, judged, compared, put in force, measured. Real PgBouncer and
//! HAProxy before real servers.

mod advise;
mod apply;
pub(crate) mod balancer;
mod diff;
mod killed;
mod paused;
mod render;

use flotilla_tests::Pooling;

/// A pooler that runs with what the topology renders.
fn pooler(settings: &str) -> Pooling {
    let pooling = Pooling::start(settings);
    let text = pooling.rendered();
    pooling.pooler(&text)
}

/// The rendered text with another value of a key.
fn with(text: &str, key: &str, value: &str) -> String {
    let line =
        text.lines().find(|line| line.starts_with(&format!("{key} ="))).unwrap_or_else(|| panic!("{key}\n{text}"));
    text.replacen(line, &format!("{key} = {value}"), 1)
}

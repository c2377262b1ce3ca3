//! The lines of `healthcheck probe`, as what was seen of each check.

use flotilla::{Error, Result};
use serde::Deserialize;

use crate::check::Health;

/// The kind of lines that are read.
const SCHEMA: &str = "healthcheck.probe/1";

/// What was seen of one instance.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    pub(super) target: Option<String>,
    pub(super) component: String,
    pub(super) instance: String,
    pub(super) shard: Option<String>,
    pub(super) checks: Vec<SeenCheck>,
    /// Whether it answered, so that what isn't among its checks any more is over.
    pub(super) answered: bool,
}

/// What was seen of one check.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SeenCheck {
    pub(super) check: String,
    pub(super) of: Option<String>,
    pub(super) status: Health,
    pub(super) message: Option<String>,
    pub(super) hint: Option<String>,
}

#[derive(Deserialize)]
struct Probed {
    schema: Option<String>,
    target: Option<String>,
    component: Option<String>,
    instance: Option<String>,
    shard: Option<String>,
    checks: Option<Vec<SeenCheck>>,
}

/// Reads the lines. All of them are checked before anything is done; one that a tool in between has skipped says
/// nothing of an instance, and is passed over.
pub(super) fn observations(text: &str) -> Result<Vec<Observation>> {
    let mut seen = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("line {}", at + 1);
        let probed: Probed = serde_json::from_str(line).map_err(|e| {
            Error::input("not a line of healthcheck probe")
                .within(&place)
                .source(e)
                .hint("Pipe in what `healthcheck probe` writes.")
        })?;
        if probed.schema.as_deref() != Some(SCHEMA) {
            let schema = probed.schema.as_deref().unwrap_or("none");
            return Err(Error::input(format!("its schema is \"{schema}\", not {SCHEMA}"))
                .within(&place)
                .hint("Pipe in what `healthcheck probe` of this release writes."));
        }
        let (Some(component), Some(instance), Some(checks)) = (probed.component, probed.instance, probed.checks) else {
            continue;
        };
        let answered = checks.iter().any(|check| check.check == "up" && check.status == Health::Pass);
        seen.push(Observation { target: probed.target, component, instance, shard: probed.shard, checks, answered });
    }
    Ok(seen)
}

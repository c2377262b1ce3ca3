//! Health as `application/health+json` (draft-inadarei-api-health-check-06).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use flotilla::clock::rfc3339;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::app::App;
use crate::check::Health;
use crate::component::names;
use crate::report::Report;
use crate::watched::worst;

/// The draft's media type.
const MEDIA_TYPE: &str = "application/health+json";

/// The draft's three values. What nobody can tell isn't healthy.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// Healthy.
    Pass,
    /// Healthy, with something to look at.
    Warn,
    /// Not healthy, or nobody can tell.
    Fail,
}

impl From<Health> for Status {
    fn from(health: Health) -> Self {
        match health {
            Health::Pass => Self::Pass,
            Health::Warn => Self::Warn,
            Health::Unknown | Health::Fail => Self::Fail,
        }
    }
}

/// The health of everything, or of one component.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// The worst of all checks.
    status: Status,
    /// The major version of this document.
    version: &'static str,
    /// The release of the tool.
    release_id: &'static str,
    /// The cluster.
    service_id: String,
    /// What it is.
    description: &'static str,
    /// What isn't well, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    /// What was looked at, by component and check.
    checks: BTreeMap<String, Vec<Measurement>>,
    /// Where to read on.
    links: BTreeMap<&'static str, &'static str>,
}

/// One check of one instance.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measurement {
    /// The instance, and what in it.
    component_id: String,
    /// `datastore`, `system` or `component`.
    component_type: &'static str,
    /// What was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_value: Option<Value>,
    /// The unit of a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_unit: Option<&'static str>,
    /// How good it is, in the draft's words.
    status: Status,
    /// How good it is: `unknown` where nobody can tell.
    health: Health,
    /// When it was looked at.
    time: String,
    /// What isn't well, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    /// The shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<String>,
}

/// Everything.
pub(super) async fn all(State(app): State<Arc<App>>) -> Response {
    let (content, status, age) = app.document.get(&app.watched, |reports| made(&app.cluster, reports));
    answer(content, status, age)
}

/// One component.
pub(super) async fn one(State(app): State<Arc<App>>, Path(component): Path<String>) -> Response {
    if !names().contains(&component.as_str()) {
        return (
            StatusCode::NOT_FOUND,
            format!("there is no component of that name; there are {}\n", names().join(", ")),
        )
            .into_response();
    }
    let mut reports = app.watched.reports();
    reports.retain(|report| report.component == component);
    let (content, status) = made(&app.cluster, &reports);
    answer(content, status, Duration::ZERO)
}

fn answer(content: Bytes, status: u16, age: Duration) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let head = [
        (header::CONTENT_TYPE, MEDIA_TYPE.to_owned()),
        (header::CACHE_CONTROL, "max-age=1".to_owned()),
        (header::AGE, age.as_secs().to_string()),
    ];
    (status, head, content).into_response()
}

/// A database that is down is what this says; it is no failure of whoever says it, so never 500.
fn made(cluster: &str, reports: &[Arc<Report>]) -> (Bytes, u16) {
    let health = worst(reports);
    let document = document(cluster, reports, health);
    let bytes = serde_json::to_vec(&document).unwrap_or_default();
    (bytes.into(), if health >= Health::Unknown { 503 } else { 200 })
}

fn document(cluster: &str, reports: &[Arc<Report>], health: Health) -> Document {
    let mut checks: BTreeMap<String, Vec<Measurement>> = BTreeMap::new();
    for report in reports {
        for check in &report.checks {
            let said = check.message.iter().chain(&check.hint).cloned().collect::<Vec<_>>().join(". ");
            let measurement = Measurement {
                component_id: check
                    .of
                    .as_ref()
                    .map_or_else(|| report.instance.name.clone(), |of| format!("{}/{of}", report.instance.name)),
                component_type: kind(report.component),
                observed_value: check.observed.clone(),
                observed_unit: check.unit.filter(|unit| !unit.is_empty()),
                status: check.status.into(),
                health: check.status,
                time: rfc3339(report.at),
                output: (!said.is_empty()).then_some(said),
                shard: report.instance.shard.clone(),
            };
            checks.entry(format!("{}:{}", report.component, check.check)).or_default().push(measurement);
        }
    }
    let bad =
        |report: &Arc<Report>| Some(format!("{} {}: {}", report.component, report.instance.name, report.summary()?));
    let output = reports.iter().filter_map(bad).collect::<Vec<_>>().join("\n");
    Document {
        status: health.into(),
        version: "1",
        release_id: env!("CARGO_PKG_VERSION"),
        service_id: cluster.to_owned(),
        description: "health of every component of the cluster",
        output: (!output.is_empty()).then_some(output),
        checks,
        links: BTreeMap::from([("about", "/"), ("describedby", "/openapi.json")]),
    }
}

fn kind(component: &str) -> &'static str {
    match component {
        "postgresql" | "redis" | "etcd" | "store" => "datastore",
        "certificate" | "backup" | "job" | "migration" => "system",
        _ => "component",
    }
}

//! Alerts as Alertmanager takes them, as it hands them on, and as people read them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flotilla::clock::{self, rfc3339};
use serde_json::{Value, json};

use super::judge::Stage;
use super::state::Alert;

/// Alertmanager's zero time: it isn't over.
const NEVER: &str = "0001-01-01T00:00:00Z";

fn labels(cluster: &str, alert: &Alert) -> BTreeMap<&'static str, String> {
    let severity = if alert.health == crate::check::Health::Warn { "warning" } else { "critical" };
    let mut labels = BTreeMap::from([
        ("alertname", format!("flotilla_{}_{}", alert.component, alert.check)),
        ("cluster", cluster.to_owned()),
        ("component", alert.component.clone()),
        ("instance", alert.instance.clone()),
        ("check", alert.check.clone()),
        ("severity", severity.to_owned()),
    ]);
    labels.extend(alert.shard.clone().map(|shard| ("shard", shard)));
    labels.extend(alert.of.clone().map(|of| ("of", of)));
    labels
}

fn annotations(alert: &Alert) -> BTreeMap<&'static str, String> {
    let summary = alert.summary.clone().unwrap_or_else(|| format!("{} is not well", alert.label()));
    let mut annotations = BTreeMap::from([("summary", summary)]);
    annotations.extend(alert.hint.clone().map(|hint| ("description", hint)));
    annotations
}

fn is_over(alert: &Alert) -> bool {
    alert.stage == Stage::Resolved
}

/// The body of `POST /api/v2/alerts`. An alert that nobody repeats is over after `keep`: who repeats it may have died.
pub(super) fn alertmanager(cluster: &str, alerts: &[&Alert], keep: Duration) -> Value {
    let until = |alert: &Alert| -> DateTime<Utc> {
        alert.ended.filter(|_| is_over(alert)).unwrap_or_else(|| clock::now() + keep)
    };
    let one = |alert: &&Alert| {
        json!({
            "labels": labels(cluster, alert),
            "annotations": annotations(alert),
            "startsAt": rfc3339(alert.since),
            "endsAt": rfc3339(until(alert)),
        })
    };
    Value::Array(alerts.iter().map(one).collect())
}

/// The body that Alertmanager's webhooks get, version 4.
pub(super) fn webhook(cluster: &str, alerts: &[&Alert]) -> Value {
    let one = |alert: &&Alert| {
        let ended = alert.ended.filter(|_| is_over(alert)).map_or_else(|| NEVER.to_owned(), rfc3339);
        json!({
            "status": if is_over(alert) { "resolved" } else { "firing" },
            "labels": labels(cluster, alert),
            "annotations": annotations(alert),
            "startsAt": rfc3339(alert.since),
            "endsAt": ended,
            "generatorURL": "",
            "fingerprint": alert.fingerprint(),
        })
    };
    let firing = alerts.iter().any(|alert| !is_over(alert));
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{cluster=\"{cluster}\"}}"),
        "truncatedAlerts": 0,
        "status": if firing { "firing" } else { "resolved" },
        "receiver": "flotilla",
        "groupLabels": { "cluster": cluster },
        "commonLabels": { "cluster": cluster },
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": alerts.iter().map(one).collect::<Vec<_>>(),
    })
}

/// A subject and a text for people.
pub(super) fn message(cluster: &str, alerts: &[&Alert]) -> (String, String) {
    let (over, on): (Vec<&&Alert>, Vec<&&Alert>) = alerts.iter().partition(|alert| is_over(alert));
    let subject = match (on.as_slice(), over.as_slice()) {
        ([one], []) => format!("[{cluster}] {}: {} {}", one.health.word(), one.instance, one.label()),
        ([], [one]) => format!("[{cluster}] over: {} {}", one.instance, one.label()),
        (on, over) => format!("[{cluster}] {} not well, {} over", on.len(), over.len()),
    };
    let mut text = String::new();
    for alert in on.iter().chain(&over) {
        let word = if is_over(alert) { "over" } else { alert.health.word() };
        let summary = alert.summary.as_deref().unwrap_or("not well");
        let _ = writeln!(text, "{word}: {} {} ({}): {summary}", alert.instance, alert.component, alert.label());
        let _ = writeln!(text, "  since {}", rfc3339(alert.since));
        if let (Some(ended), true) = (alert.ended, is_over(alert)) {
            let _ = writeln!(text, "  until {}", rfc3339(ended));
        }
        if let Some(hint) = alert.hint.as_ref().filter(|_| !is_over(alert)) {
            let _ = writeln!(text, "  {hint}");
        }
    }
    (subject.replace(['\n', '\r'], " "), text)
}

//! Metrics in Prometheus's text, under the names that the field has for them, else with the prefix `flotilla_`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::app::App;
use crate::check::{Check, Health};
use crate::report::Report;

/// The metrics.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let (content, _, _) = app.metrics.get(&app.watched, |reports| (text(reports).into(), 200));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], content).into_response()
}

/// Samples by metric: a metric's lines stand together.
#[derive(Default)]
struct Families(BTreeMap<String, Vec<String>>);

impl Families {
    fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().filter(|(_, value)| !value.is_empty());
        let labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.0.entry(name.to_owned()).or_default().push(format!("{name}{labels} {value}"));
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

fn text(reports: &[Arc<Report>]) -> String {
    let mut families = Families::default();
    for report in reports {
        let (instance, shard) = (report.instance.name.as_str(), report.instance.shard.as_deref().unwrap_or_default());
        let labels = [("component", report.component), ("instance", instance), ("shard", shard)];
        let is = |yes: bool| f64::from(u8::from(yes));
        families.add("flotilla_probe_success", &labels, is(report.health() < Health::Unknown));
        families.add("flotilla_probe_duration_seconds", &labels, report.took.as_secs_f64());
        let age = (flotilla::clock::now() - report.at).to_std().unwrap_or_default();
        families.add("flotilla_probe_age_seconds", &labels, age.as_secs_f64());
        for health in [Health::Pass, Health::Warn, Health::Unknown, Health::Fail] {
            let labels = [&labels[..], &[("health", health.word())]].concat();
            families.add("flotilla_health", &labels, is(report.health() == health));
        }
        conventional(&mut families, report, instance, shard);
        for check in &report.checks {
            let Some(value) = check.value() else { continue };
            let labels = [("instance", instance), ("shard", shard), ("of", check.of.as_deref().unwrap_or_default())];
            families.add(&format!("flotilla_{}_{}", report.component, check.check), &labels, value);
        }
    }
    families.0.into_iter().fold(String::new(), |mut text, (name, samples)| {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        let _ = writeln!(text, "# TYPE {name} {kind}\n{}", samples.join("\n"));
        text
    })
}

/// What exporters of the field call the same, so that their rules and dashboards fit.
fn conventional(families: &mut Families, report: &Report, instance: &str, shard: &str) {
    let is = |yes: bool| f64::from(u8::from(yes));
    let labels = [("shard", shard), ("node", instance), ("role", report.role.as_deref().unwrap_or_default())];
    let up = is(report.error.is_none());
    let named = |name: &'static str| report.checks.iter().filter(move |check| check.check == name);
    let first = |name: &'static str| named(name).next();
    match report.component {
        "postgresql" => {
            families.add("pg_up", &labels, up);
            if let Some(lag) = first("lag_seconds").and_then(Check::value) {
                families.add("pg_replication_lag_seconds", &labels, lag);
            }
            for check in named("slot_active") {
                let slot = check.of.as_deref().unwrap_or_default();
                families.add(
                    "pg_replication_slots_active",
                    &[("shard", shard), ("node", instance), ("slot_name", slot)],
                    check.value().unwrap_or(0.0),
                );
            }
        }
        "patroni" => {
            families.add(
                "patroni_postgres_running",
                &labels,
                is(first("state").is_some_and(|check| check.status == Health::Pass)),
            );
            families.add("patroni_primary", &labels, is(report.role.as_deref() == Some("primary")));
            families.add("patroni_replica", &labels, is(report.role.as_deref() == Some("replica")));
            for (name, check) in [
                ("patroni_is_paused", "failover"),
                ("patroni_pending_restart", "settings"),
                ("patroni_cluster_unlocked", "leader"),
            ] {
                if let Some(check) = first(check) {
                    families.add(name, &labels, is(check.status > Health::Pass));
                }
            }
        }
        "pgbouncer" => {
            families.add("pgbouncer_up", &[("instance", instance)], up);
            for (name, check) in [
                ("pgbouncer_pools_client_waiting_connections", "clients_waiting"),
                ("pgbouncer_pools_client_active_connections", "clients_active"),
                ("pgbouncer_pools_client_maxwait_seconds", "wait_seconds"),
            ] {
                for check in named(check) {
                    let (database, user) = check.of.as_deref().and_then(|of| of.split_once('/')).unwrap_or_default();
                    families.add(
                        name,
                        &[("instance", instance), ("database", database), ("user", user)],
                        check.value().unwrap_or(0.0),
                    );
                }
            }
        }
        "haproxy" => families.add("haproxy_up", &[("instance", instance)], up),
        "redis" => families.add("redis_up", &[("instance", instance)], up),
        "etcd" => {
            let leads = is(first("leader").is_some_and(|check| check.status == Health::Pass));
            families.add("etcd_server_has_leader", &[("instance", instance)], leads);
        }
        _ => {}
    }
}

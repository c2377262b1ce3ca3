//! The page for people: the whole topology at a glance, made here so that it needs no script.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::app::App;
use crate::check::{Check, Health, shown};
use crate::report::Report;
use crate::watched::worst;

const PAGE: &str = include_str!("page.html.j2");
const FRAGMENT: &str = include_str!("fragment.html.j2");

/// The whole page.
pub(super) async fn page(State(app): State<Arc<App>>) -> Response {
    let values = Page { cluster: &app.cluster, fragment: fragment(&app) };
    let html = fill(PAGE, &values);
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// Its style.
pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page.css")).into_response()
}

/// What keeps it fresh.
pub(super) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("page.js")).into_response()
}

/// What changes in the page.
pub(super) fn fragment(app: &App) -> String {
    let make = |reports: &[Arc<Report>]| {
        let html = fill(FRAGMENT, &Fragment::of(reports, app.watched.is_complete()));
        (Bytes::from(html), 200)
    };
    let (content, ..) = app.page.get(&app.watched, make);
    String::from_utf8_lossy(&content).into_owned()
}

/// Both templates are part of the binary, so a failure is a bug, and is shown as one.
fn fill<T: Serialize>(template: &str, values: &T) -> String {
    rendered(template, values).unwrap_or_else(|error| {
        tracing::error!("the page can't be made: {error:#}");
        "<p>The page can't be made; see the log.</p>".to_owned()
    })
}

/// The template's name ends in `.html`, so that what is put in is text there, never markup.
fn rendered<T: Serialize>(template: &str, values: &T) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.render_named_str("page.html", template, Serde(values))
}

#[derive(Serialize)]
struct Page<'a> {
    cluster: &'a str,
    fragment: String,
}

#[derive(Serialize)]
struct Fragment {
    health: Health,
    complete: bool,
    /// How many instances are how well.
    counts: Vec<(Health, usize)>,
    /// What isn't well, the worst first.
    alerts: Vec<Alert>,
    shards: Vec<Shard>,
    /// What belongs to no shard, by what it is.
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Alert {
    health: Health,
    component: &'static str,
    instance: String,
    /// Where on the page it is.
    anchor: String,
    message: String,
    hint: Option<String>,
}

#[derive(Serialize)]
struct Shard {
    name: String,
    health: Health,
    /// The shard as a whole: its primary, the client's view, its backups.
    facts: Vec<Row>,
    nodes: Vec<Node>,
}

/// A server with all that was asked of it.
#[derive(Serialize)]
struct Node {
    name: String,
    role: String,
    health: Health,
    lag: String,
    connections: String,
    parts: Vec<Row>,
}

#[derive(Serialize)]
struct Group {
    title: &'static str,
    rows: Vec<Row>,
}

/// One report.
#[derive(Serialize)]
struct Row {
    anchor: String,
    component: &'static str,
    instance: String,
    role: String,
    endpoint: String,
    health: Health,
    summary: String,
    age: i64,
    checks: Vec<Seen>,
}

/// One check.
#[derive(Serialize)]
struct Seen {
    health: Health,
    label: String,
    observed: String,
    limits: String,
    hint: Option<String>,
}

/// Components whose instances belong to no shard, and what the page calls them.
const GROUPS: [(&str, &str); 5] = [
    ("pgbouncer", "Poolers"),
    ("haproxy", "Balancers"),
    ("etcd", "Consensus (etcd)"),
    ("redis", "Redis"),
    ("store", "Archive stores"),
];

impl Fragment {
    fn of(reports: &[Arc<Report>], complete: bool) -> Self {
        let count = |health| reports.iter().filter(|report| report.health() == health).count();
        let all = [Health::Fail, Health::Unknown, Health::Warn, Health::Pass];
        let counts = all.into_iter().map(|health| (health, count(health))).collect();
        let mut alerts: Vec<Alert> = reports.iter().flat_map(|report| alerts(report)).collect();
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.health));
        let mut names: Vec<&str> = reports.iter().filter_map(|report| report.instance.shard.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        let shards = names.into_iter().map(|name| Shard::of(name, reports)).collect();
        let groups = GROUPS.into_iter().map(|(component, title)| Group::of(component, title, reports));
        let groups = groups.filter(|group| !group.rows.is_empty()).collect();
        Self { health: worst(reports), complete, counts, alerts, shards, groups }
    }
}

fn anchor(report: &Report) -> String {
    format!("{}-{}", report.component, report.instance.name)
}

fn alerts(report: &Report) -> Vec<Alert> {
    let bad = report.checks.iter().filter(|check| check.status > Health::Pass);
    let alert = |check: &Check| Alert {
        health: check.status,
        component: report.component,
        instance: report.instance.name.clone(),
        anchor: anchor(report),
        message: check.message.clone().unwrap_or_else(|| format!("{} is not well", check.label())),
        hint: check.hint.clone(),
    };
    bad.map(alert).collect()
}

impl Shard {
    fn of(name: &str, reports: &[Arc<Report>]) -> Self {
        let mine: Vec<&Arc<Report>> = reports.iter().filter(|r| r.instance.shard.as_deref() == Some(name)).collect();
        let of_whole = |report: &&&Arc<Report>| report.instance.name == name;
        let facts = mine.iter().filter(of_whole).map(|report| Row::of(report)).collect();
        let mut names: Vec<&str> = mine.iter().map(|r| r.instance.name.as_str()).filter(|n| *n != name).collect();
        names.sort_unstable();
        names.dedup();
        let nodes = names.into_iter().map(|node| Node::of(node, &mine)).collect();
        let health = mine.iter().map(|report| report.health()).max().unwrap_or(Health::Unknown);
        Self { name: name.to_owned(), health, facts, nodes }
    }
}

impl Node {
    fn of(name: &str, reports: &[&Arc<Report>]) -> Self {
        let mine: Vec<&&Arc<Report>> = reports.iter().filter(|report| report.instance.name == name).collect();
        let sql = mine.iter().find(|report| report.component == "postgresql");
        let value = |check: &str| {
            let found = sql.and_then(|report| report.checks.iter().find(|one| one.check == check));
            found.map_or_else(|| "–".to_owned(), observed)
        };
        let role = match sql {
            Some(report) if report.error.is_some() => "down".to_owned(),
            Some(report) => report.role.clone().unwrap_or_else(|| "?".to_owned()),
            None => "not asked yet".to_owned(),
        };
        Self {
            name: name.to_owned(),
            health: mine.iter().map(|report| report.health()).max().unwrap_or(Health::Unknown),
            lag: if role == "replica" {
                format!("{} / {}", value("lag_bytes"), value("lag_seconds"))
            } else {
                "–".to_owned()
            },
            connections: value("connections_ratio"),
            role,
            parts: mine.into_iter().map(|report| Row::of(report)).collect(),
        }
    }
}

impl Group {
    /// Certificates of the same servers stand beside them.
    fn of(component: &str, title: &'static str, reports: &[Arc<Report>]) -> Self {
        let mine = reports.iter().filter(|report| report.component == component);
        let with_certificate = mine.flat_map(|one| {
            let its =
                |other: &&Arc<Report>| other.component == "certificate" && other.instance.name == one.instance.name;
            std::iter::once(one).chain(reports.iter().filter(its))
        });
        Self { title, rows: with_certificate.map(|report| Row::of(report)).collect() }
    }
}

impl Row {
    fn of(report: &Report) -> Self {
        Self {
            anchor: anchor(report),
            component: report.component,
            instance: report.instance.name.clone(),
            role: report.role.clone().unwrap_or_default(),
            endpoint: report.instance.endpoint.clone(),
            health: report.health(),
            summary: report.summary().unwrap_or_else(|| "well".to_owned()),
            age: (flotilla::clock::now() - report.at).num_seconds().max(0),
            checks: report.checks.iter().map(Seen::of).collect(),
        }
    }
}

impl Seen {
    fn of(check: &Check) -> Self {
        let unit = check.unit.unwrap_or_default();
        let limit = |word: &str, limit: Option<f64>| limit.map(|limit| format!("{word} {}", shown(limit, unit)));
        let limits = [limit("warn", check.warn), limit("fail", check.fail)];
        Self {
            health: check.status,
            label: check.label().replace('_', " "),
            observed: observed(check),
            limits: limits.into_iter().flatten().collect::<Vec<_>>().join(", "),
            hint: check.hint.clone(),
        }
    }
}

fn observed(check: &Check) -> String {
    match &check.observed {
        Some(serde_json::Value::Bool(holds)) => if *holds { "yes" } else { "no" }.to_owned(),
        Some(serde_json::Value::String(word)) => word.clone(),
        Some(_) => check.value().map_or_else(String::new, |value| shown(value, check.unit.unwrap_or_default())),
        None => "unknown".to_owned(),
    }
}

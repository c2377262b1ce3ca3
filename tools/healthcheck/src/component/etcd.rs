//! etcd: whether it has a leader and a majority, and whether its disk keeps up.

use flotilla::config::Config;
use flotilla::fanout::BoxFuture;
use flotilla::http::Request;
use flotilla::target::Kind;
use flotilla::{Code, Error, Result};
use serde_json::{Value, json};

use super::{Asking, Component, Found, Instance, Subject};
use crate::check::{Check, Health, Limit};
use crate::exposition::Exposition;

/// One member, by its gateway for HTTP.
pub(crate) struct Etcd;

/// Beyond this an election may come of a slow disk, in seconds.
const FSYNC: f64 = 0.5;
const COMMIT: f64 = 0.25;

impl Component for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        match subject {
            Subject::Target(target) => match &target.kind {
                Kind::Etcd(etcd) => Some(etcd.url.clone()),
                _ => None,
            },
            Subject::Store(_) => None,
        }
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let http = asking.http()?;
            let url = instance.endpoint.trim_end_matches('/');
            let health =
                http.ask(Request::get(&format!("{url}/health"))).await.map_err(|e| no_certificate(asking, e))?;
            let health = health.json()?;
            let post = async |path: &str| http.ask(Request::post_json(&format!("{url}{path}"), &json!({}))).await;
            let status = post("/v3/maintenance/status").await?.json()?;
            let members = post("/v3/cluster/member/list").await?.json()?;
            let metrics = http.ask(Request::get(&format!("{url}/metrics"))).await?;
            let mut found = look(asking, &health, &status, &members)?;
            if metrics.is_success() {
                found.checks.extend(disk(&Exposition::of(&metrics.text())));
            }
            Ok(found)
        })
    }
}

/// Only holders of a client certificate get in; nobody can tell how it is without one.
fn no_certificate(asking: &Asking, error: Error) -> Error {
    let without = asking.config().is_ok_and(|config| config.health.sslcert.is_none());
    if error.code() != Code::Tls || !without {
        return error;
    }
    Error::new(Code::AuthFailed, error.message().to_owned())
        .hint("Name a client certificate as health.sslcert and health.sslkey in the topology.")
}

fn look(asking: &Asking, health: &Value, status: &Value, members: &Value) -> Result<Found> {
    let well = health["health"] == "true" || health["health"] == true;
    let leader = status["leader"].as_str().filter(|leader| *leader != "0");
    let me = status["header"]["member_id"].as_str();
    let count = members["members"].as_array().map_or(0, Vec::len);
    let known = asking.config()?.etcd.len();
    let checks = vec![
        Check::holds("healthy", well, Health::Fail, "it says that it isn't healthy")
            .hint("`etcdctl endpoint health --cluster` says who is."),
        Check::holds("leader", leader.is_some(), Health::Fail, "it knows no leader: there is no majority")
            .hint("Bring a majority of the members back; until then no shard can fail over."),
        Check::holds(
            "members_odd",
            count % 2 == 1,
            Health::Warn,
            format!("{count} members stand no more failures than one fewer would"),
        )
        .hint("Add a member, or take one away."),
        Check::holds(
            "members_known",
            count == known,
            Health::Warn,
            format!("it has {count} members, and the topology {known}"),
        )
        .hint("Bring [[etcd]] in the topology up to date."),
    ];
    let role = if leader.is_some() && leader == me { "leader" } else { "follower" };
    Ok(Found { role: Some(role.to_owned()), checks })
}

fn disk(metrics: &Exposition) -> Vec<Check> {
    let p99 = |name: &str| metrics.quantile(name, 0.99);
    let slow = "Its disk is slow or shared; etcd wants one of its own.";
    let mut checks = Vec::new();
    for (check, name, limit) in [
        ("wal_fsync_seconds_p99", "etcd_disk_wal_fsync_duration_seconds", FSYNC),
        ("backend_commit_seconds_p99", "etcd_disk_backend_commit_duration_seconds", COMMIT),
    ] {
        if let Some(seconds) = p99(name) {
            checks.push(Check::number(check, Some(seconds), "seconds", Limit::above(limit, None)).hint(slow));
        }
    }
    let changes = metrics.value("etcd_server_leader_changes_seen_total");
    checks.extend(Check::figure("leader_changes_total", changes, ""));
    checks
}

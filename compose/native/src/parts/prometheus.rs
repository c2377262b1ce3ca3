//! Prometheus, and what shows it the metrics of servers that don't do so themselves: an exporter beside
//! each PostgreSQL node, and one for all Redis servers. The others show their own.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use flotilla::Result;
use serde_json::json;

use super::patroni::MONITOR;
use super::{Launch, Member, Need, Part, Renewed, Stage, ask};
use crate::authority::{Certificate, Usage};
use crate::change::Change;
use crate::files::{File, Owner, fill};
use crate::plan::{DATABASE, Host, Plan, text};
use crate::rendering;
use crate::secrets::{REDIS_OPERATOR, Secrets};

/// One Prometheus with its exporters.
pub(super) struct Prometheus;

const SERVER: &str = "/usr/bin/prometheus";
const OF_POSTGRES: &str = "/usr/bin/prometheus-postgres-exporter";
const OF_REDIS: &str = "/usr/bin/prometheus-redis-exporter";

/// What a member is, as the table shows it.
const METRICS: &str = "metrics";
const EXPORTER: &str = "exporter";
const REDIS_EXPORTER: &str = "redis exporter";

/// Every member: its host, what it is, its port.
fn hosts(plan: &Plan) -> Vec<(Host, &'static str, u16)> {
    let mut hosts = vec![(plan.prometheus(), METRICS, plan.prometheus_port())];
    for node in plan.shards().into_iter().flat_map(|shard| shard.nodes) {
        let host = Host { name: exporter(&node.name), address: node.address };
        hosts.push((host, EXPORTER, plan.exporter_port()));
    }
    hosts.push((plan.redis_exporter(), REDIS_EXPORTER, plan.exporter_port()));
    hosts
}

/// The name of a node's exporter.
fn exporter(node: &str) -> String {
    format!("{node}-exporter")
}

fn password_file(plan: &Plan, member: &Member) -> PathBuf {
    plan.configuration(&member.name).join("password")
}

impl Part for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn needs(&self, plan: &Plan) -> Vec<Need> {
        vec![
            Need::new(SERVER, "prometheus"),
            Need::new(OF_POSTGRES, "prometheus-postgres-exporter"),
            Need::new(OF_REDIS, "prometheus-redis-exporter"),
            rendering::need(plan),
        ]
    }

    fn members(&self, plan: &Plan) -> Vec<Member> {
        let member = |(host, role, port): (Host, &str, u16)| Member {
            // Prometheus shows itself to etcd, which lets in nobody else.
            certificate: Some(Certificate::of(&host, if role == METRICS { Usage::Both } else { Usage::Server })),
            name: host.name,
            role: role.to_owned(),
            address: host.address,
            ports: vec![("http", port)],
            stage: Stage::Pool,
            patience: Duration::from_secs(10),
        };
        hosts(plan).into_iter().map(member).collect()
    }

    fn topology(&self, plan: &Plan) -> Result<String> {
        let nodes: Vec<Host> = plan.shards().into_iter().flat_map(|shard| shard.nodes).collect();
        let values = json!({ "nodes": nodes, "redis": plan.redis_exporter(), "port": plan.exporter_port() });
        fill(include_str!("exporters.toml.j2"), &values)
    }

    fn files(&self, plan: &Plan, secrets: &Secrets, member: &Member) -> Result<Vec<File>> {
        let folder = plan.configuration(&member.name);
        let (authority, certificate, key) = (plan.authority(), plan.certificate(&member.name), plan.key(&member.name));
        let (data, password) = (plan.data(&member.name), password_file(plan, member));
        let values = json!({
            "certificate": text(&certificate)?,
            "key": text(&key)?,
            "authority": text(&authority)?,
            "address": member.address,
            "port": member.ports[0].1,
            "folder": text(&folder)?,
            "data": text(&data)?,
            "password_file": text(&password)?,
            "postgres_port": plan.postgres_port(),
            "database": DATABASE,
            "user": MONITOR,
        });
        let web = File::new(folder.join("web.yml"), fill(include_str!("web.yml.j2"), &values)?).owner(Owner::Servers);
        let start =
            |template| Ok(File::new(folder.join("start"), fill(template, &values)?).owner(Owner::Servers).program());
        let secret = |text: String| File::new(&password, text).owner(Owner::Servers).private();
        match member.role.as_str() {
            METRICS => {
                let mut files = rendering::prometheus(plan, &folder)?;
                files.push(web);
                Ok(files)
            }
            EXPORTER => {
                let queries = File::new(folder.join("queries.yml"), include_str!("queries.yml")).owner(Owner::Servers);
                let start: Result<File> = start(include_str!("postgres_exporter.sh.j2"));
                Ok(vec![web, queries, secret(secrets.password(MONITOR).to_owned()), start?])
            }
            _ => {
                // By address: each server's operator has the same password.
                let [session, replica] = plan.session_stores();
                let passwords: serde_json::Map<_, _> = [plan.cache_store(), session, replica]
                    .into_iter()
                    .map(|host| (redis_url(plan, &host), json!(secrets.password(REDIS_OPERATOR))))
                    .collect();
                Ok(vec![secret(format!("{:#}\n", serde_json::Value::Object(passwords)))])
            }
        }
    }

    fn takes(&self, _: Renewed) -> Change {
        Change::Restart
    }

    fn command(&self, plan: &Plan, member: &Member) -> Result<Launch> {
        let folder = plan.configuration(&member.name);
        let listen = format!("{}:{}", member.address, member.ports[0].1);
        match member.role.as_str() {
            METRICS => Ok(Launch::new(SERVER.as_ref())?
                .arg(format!("--config.file={}", text(&folder.join("prometheus.yml"))?))
                .arg(format!("--web.config.file={}", text(&folder.join("web.yml"))?))
                .arg(format!("--web.listen-address={listen}"))
                .arg(format!("--storage.tsdb.path={}", text(&plan.data(&member.name))?))
                .arg("--storage.tsdb.retention.time=7d")
                .arg("--storage.tsdb.retention.size=512MB")
                .arg("--log.level=warn")),
            EXPORTER => Launch::new(&folder.join("start")),
            _ => Ok(Launch::new(OF_REDIS.as_ref())?
                .arg("-redis.addr=")
                .arg("-redis.user=operator")
                .arg(format!("-redis.password-file={}", text(&password_file(plan, member))?))
                .arg(format!("-tls-ca-cert-file={}", text(&plan.authority())?))
                .arg(format!("-tls-server-cert-file={}", text(&plan.certificate(&member.name))?))
                .arg(format!("-tls-server-key-file={}", text(&plan.key(&member.name))?))
                .arg(format!("-web.listen-address={listen}"))),
        }
    }

    /// Prometheus is ready; an exporter answers, and has got in where it should.
    fn probe(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<String, String> {
        let ask = |path: &str| ask::https(plan, member, member.ports[0].1, path);
        let line = |metrics: &str, wanted: &str, done: &str| {
            let found = metrics.lines().any(|line| line == wanted);
            if found { Ok(done.to_owned()) } else { Err("the server doesn't let it in".to_owned()) }
        };
        match member.role.as_str() {
            METRICS => ask("/-/ready").map(|_| "answers".to_owned()),
            EXPORTER => line(&ask("/metrics")?, "pg_up 1", "sees its server"),
            _ => {
                let url = redis_url(plan, &plan.cache_store());
                line(&ask(&format!("/scrape?target={url}"))?, "redis_up 1", "sees the cache")
            }
        }
    }

    fn version(&self, _: &Plan) -> Command {
        let mut command = Command::new(SERVER);
        command.arg("--version");
        command
    }
}

/// A Redis server as its exporter is asked for it.
fn redis_url(plan: &Plan, host: &Host) -> String {
    format!("rediss://{}:{}", host.address, plan.redis_port())
}

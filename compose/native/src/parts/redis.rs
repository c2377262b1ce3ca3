//! Redis: a cache that may forget, and a session store that may not.

use std::process::Command;
use std::time::Duration;

use flotilla::Result;
use serde_json::json;

use super::{Launch, Member, Need, Part, Renewed, Stage, ask};
use crate::authority::{Certificate, Usage};
use crate::change::Change;
use crate::files::{File, Owner, fill};
use crate::plan::{Host, Plan, text};
use crate::secrets::{REDIS_APP, REDIS_OPERATOR, REDIS_PEER, Secrets};

/// The cache, the session store with its replica, and three Sentinels that fail it over.
pub(super) struct Redis;

const CACHE: &str = "cache";
const SESSION: &str = "session";
const REPLICA: &str = "session-replica";
const SENTINEL: &str = "sentinel";

fn hosts(plan: &Plan) -> Vec<(Host, &'static str, u16)> {
    let port = plan.redis_port();
    let [session, replica] = plan.session_stores();
    let mut hosts = vec![(plan.cache_store(), CACHE, port), (session, SESSION, port), (replica, REPLICA, port)];
    hosts.extend(plan.sentinels().into_iter().map(|host| (host, SENTINEL, plan.sentinel_port())));
    hosts
}

impl Part for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn needs(&self, _: &Plan) -> Vec<Need> {
        vec![
            Need::new("/usr/bin/redis-server", "redis-server"),
            Need::new("/usr/bin/redis-sentinel", "redis-sentinel"),
            Need::new("/usr/bin/redis-cli", "redis-tools"),
        ]
    }

    fn members(&self, plan: &Plan) -> Vec<Member> {
        let member = |(host, role, port): (Host, &str, u16)| Member {
            certificate: Some(Certificate::of(&host, Usage::Server)),
            name: host.name,
            role: role.to_owned(),
            address: host.address,
            ports: vec![("tls", port)],
            stage: Stage::Foundation,
            patience: Duration::from_secs(20),
        };
        hosts(plan).into_iter().map(member).collect()
    }

    fn topology(&self, plan: &Plan) -> Result<String> {
        let hosts: Vec<_> = hosts(plan)
            .into_iter()
            .map(|(host, role, port)| json!({ "name": host.name, "address": host.address, "role": role, "port": port }))
            .collect();
        fill(include_str!("redis.toml.j2"), &json!({ "hosts": hosts }))
    }

    fn files(&self, plan: &Plan, secrets: &Secrets, member: &Member) -> Result<Vec<File>> {
        let [session, _] = plan.session_stores();
        let folder = plan.configuration(&member.name);
        let data = plan.data(&member.name);
        let (authority, users) = (plan.authority(), folder.join("users.acl"));
        let (certificate, key) = (plan.certificate(&member.name), plan.key(&member.name));
        let values = json!({
            "name": member.name,
            "role": member.role,
            "address": member.address,
            "port": member.ports[0].1,
            "data": text(&data)?,
            "authority": text(&authority)?,
            "certificate": text(&certificate)?,
            "key": text(&key)?,
            "users": text(&users)?,
            "session_address": session.address,
            "session_port": plan.redis_port(),
            "operator": secrets.password(REDIS_OPERATOR),
            "app": secrets.password(REDIS_APP),
            "peer": secrets.password(REDIS_PEER),
        });
        let template = match member.role.as_str() {
            SENTINEL => include_str!("sentinel.conf.j2"),
            _ => include_str!("redis.conf.j2"),
        };
        let main = File::new(configuration(plan, member), fill(template, &values)?).owner(Owner::Servers).private();
        // A failover rewrites the configuration of the stores and of their Sentinels: that is
        // where they remember who leads, so it is written only once.
        let main = if member.role == CACHE { main } else { main.keep() };
        let acl = File::new(users, fill(include_str!("redis.acl.j2"), &values)?).owner(Owner::Servers).private();
        Ok(vec![main, acl])
    }

    fn takes(&self, _: Renewed) -> Change {
        Change::Restart
    }

    fn command(&self, plan: &Plan, member: &Member) -> Result<Launch> {
        let program = if member.role == SENTINEL { "/usr/bin/redis-sentinel" } else { "/usr/bin/redis-server" };
        Launch::new(program.as_ref())?.path(&configuration(plan, member))
    }

    fn probe(&self, plan: &Plan, secrets: &Secrets, member: &Member) -> Result<String, String> {
        let ask = |words: &[&str]| {
            let mut cli = Command::new("/usr/bin/redis-cli");
            cli.env("REDISCLI_AUTH", secrets.password(REDIS_OPERATOR));
            cli.args(["--user", "operator", "--no-auth-warning", "--tls", "--sni", &member.name, "--cacert"]);
            cli.arg(plan.authority()).args(["-h", &member.address.to_string()]);
            cli.args(["-p", &member.ports[0].1.to_string()]).args(words);
            ask::run(&mut cli)
        };
        let pong = ask(&["ping"])?;
        if pong != "PONG" {
            return Err(pong);
        }
        match member.role.as_str() {
            CACHE => Ok("answers".to_owned()),
            SENTINEL => match ask(&["sentinel", "ckquorum", SESSION])? {
                quorum if quorum.starts_with("OK") => Ok("quorum".to_owned()),
                refusal => Err(refusal),
            },
            _ => {
                let state = ask(&["info", "replication"])?;
                let value = |key: &str| {
                    let line = state.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
                    line.map(str::trim).unwrap_or_default().to_owned()
                };
                match (value("role").as_str(), value("connected_slaves").as_str(), value("master_link_status").as_str())
                {
                    ("master", "0", _) => Err("no replica follows it".to_owned()),
                    ("master", ..) => Ok("primary".to_owned()),
                    (_, _, "up") => Ok("replica".to_owned()),
                    (_, _, link) => Err(format!("its link to the primary is {link}")),
                }
            }
        }
    }

    fn version(&self, _: &Plan) -> Command {
        let mut command = Command::new("/bin/sh");
        // It prints "Redis server v=7.0.15 sha=…": the version after the letter.
        command.args(["-c", "/usr/bin/redis-server --version | sed 's/v=//'"]);
        command
    }
}

/// Kept with the data, for it changes with them.
fn configuration(plan: &Plan, member: &Member) -> std::path::PathBuf {
    let file = if member.role == SENTINEL { "sentinel.conf" } else { "redis.conf" };
    plan.data(&member.name).join(file)
}

//! Patroni: the PostgreSQL nodes of every shard, and which of them leads.

mod dynamic;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use flotilla::Result;
use flotilla::availability::Failover;
use serde_json::json;

use super::{Launch, Member, Need, Part, Renewed, Stage, ask};
use crate::authority::{Certificate, Usage};
use crate::change::Change;
use crate::files::{File, Owner, fill};
use crate::plan::{DATABASE, Host, Plan, RPO_SECONDS, Shard, text};
use crate::postgres;
use crate::secrets::{REPLICATION, REWIND, SUPERUSER, Secrets};

/// Per shard one primary and two streaming replicas.
pub(super) struct Patroni;

/// In which region a node is.
pub(super) struct Region {
    /// The consensus store's members there.
    pub(super) etcd: Vec<Host>,
    /// Where in that store its shards are.
    pub(super) namespace: String,
    /// The topology as it is there; its first store is what nodes archive to and restore from.
    pub(super) topology: PathBuf,
    /// Whether its nodes follow the archive from the first start on.
    pub(super) follows: bool,
}

/// The role that `up` logs in as through the pools.
pub(super) const MONITOR: &str = "monitor";

impl Part for Patroni {
    fn name(&self) -> &'static str {
        "postgresql"
    }

    fn needs(&self, plan: &Plan) -> Vec<Need> {
        let audit = "/usr/lib/postgresql/15/lib/pgaudit.so";
        vec![
            Need::new(postgres::program("postgres"), "postgresql-15"),
            Need::new(postgres::program("pg_rewind"), "postgresql-15"),
            Need::new(audit, "postgresql-15-pgaudit"),
            Need::new(plan.python_program("patroni"), "patroni 4.1.5 (by compose/install)"),
            Need::new(plan.tool("walg-wrap"), "walg-wrap (by compose/install)"),
        ]
    }

    fn members(&self, plan: &Plan) -> Vec<Member> {
        plan.shards().into_iter().flat_map(|s| s.nodes).map(|host| member(plan, host)).collect()
    }

    fn topology(&self, plan: &Plan) -> Result<String> {
        topology(plan, &plan.shards())
    }

    fn files(&self, plan: &Plan, secrets: &Secrets, member: &Member) -> Result<Vec<File>> {
        let folder = plan.configuration(&member.name);
        let (bootstrap, sql) = (folder.join("bootstrap"), folder.join("bootstrap.sql"));
        let region =
            Region { etcd: plan.etcd(), namespace: plan.name.clone(), topology: plan.topology(), follows: false };
        let mut statements = String::new();
        let _ = writeln!(statements, "create database {DATABASE};");
        // The verifier, not the password: it's the same on every shard, as the poolers need it.
        let verifier = secrets.verifier(MONITOR);
        let _ = writeln!(statements, "create role {MONITOR} login in role pg_monitor password '{verifier}';");
        let script = format!(
            "#!/bin/sh\n# Run once by Patroni, with the superuser's connection string, after initdb.\n\
             exec {}/psql -XAtq -v ON_ERROR_STOP=1 -f {} \"$1\"\n",
            postgres::PROGRAMS,
            text(&sql)?,
        );
        let mut files = settings(plan, secrets, member, &region)?;
        // Read at the very first start only.
        files.push(File::new(bootstrap, script).owner(Owner::Servers).private().program().takes(Change::None));
        files.push(File::new(sql, statements).owner(Owner::Servers).private().takes(Change::None));
        Ok(files)
    }

    /// Patroni reloads its own certificate and makes PostgreSQL reload.
    fn takes(&self, _: Renewed) -> Change {
        Change::Reload
    }

    fn command(&self, plan: &Plan, member: &Member) -> Result<Launch> {
        Launch::new(&plan.python_program("patroni"))?.path(&plan.configuration(&member.name).join("patroni.yml"))
    }

    fn settle(&self, plan: &Plan) -> Result<bool> {
        let mut changed = false;
        for shard in &crate::settings::config(plan)?.shards {
            changed |= dynamic::settle(plan, shard, &self.members(plan))?;
        }
        Ok(changed)
    }

    fn probe(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<String, String> {
        let state = ask::json(&ask::https(plan, member, plan.patroni_port(), "/patroni")?)?;
        let value = |key: &str| state[key].as_str().unwrap_or("unknown").to_owned();
        let pending = if state["pending_restart"] == true { ", restart pending" } else { "" };
        match (value("state").as_str(), value("role").as_str()) {
            ("running", "primary") => {
                let streaming = state["replication"]
                    .as_array()
                    .map_or(0, |all| all.iter().filter(|one| one["state"] == "streaming").count());
                let wanted = plan.shards()[0].nodes.len() - 1;
                if streaming < wanted {
                    return Err(format!("{streaming} of {wanted} replicas are streaming"));
                }
                Ok(format!("primary{pending}"))
            }
            ("running" | "streaming", "replica") if value("replication_state") == "streaming" => {
                Ok(format!("replica{pending}"))
            }
            // Of a region that is rebuilt out of the other's archive.
            ("running", "standby_leader") => Ok("follows the archive".to_owned()),
            ("running", "replica") => Err(format!("replication is {}", value("replication_state"))),
            (state, _) => Err(state.to_owned()),
        }
    }

    fn version(&self, _: &Plan) -> Command {
        let mut command = Command::new(postgres::program("postgres"));
        command.arg("--version");
        command
    }
}

/// The lines of a topology about these shards.
pub(super) fn topology(plan: &Plan, shards: &[Shard]) -> Result<String> {
    let values = json!({
        "shards": shards.iter().map(|s| json!({
            "name": s.name, "write_port": s.write_port, "read_port": s.read_port, "nodes": s.nodes,
        })).collect::<Vec<_>>(),
        "port": plan.postgres_port(),
        "rest": plan.patroni_port(),
        "state": text(&plan.state)?,
        "cache": text(&plan.cache)?,
        "stack": text(&plan.tool("stack"))?,
        "name": plan.name,
    });
    fill(include_str!("shards.toml.j2"), &values)
}

/// Patroni's settings of a node; in a stack of two regions with the program that makes a data folder out of
/// the archive, for either may have to follow the other.
pub(super) fn settings(plan: &Plan, secrets: &Secrets, member: &Member, region: &Region) -> Result<Vec<File>> {
    let folder = plan.configuration(&member.name);
    let data = plan.data(&member.name);
    let paths = [
        plan.authority(),
        plan.certificate(&member.name),
        plan.key(&member.name),
        data.join("postgres"),
        data.join("pgpass"),
        plan.run_folder().join(&member.name),
        folder.join("bootstrap"),
        folder.join("restore"),
        folder.join("before_stop"),
    ];
    let [authority, certificate, key, data, passfile, socket, bootstrap, restorer, before_stop] = &paths;
    let config = crate::settings::config(plan)?;
    let failover = Failover::of(config.shard(&member.role)?).dynamic();
    let etcd: Vec<String> = region.etcd.iter().map(|h| format!("{}:{}", h.address, plan.etcd_port())).collect();
    let values = json!({
        "namespace": region.namespace,
        "shard": member.role,
        "name": member.name,
        "address": member.address,
        "port": plan.postgres_port(),
        "rest": plan.patroni_port(),
        "etcd": etcd,
        "failover": failover,
        "authority": text(authority)?,
        "certificate": text(certificate)?,
        "key": text(key)?,
        "data": text(data)?,
        "passfile": text(passfile)?,
        "socket": text(socket)?,
        "bootstrap": text(bootstrap)?,
        "before_stop": text(before_stop)?,
        "follows": region.follows,
        "restorer": plan.second_region.then(|| text(restorer)).transpose()?,
        // A third of what may be lost; copying and restoring need the rest.
        "archive_timeout": plan.second_region.then_some(RPO_SECONDS / 3),
        "bin": postgres::PROGRAMS,
        "account": plan.servers.name,
        "superuser": SUPERUSER,
        "superuser_password": secrets.password(SUPERUSER),
        "replication": REPLICATION,
        "replication_password": secrets.password(REPLICATION),
        "rewind": REWIND,
        "rewind_password": secrets.password(REWIND),
        "archive": archiver(plan, region, &member.role, "wal-push -q", "%p")?,
        "restore": archiver(plan, region, &member.role, "wal-fetch -q --for standby", "%f %p")?,
    });
    let main = fill(include_str!("patroni.yml.j2"), &values)?;
    let main = File::new(folder.join("patroni.yml"), main).owner(Owner::Servers).private().takes(Change::Reload);
    let script = format!(
        "#!/bin/sh\n# Run by Patroni right before it stops PostgreSQL; however this ends, it does.\n\
         exec '{}/pg_ctl' stop -s -D '{}' -m fast -t 2 > /dev/null 2>&1\n",
        postgres::PROGRAMS,
        text(data)?,
    );
    let mut files = vec![main, File::new(before_stop, script).owner(Owner::Servers).program().takes(Change::None)];
    if plan.second_region {
        let tool = plan.tool("walg-wrap");
        let values = json!({
            "tool": text(&tool)?, "topology": text(&region.topology)?, "shard": member.role, "data": text(data)?,
        });
        let script = fill(include_str!("restore.sh.j2"), &values)?;
        files.push(File::new(restorer, script).owner(Owner::Servers).private().program().takes(Change::None));
    }
    Ok(files)
}

/// Where in etcd the name of a shard's leader is, by Patroni's namespace and scope.
pub(super) fn leader_key(namespace: &str, shard: &str) -> String {
    format!("/{namespace}/{shard}/leader")
}

/// A call of `walg-wrap` about a shard, for the server's shell.
fn archiver(plan: &Plan, region: &Region, shard: &str, verb: &str, operands: &str) -> Result<String> {
    let tool = plan.tool("walg-wrap");
    Ok(format!("'{}' {verb} --config '{}' -t {shard} {operands}", text(&tool)?, text(&region.topology)?))
}

pub(super) fn member(plan: &Plan, host: Host) -> Member {
    let shard = host.name.split('-').next().unwrap_or_default().to_owned();
    // Balancers pass TLS through, so a pooler that connects to one sees the node's certificate and
    // looks for the balancer's name or address in it.
    let mut names = vec![host.name.clone()];
    let mut addresses = vec![host.address.into()];
    let mut joint = Vec::new();
    for balancer in plan.balancers() {
        names.push(balancer.name);
        addresses.push(balancer.address.into());
        joint.push(balancer.address.to_string());
    }
    // PgBouncer before 1.25 looks for its whole list of hosts as if it were one name.
    names.push(joint.join(","));
    let name = host.name.clone();
    Member {
        certificate: Some(Certificate { name, names, addresses, usage: Usage::Both, owner: Owner::Servers }),
        name: host.name,
        role: shard,
        address: host.address,
        ports: vec![("sql", plan.postgres_port()), ("rest", plan.patroni_port())],
        stage: Stage::Database,
        // A shutdown checkpoint may have much to write.
        patience: Duration::from_secs(90),
    }
}

//! PgBouncer: transaction pooling in front of all shards.

use std::process::Command;
use std::time::Duration;

use flotilla::Result;
use serde_json::json;

use super::patroni::MONITOR;
use super::{Launch, Member, Need, Part, Renewed, Stage, ask};
use crate::authority::{Certificate, Usage};
use crate::change::Change;
use crate::files::{File, fill};
use crate::plan::{Host, Plan};
use crate::postgres;
use crate::rendering;
use crate::secrets::{POOL_ADMIN, Secrets};

/// Two poolers; clients name both.
pub(super) struct PgBouncer;

const PROGRAM: &str = "/usr/sbin/pgbouncer";

impl Part for PgBouncer {
    fn name(&self) -> &'static str {
        "pgbouncer"
    }

    fn needs(&self, plan: &Plan) -> Vec<Need> {
        vec![
            Need::new(PROGRAM, "pgbouncer"),
            Need::new(postgres::program("psql"), "postgresql-client-15"),
            rendering::need(plan),
        ]
    }

    fn members(&self, plan: &Plan) -> Vec<Member> {
        let member = |host: Host| Member {
            certificate: Some(Certificate::of(&host, Usage::Server)),
            name: host.name,
            role: "pooler".to_owned(),
            address: host.address,
            ports: vec![("sql", plan.pooler_port())],
            stage: Stage::Pool,
            patience: Duration::from_secs(20),
        };
        plan.poolers().into_iter().map(member).collect()
    }

    fn topology(&self, plan: &Plan) -> Result<String> {
        fill(include_str!("poolers.toml.j2"), &json!({ "hosts": plan.poolers(), "port": plan.pooler_port() }))
    }

    fn files(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<Vec<File>> {
        Ok(vec![rendering::file(plan, member, "pgbouncer.ini")?])
    }

    fn takes(&self, _: Renewed) -> Change {
        Change::Reload
    }

    fn command(&self, plan: &Plan, member: &Member) -> Result<Launch> {
        Launch::new(PROGRAM.as_ref())?.path(&plan.configuration(&member.name).join("pgbouncer.ini"))
    }

    /// The console answers, and each shard can be logged in to through it: the write database ends
    /// at a primary, the read database at any node.
    fn probe(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<String, String> {
        let ask = |user: &str, database: &str, sql: &str| {
            let conninfo = format!(
                "host={} hostaddr={} port={} user={user} dbname={database} sslmode=verify-full connect_timeout=5",
                member.name,
                member.address,
                plan.pooler_port()
            );
            let mut psql = Command::new(postgres::program("psql"));
            psql.env("PGPASSFILE", plan.password_file()).env("PGSSLROOTCERT", plan.authority());
            ask::run(psql.args(["-XAtqw", "-d", &conninfo, "-c", sql]))
        };
        ask(POOL_ADMIN, "pgbouncer", "show version")?;
        let shards = plan.shards();
        for shard in &shards {
            let standby = ask(MONITOR, &shard.name, "select pg_is_in_recovery()")?;
            if standby != "f" {
                return Err(format!("{} leads to a standby", shard.name));
            }
            ask(MONITOR, &format!("{}_ro", shard.name), "select 1")?;
        }
        Ok(format!("reaches {} shards", shards.len()))
    }

    fn version(&self, _: &Plan) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("--version");
        command
    }
}

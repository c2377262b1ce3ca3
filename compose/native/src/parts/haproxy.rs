//! HAProxy: per shard a port that follows the primary and one that spreads over the replicas.

use std::process::Command;
use std::time::Duration;

use flotilla::Result;
use serde_json::json;

use super::{Launch, Member, Need, Part, Renewed, Stage, ask};
use crate::authority::{Certificate, Usage};
use crate::change::Change;
use crate::files::{File, fill};
use crate::plan::{Host, Plan};
use crate::rendering;
use crate::secrets::Secrets;

/// Two balancers; poolers name both.
pub(super) struct Haproxy;

const PROGRAM: &str = "/usr/sbin/haproxy";

impl Part for Haproxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn needs(&self, plan: &Plan) -> Vec<Need> {
        vec![Need::new(PROGRAM, "haproxy"), Need::new("/usr/bin/curl", "curl"), rendering::need(plan)]
    }

    fn members(&self, plan: &Plan) -> Vec<Member> {
        let mut ports = Vec::new();
        for shard in plan.shards() {
            ports.extend([("write", shard.write_port), ("read", shard.read_port)]);
        }
        ports.push(("stats", plan.stats_port()));
        let member = |host: Host| Member {
            certificate: Some(Certificate::of(&host, Usage::Server)),
            name: host.name,
            role: "balancer".to_owned(),
            address: host.address,
            ports: ports.clone(),
            stage: Stage::Balance,
            patience: Duration::from_secs(20),
        };
        plan.balancers().into_iter().map(member).collect()
    }

    fn topology(&self, plan: &Plan) -> Result<String> {
        fill(include_str!("balancers.toml.j2"), &json!({ "hosts": plan.balancers(), "port": plan.stats_port() }))
    }

    fn files(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<Vec<File>> {
        Ok(vec![rendering::file(plan, member, "haproxy.cfg")?])
    }

    /// TLS passes through it, so it reads the authority's certificate alone, for asking Patroni.
    fn takes(&self, what: Renewed) -> Change {
        if what == Renewed::Authority { Change::Reload } else { Change::None }
    }

    /// The master starts new workers; the old ones stay until their sessions end.
    fn reload_by(&self) -> &'static str {
        "2"
    }

    fn command(&self, plan: &Plan, member: &Member) -> Result<Launch> {
        // Master and worker, so that a reload keeps the old workers until their sessions end.
        // By the master's socket `poolcfg apply` reloads it and sees whether that succeeded.
        let master = plan.run_folder().join(format!("{}-master.sock", member.name));
        let master = format!("{},mode,600", crate::plan::text(&master)?);
        let file = plan.configuration(&member.name).join("haproxy.cfg");
        Launch::new(PROGRAM.as_ref())?.arg("-W").arg("-S").arg(master).arg("-f").path(&file)
    }

    /// Every shard has exactly one primary and all its replicas behind this balancer.
    fn probe(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<String, String> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--max-time", "5"]);
        let csv = ask::run(curl.arg(format!("http://{}:{}/;csv", member.address, plan.stats_port())))?;
        for shard in plan.shards() {
            for (backend, wanted) in [("primary", 1), ("replicas", shard.nodes.len() - 1)] {
                let backend = format!("{}-{backend}", shard.name);
                let up = servers_up(&csv, &backend);
                if up != wanted {
                    return Err(format!("{backend} has {up} of {wanted} servers up"));
                }
            }
        }
        Ok("sees every node".to_owned())
    }

    fn version(&self, _: &Plan) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("-v");
        command
    }
}

/// How many servers of a backend are up, by HAProxy's CSV of statistics.
fn servers_up(csv: &str, backend: &str) -> usize {
    let mut lines = csv.lines();
    let heads: Vec<&str> = lines.next().unwrap_or_default().trim_start_matches("# ").split(',').collect();
    let column = |name: &str| heads.iter().position(|head| *head == name);
    let (Some(proxy), Some(server), Some(status)) = (column("pxname"), column("svname"), column("status")) else {
        return 0;
    };
    let rows = lines.map(|line| line.split(',').collect::<Vec<_>>());
    rows.filter(|row| {
        row.get(proxy) == Some(&backend)
            && row.get(server) != Some(&"BACKEND")
            && row.get(status).is_some_and(|status| status.starts_with("UP"))
    })
    .count()
}

#[cfg(test)]
mod tests {
    use super::servers_up;

    #[test]
    fn counts_servers_that_are_up() {
        let csv = "# pxname,svname,scur,status\ns0-primary,s0-a,0,UP\ns0-primary,s0-b,0,DOWN\n\
                   s0-primary,BACKEND,0,UP\ns0-replicas,s0-b,0,UP 1/2\n";
        assert_eq!(servers_up(csv, "s0-primary"), 1);
        assert_eq!(servers_up(csv, "s0-replicas"), 1);
        assert_eq!(servers_up("", "s0-primary"), 0);
    }
}

//! The watchdogs: one beside each PostgreSQL node, on its host. See [`crate::watchdog`].

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use flotilla::availability::Failover;
use flotilla::{Error, Result};

use super::patroni::leader_key;
use super::{Launch, Member, Need, Part, Renewed, Stage};
use crate::authority::{Certificate, Usage};
use crate::change::Change;
use crate::files::{File, Owner};
use crate::plan::{Host, Plan, text};
use crate::secrets::Secrets;
use crate::settings;
use crate::watchdog::Settings;

/// One for each node.
pub(super) struct Watchdog;

/// The watchdog of a node.
pub(crate) fn of(node: &str) -> String {
    format!("{node}-watchdog")
}

/// A watchdog that hasn't looked for so long isn't at work.
const STALE: Duration = Duration::from_secs(10);

impl Part for Watchdog {
    fn name(&self) -> &'static str {
        "watchdog"
    }

    fn needs(&self, plan: &Plan) -> Vec<Need> {
        vec![Need::new(plan.tool("stack"), "stack (by compose/install)")]
    }

    fn members(&self, plan: &Plan) -> Vec<Member> {
        plan.shards().into_iter().flat_map(|shard| shard.nodes).map(|node| member(&node)).collect()
    }

    /// Nothing asks it.
    fn topology(&self, _: &Plan) -> Result<String> {
        Ok(String::new())
    }

    fn files(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<Vec<File>> {
        let config = settings::config(plan)?;
        let shard = config.shards.iter().find(|shard| shard.nodes.iter().any(|node| of(&node.name) == member.name));
        let shard = shard.ok_or_else(|| Error::internal("a watchdog belongs to no shard"))?;
        let failover = Failover::of(shard);
        let node = member.name.trim_end_matches("-watchdog").to_owned();
        let settings = Settings {
            topology: plan.topology(),
            data: plan.data(&node).join("postgres"),
            sslcert: plan.certificate(&member.name),
            sslkey: plan.key(&member.name),
            silence_seconds: failover.silence_seconds(),
            patience_seconds: failover.primary_start_timeout,
            leader_key: leader_key(&plan.name, &shard.name),
            node,
        };
        let path = plan.configuration(&member.name).join("watchdog.toml");
        Ok(vec![File::new(path, settings.text()?).owner(Owner::Servers)])
    }

    /// It reads them at its start.
    fn takes(&self, _: Renewed) -> Change {
        Change::Restart
    }

    fn command(&self, plan: &Plan, member: &Member) -> Result<Launch> {
        let file = plan.configuration(&member.name).join("watchdog.toml");
        Launch::new(&plan.tool("stack"))?.arg("watchdog").path(&file)
    }

    fn probe(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<String, String> {
        let seen = plan.data(&member.name).join("seen");
        let at = fs::metadata(&seen).and_then(|meta| meta.modified()).map_err(|_| "has not looked yet".to_owned())?;
        let age = SystemTime::now().duration_since(at).unwrap_or_default();
        if age > STALE {
            return Err(format!("last looked {} s ago", age.as_secs()));
        }
        fs::read_to_string(&seen).map_err(|e| e.to_string())
    }

    fn version(&self, plan: &Plan) -> Command {
        let mut command = Command::new(text(&plan.tool("stack")).unwrap_or_default());
        command.arg("--version");
        command
    }
}

fn member(node: &Host) -> Member {
    let name = of(&node.name);
    Member {
        certificate: Some(Certificate {
            name: name.clone(),
            names: Vec::new(),
            addresses: Vec::new(),
            usage: Usage::Client,
            owner: Owner::Servers,
        }),
        name,
        role: "watchdog".to_owned(),
        address: node.address,
        ports: Vec::new(),
        stage: Stage::Database,
        patience: Duration::from_secs(5),
    }
}

//! What brings archives to the second region: `walg-wrap copy`, over and over.

use std::fs;
use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flotilla::Result;
use serde_json::{Value, json};

use super::{Launch, Member, Need, Part, Renewed, Stage};
use crate::change::Change;
use crate::files::{File, Owner, fill};
use crate::plan::{Plan, RPO_SECONDS, text};
use crate::secrets::Secrets;

/// One process, which runs where the second region is: it has to go on taking what is left of the first.
pub(super) struct Copier;

/// The pause between two runs: a sixth of what may be lost.
const EVERY_SECONDS: u64 = RPO_SECONDS / 6;

impl Part for Copier {
    fn name(&self) -> &'static str {
        "walg-wrap"
    }

    fn needs(&self, plan: &Plan) -> Vec<Need> {
        vec![Need::new(plan.tool("walg-wrap"), "walg-wrap (by compose/install)")]
    }

    fn members(&self, plan: &Plan) -> Vec<Member> {
        let member = |host: crate::plan::Host| Member {
            certificate: None,
            name: host.name,
            role: "copies".to_owned(),
            address: host.address,
            ports: Vec::new(),
            stage: Stage::Copy,
            patience: Duration::from_secs(20),
        };
        plan.copier().into_iter().map(member).collect()
    }

    fn topology(&self, _: &Plan) -> Result<String> {
        Ok(String::new())
    }

    fn files(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<Vec<File>> {
        let (tool, topology, data) = (plan.tool("walg-wrap"), plan.topology(), plan.data(&member.name));
        let values = json!({
            "tool": text(&tool)?,
            "topology": text(&topology)?,
            "store": plan.second_store().name,
            "every": EVERY_SECONDS,
            "data": text(&data)?,
        });
        let path = plan.configuration(&member.name).join("start");
        Ok(vec![File::new(path, fill(include_str!("copier.sh.j2"), &values)?).owner(Owner::Servers).program()])
    }

    fn takes(&self, _: Renewed) -> Change {
        Change::None
    }

    fn command(&self, plan: &Plan, member: &Member) -> Result<Launch> {
        Launch::new(&plan.configuration(&member.name).join("start"))
    }

    /// Its last word on every shard is good, and not old.
    fn probe(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<String, String> {
        let log = fs::read(plan.log(&member.name).join("current")).unwrap_or_default();
        let mut worst = 0;
        for shard in plan.shards() {
            let word = last_word(&log, &shard.name).ok_or_else(|| format!("{} has not been copied yet", shard.name))?;
            if word["status"] != "ok" {
                let why = word["error"]["message"].as_str().unwrap_or("not copied");
                return Err(format!("{}: {why}", shard.name));
            }
            let at = word["at"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
            let age = at.map_or(0, |at| u64::try_from((Utc::now() - at).num_seconds()).unwrap_or(0));
            if age > RPO_SECONDS {
                return Err(format!("{} was copied {age} s ago", shard.name));
            }
            worst = worst.max(word["lag_seconds"].as_u64().unwrap_or(0));
        }
        Ok(format!("{worst} s behind"))
    }

    fn version(&self, plan: &Plan) -> Command {
        let mut command = Command::new(plan.tool("walg-wrap"));
        command.arg("--version");
        command
    }
}

/// The last record about a shard as a whole in a log of records, each behind the logger's time.
fn last_word(log: &[u8], shard: &str) -> Option<Value> {
    let text = String::from_utf8_lossy(log);
    let records = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line.split_once(' ')?.1).ok());
    let of_shard = |record: &Value| record["schema"] == "walg-wrap.copied/1" && record["target"] == shard;
    records.into_iter().find(of_shard)
}

#[cfg(test)]
mod tests {
    use super::last_word;

    #[test]
    fn the_last_record_of_a_shard_counts() {
        let line = |target: &str, schema: &str, lag: u32| {
            format!(
                "2026-11-28_15:00:00.00001 {{\"schema\":\"{schema}\",\"target\":\"{target}\",\"lag_seconds\":{lag}}}\n"
            )
        };
        let log = [
            line("s0", "walg-wrap.copied/1", 7),
            line("s1", "walg-wrap.copied/1", 8),
            line("s0", "walg-wrap.copied/1", 9),
            line("s0", "walg-wrap.not_copied/1", 1),
            "2026-11-28_15:00:00.00001 walg-wrap: no JSON\n".to_owned(),
        ]
        .concat();
        assert_eq!(last_word(log.as_bytes(), "s0").expect("a record")["lag_seconds"], 9);
        assert_eq!(last_word(log.as_bytes(), "s1").expect("a record")["lag_seconds"], 8);
        assert_eq!(last_word(log.as_bytes(), "s2"), None);
    }
}

//! What etcd holds of a shard's configuration, brought in line with what the topology promises.
//!
//! `bootstrap.dcs` of Patroni's file counts at the very first start only. What is changed there later
//! would stay a wish; so it is compared with etcd's copy, the difference is shown, and sent.

use flotilla::availability::Failover;
use flotilla::config::Shard;
use flotilla::{Code, Error, Result};
use serde_json::{Map, Value};

use super::super::{Member, ask};
use crate::plan::Plan;
use crate::show;

/// Sends what differs; true when anything did.
pub(super) fn settle(plan: &Plan, shard: &Shard, members: &[Member]) -> Result<bool> {
    let nodes = members.iter().filter(|member| member.role == shard.name);
    let mut why = String::from("it has no nodes");
    for member in nodes {
        match differing(plan, member, shard) {
            Ok(differing) if differing.is_empty() => return Ok(false),
            Ok(differing) => match ask::patch(plan, member, plan.patroni_port(), "/config", &differing.into()) {
                Ok(_) => return Ok(true),
                Err(said) => why = said,
            },
            Err(said) => why = said,
        }
    }
    Err(Error::new(Code::Unreachable, format!("the configuration of shard \"{}\" could not be compared", shard.name))
        .hint("A later `stack up` makes up for it.")
        .source(why))
}

/// The keys that differ, as they should be.
fn differing(plan: &Plan, member: &Member, shard: &Shard) -> Result<Map<String, Value>, String> {
    let held = ask::json(&ask::https(plan, member, plan.patroni_port(), "/config")?)?;
    let mut differing = Map::new();
    for (key, wanted) in Failover::of(shard).dynamic().as_object().into_iter().flatten() {
        if held[key] != *wanted {
            show::say(&format!("  {:<16} has {key} {} in etcd; it becomes {wanted}", shard.name, held[key]));
            differing.insert(key.clone(), wanted.clone());
        }
    }
    Ok(differing)
}

//! Who leads, and whether all is as it should be.

use std::time::{Duration, Instant};

use flotilla::config::{Config, Shard};
use flotilla::error::Result;
use flotilla::patroni::{Rest, Role, State, states};
use flotilla::pg::SessionAttrs;
use flotilla::{Context, fanout, reach};

use super::load;

/// How long a node may take to say what it is, while it matters when that was.
const ASKED: Duration = Duration::from_secs(1);
/// The same where only the answer matters.
const PATIENT: Duration = Duration::from_secs(5);
/// Between two looks.
pub(super) const TICK: Duration = Duration::from_millis(150);

/// A way on which nothing was acknowledged for longer than this doesn't flow.
pub(super) const FLOWING: Duration = Duration::from_millis(700);

/// The node that leads; none when there is none or more than one.
pub(super) async fn leader(rest: &Rest, shard: &Shard) -> Option<String> {
    let known = known(rest, shard).await;
    let mut leaders = known.iter().filter(|state| state.role == Role::Primary);
    match (leaders.next(), leaders.next()) {
        (Some(leader), None) => Some(leader.node.clone()),
        _ => None,
    }
}

async fn known(rest: &Rest, shard: &Shard) -> Vec<State> {
    states(rest, shard, ASKED).await.into_iter().flatten().collect()
}

/// What isn't as it should be with the shard's nodes and what leads to them.
pub(super) async fn ill(cx: &Context, rest: &Rest, shard: &Shard) -> Result<Vec<String>> {
    let config = cx.config()?;
    let mut ill = nodes(rest, shard).await;
    ill.extend(ways(cx, config, shard).await?);
    Ok(ill)
}

async fn nodes(rest: &Rest, shard: &Shard) -> Vec<String> {
    let answers = states(rest, shard, PATIENT).await;
    let mut ill = Vec::new();
    let mut leaders = 0;
    for (node, answer) in shard.nodes.iter().zip(answers) {
        match answer {
            Ok(state) if state.role == Role::Primary => {
                leaders += 1;
                if state.streaming + 1 < shard.nodes.len() {
                    ill.push(format!("{}: {} replicas stream from it", node.name, state.streaming));
                }
            }
            Ok(state) if state.role != Role::Replica => ill.push(format!("{}: {}", node.name, state.said)),
            Ok(state) if shard.rpo_bytes == 0 && !state.synchronous => {
                ill.push(format!("{}: not in sync", node.name));
            }
            Ok(_) => {}
            Err(error) => ill.push(format!("{}: {}", node.name, error.message())),
        }
    }
    if leaders != 1 {
        ill.push(format!("{}: {leaders} nodes lead", shard.name));
    }
    ill
}

/// Every pooler and every balancer, one by one.
async fn ways(cx: &Context, config: &Config, shard: &Shard) -> Result<Vec<String>> {
    let monitor = &config.users.monitor;
    let mut all = Vec::new();
    for balancer in &config.balancers {
        let way = reach::balanced_by(config, balancer, shard, monitor)?;
        all.extend(way.map(|way| (balancer.name.clone(), way, SessionAttrs::Primary)));
    }
    for pooler in &config.poolers {
        all.push((pooler.name.clone(), reach::console(config, pooler, monitor)?, SessionAttrs::Any));
    }
    let answers = fanout::ask(cx, all, |(name, way, attrs), _| async move {
        load::arrives(way, attrs).await.map_err(|error| format!("{name}: {}", error.message()))
    })
    .await;
    Ok(answers.into_iter().filter_map(Result::err).collect())
}

/// Waits until all is well, or the time is up; what still isn't.
pub(super) async fn until_well(cx: &Context, rest: &Rest, shard: &Shard, limit: Duration) -> Result<Vec<String>> {
    let until = Instant::now() + limit;
    loop {
        let ill = ill(cx, rest, shard).await?;
        if ill.is_empty() || Instant::now() >= until {
            return Ok(ill);
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Waits for a condition that is looked at again and again; whether it came true in time.
pub(super) async fn until(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let until = Instant::now() + limit;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(TICK).await;
    }
}

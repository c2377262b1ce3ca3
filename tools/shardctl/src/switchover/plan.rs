//! Who leads, who is to lead, and whether that can be.

use std::fmt;
use std::time::Duration;

use flotilla::config::{Node, Shard};
use flotilla::error::{Error, Result};
use flotilla::patroni::{Rest, Role, State, states};

/// How long a node may take to say what it is.
const LIMIT: Duration = Duration::from_secs(5);

/// A move that nothing stands in the way of.
#[derive(Debug)]
pub(crate) struct Move<'a> {
    pub(crate) from: &'a Node,
    /// Who may lead then, the one that has received most first. Among several Patroni chooses: where it is told a
    /// name, the others sleep two seconds before they look for the new primary, and a quorum commit waits for them.
    pub(crate) to: Vec<&'a Node>,
    /// As Patroni calls them; the second only where it has no choice.
    pub(super) from_member: String,
    pub(super) to_member: Option<String>,
}

impl Move<'_> {
    /// Who will lead, where Patroni has no choice.
    pub(crate) fn only(&self) -> Option<&Node> {
        self.to_member.as_ref().and(self.to.first().copied())
    }

    /// The names of those who may lead then.
    pub(crate) fn candidates(&self) -> Vec<String> {
        self.to.iter().map(|node| node.name.clone()).collect()
    }
}

impl fmt::Display for Move<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted: Vec<String> = self.to.iter().map(|node| format!("\"{}\"", node.name)).collect();
        write!(f, "\"{}\" to {}", self.from.name, quoted.join(" or "))
    }
}

/// Finds who leads and who can, or says why nobody can. Nothing is touched.
pub(crate) async fn make<'a>(rest: &Rest, shard: &'a Shard, to: Option<&str>) -> Result<Move<'a>> {
    if let Some(to) = to
        && shard.nodes.iter().all(|node| node.name != to)
    {
        let names: Vec<&str> = shard.nodes.iter().map(|node| node.name.as_str()).collect();
        return Err(Error::usage(format!("\"{to}\" is no node of shard \"{}\"", shard.name))
            .hint(format!("Its nodes are {}.", names.join(", "))));
    }
    let answers = states(rest, shard, LIMIT).await;
    let known: Vec<&State> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    if let Some(paused) = known.iter().find(|state| state.paused) {
        return Err(refused(shard, &format!("is paused in Patroni, as \"{}\" says", paused.node))
            .hint("Somebody is at work on it. When that is over: `patronictl resume`."));
    }
    let leaders: Vec<&&State> = known.iter().filter(|state| state.role == Role::Primary).collect();
    let leader = match leaders.as_slice() {
        [leader] => **leader,
        [] => {
            return Err(
                refused(shard, "has no primary").hint("A failover may be under way; look at `shardctl status`.")
            );
        }
        [first, second, ..] => {
            return Err(refused(shard, &format!("has two primaries, \"{}\" and \"{}\"", first.node, second.node))
                .hint("Stop the one whose Patroni doesn't hold the lease before anything else."));
        }
    };
    if to == Some(leader.node.as_str()) {
        return Err(refused(shard, &format!("is led by \"{}\" already", leader.node)).hint("There is nothing to move."));
    }
    let wanted = |state: &&&State| to.is_none_or(|to| state.node == to);
    let candidates = known.iter().filter(wanted).filter(|state| objection(shard, leader, state).is_none());
    let mut candidates: Vec<&&State> = candidates.collect();
    candidates.sort_by_key(|state| std::cmp::Reverse(state.location));
    if candidates.is_empty() {
        return Err(refused(shard, &format!("has no candidate: {}", objections(shard, leader, &answers, to)))
            .hint("Wait until a replica streams and is in sync, or see what keeps it."));
    }
    let node = |name: &str| {
        let found = shard.nodes.iter().find(|node| node.name == name);
        found.ok_or_else(|| Error::internal("a state belongs to no node"))
    };
    Ok(Move {
        from: node(&leader.node)?,
        to: candidates.iter().map(|state| node(&state.node)).collect::<Result<_>>()?,
        from_member: leader.member.clone(),
        to_member: match candidates.as_slice() {
            [only] => Some(only.member.clone()),
            _ => None,
        },
    })
}

/// Why a replica may not lead.
fn objection(shard: &Shard, leader: &State, state: &State) -> Option<String> {
    if state.role != Role::Replica {
        return Some(state.said.clone());
    }
    if shard.rpo_bytes == 0 {
        return (!state.synchronous).then(|| "not in sync: no commit waits for it".to_owned());
    }
    match (leader.location, state.location) {
        (Some(at), Some(has)) if at.saturating_sub(has) <= shard.rpo_bytes => None,
        (Some(at), Some(has)) => Some(format!("{} bytes of WAL behind", at.saturating_sub(has))),
        _ => Some("doesn't say what it has received".to_owned()),
    }
}

fn objections(shard: &Shard, leader: &State, answers: &[Result<State>], to: Option<&str>) -> String {
    let nodes = shard.nodes.iter().zip(answers).filter(|(node, _)| node.name != leader.node);
    let said = nodes.filter(|(node, _)| to.is_none_or(|to| node.name == to)).map(|(node, answer)| {
        let why = match answer {
            Ok(state) => objection(shard, leader, state).unwrap_or_default(),
            Err(error) => error.message().to_owned(),
        };
        format!("\"{}\": {why}", node.name)
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() { "there is no replica".to_owned() } else { said.join("; ") }
}

fn refused(shard: &Shard, why: &str) -> Error {
    Error::refused(format!("shard \"{}\" {why}; nothing was touched", shard.name))
}

//! What the nodes of a shard are, as each one's Patroni says.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use super::Rest;
use crate::config::Shard;
use crate::error::{Code, Error, Result};

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It leads: its Patroni holds the lease, and PostgreSQL takes writes.
    Primary,
    /// It follows and streams.
    Replica,
    /// It is being made, starts, stops, or has failed.
    Other,
}

/// What one node's Patroni says.
#[derive(Clone, Debug)]
pub struct State {
    /// The node's name in the topology.
    pub node: String,
    /// The name under which Patroni knows it.
    pub member: String,
    /// What it is.
    pub role: Role,
    /// In Patroni's words.
    pub said: String,
    /// Whether commits may count on it, on a shard with quorum or synchronous commit.
    pub synchronous: bool,
    /// Whether the cluster is paused: Patroni looks on and does nothing.
    pub paused: bool,
    /// The timeline that it is on.
    pub timeline: Option<u64>,
    /// Where a primary writes, or up to where a replica has received, in bytes.
    pub location: Option<u64>,
    /// How many replicas stream from it.
    pub streaming: usize,
    /// When etcd was last reached, in seconds since 1970.
    pub dcs_last_seen: Option<i64>,
}

impl State {
    /// Reads `/patroni`.
    fn read(node: &str, answer: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (role, state) = (text(&answer["role"]), text(&answer["state"]));
        let replication = text(&answer["replication_state"]);
        let running = state == "running" || state == "streaming";
        // `standby_leader` leads a standby cluster: it takes no writes.
        let is = match role.as_str() {
            "primary" | "master" if running => Role::Primary,
            "replica" if running && (replication == "streaming" || state == "streaming") => Role::Replica,
            _ => Role::Other,
        };
        let said = match (running, replication.is_empty()) {
            (true, false) => format!("{role}, {replication}"),
            (true, true) => role,
            (false, _) => state,
        };
        let senders = answer["replication"].as_array().map_or(&[][..], Vec::as_slice);
        Self {
            node: node.to_owned(),
            member: text(&answer["patroni"]["name"]),
            role: is,
            said,
            synchronous: answer["quorum_standby"] == true || answer["sync_standby"] == true,
            paused: answer["pause"] == true,
            timeline: answer["timeline"].as_u64(),
            location: answer["xlog"]["location"].as_u64().or_else(|| answer["xlog"]["received_location"].as_u64()),
            streaming: senders.iter().filter(|one| one["state"] == "streaming").count(),
            dcs_last_seen: answer["dcs_last_seen"].as_i64(),
        }
    }
}

/// Asks every node of a shard at once, in the topology's order.
pub async fn states(rest: &Rest, shard: &Shard, limit: Duration) -> Vec<Result<State>> {
    join_all(shard.nodes.iter().map(|node| async move {
        let answer = rest.get(node, "/patroni", limit).await?;
        let json = answer.json();
        if json["patroni"]["name"].is_string() {
            return Ok(State::read(&node.name, &json));
        }
        Err(Error::new(Code::Unsupported, format!("what answers as Patroni of \"{}\" isn't Patroni", node.name))
            .hint("Check the node's `patroni` in the topology."))
    }))
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Role, State};

    #[test]
    fn a_node_is_what_its_patroni_says() {
        let answer = json!({"state": "running", "role": "primary", "timeline": 3, "xlog": {"location": 84},
            "replication": [{"state": "streaming"}, {"state": "backup"}], "dcs_last_seen": 17,
            "patroni": {"name": "a", "scope": "s0", "version": "4.1.5"}});
        let state = State::read("s0-a", &answer);
        assert_eq!((state.role, state.streaming, state.location), (Role::Primary, 1, Some(84)));
        assert_eq!((state.member.as_str(), state.paused, state.synchronous), ("a", false, false));

        let answer = json!({"state": "streaming", "role": "replica", "replication_state": "streaming",
            "quorum_standby": true, "pause": true, "xlog": {"received_location": 80}});
        let state = State::read("s0-b", &answer);
        assert_eq!((state.role, state.location), (Role::Replica, Some(80)));
        assert!(state.synchronous && state.paused);

        for (answer, said) in [
            (json!({"state": "stopped", "role": "replica"}), "stopped"),
            (
                json!({"state": "running", "role": "replica", "replication_state": "in archive recovery"}),
                "replica, in archive recovery",
            ),
            (json!({"state": "running", "role": "standby_leader"}), "standby_leader"),
        ] {
            let state = State::read("s0-c", &answer);
            assert_eq!((state.role, state.said.as_str()), (Role::Other, said));
        }
    }
}

//! Patroni: what it believes of its node, and whether it can still act.

use std::sync::Arc;

use flotilla::config::Config;
use flotilla::fanout::BoxFuture;
use flotilla::http::Request;
use flotilla::{Code, Error, Result};
use serde_json::Value;

use super::{Asking, Component, Found, Instance, Subject, postgresql};
use crate::board::Board;
use crate::check::{Check, Health, Limit};

/// What the table of components calls it.
pub(crate) const NAME: &str = "patroni";

/// One Patroni, by its REST interface.
pub(crate) struct Patroni;

/// Patroni's own default, where it doesn't say.
const TTL: f64 = 30.0;

/// What a Patroni said of its node.
#[derive(Clone, Debug)]
pub(crate) struct Believed {
    /// Whether it holds its node for the one that leads.
    pub(crate) is_primary: bool,
}

impl Component for Patroni {
    fn name(&self) -> &'static str {
        NAME
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        postgresql::node(subject)?.1.patroni.clone()
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let http = asking.http()?;
            let url = instance.endpoint.trim_end_matches('/');
            // It answers with 503 where its node is down, and with the same document.
            let state = http.ask(Request::get(&format!("{url}/patroni"))).await?.json()?;
            let settings = http.ask(Request::get(&format!("{url}/config"))).await?;
            let settings = if settings.is_success() { settings.json()? } else { Value::Null };
            let role = state["role"].as_str().unwrap_or("unknown").to_owned();
            let is_primary = matches!(role.as_str(), "primary" | "master" | "standby_leader");
            if let Some(slots) = asking.board.node(&instance.name) {
                slots.rest.send_replace(Some(Arc::new(Some(Believed { is_primary }))));
            }
            let role = if is_primary { "primary".to_owned() } else { role };
            Ok(Found { role: Some(role), checks: checks(&state, &settings)? })
        })
    }

    fn ended(&self, board: &Board, instance: &Instance, failed: Option<&Error>) {
        if let (Some(_), Some(slots)) = (failed, board.node(&instance.name)) {
            slots.rest.send_replace(Some(Arc::new(None)));
        }
    }
}

fn checks(state: &Value, settings: &Value) -> Result<Vec<Check>> {
    let Some(word) = state["state"].as_str() else {
        return Err(Error::new(Code::QueryFailed, "the answer is not Patroni's")
            .hint("Does `patroni` in the topology name Patroni's REST interface?"));
    };
    let runs = matches!(word, "running" | "streaming");
    let mut checks = vec![
        Check::word("state", word, if runs { Health::Pass } else { Health::Fail })
            .message(format!("Patroni says that its PostgreSQL is {word}"))
            .hint("Patroni's log says what it tries."),
        Check::holds("failover", state["pause"] != true, Health::Warn, "Patroni is paused: nobody fails over")
            .hint("`patronictl resume` gives it the cluster back."),
        Check::holds("leader", state["cluster_unlocked"] != true, Health::Fail, "no node holds the leader's lease")
            .hint("An election goes on, or nobody may be elected; look at `patronictl list`."),
        Check::holds(
            "settings",
            state["pending_restart"] != true,
            Health::Warn,
            "settings were changed and wait for a restart",
        )
        .hint("`patronictl restart` restarts the node, a replica first."),
    ];
    let ttl = settings["ttl"].as_f64().unwrap_or(TTL);
    // Null as long as it has never reached the store.
    let last = state["dcs_last_seen"].as_f64().filter(|last| *last > 0.0);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let ago = last.map(|last| (flotilla::clock::now().timestamp() as f64 - last).max(0.0));
    checks.push(
        Check::number("consensus_seconds", ago, "seconds", Limit::above(ttl / 2.0, ttl))
            .hint("It has lost touch with etcd: without it nobody can be elected, and a primary may step down."),
    );
    if state["failsafe_mode_is_active"] == true {
        checks.push(
            Check::word("failsafe", "active", Health::Warn)
                .message("etcd is out of reach, and the primary goes on by the word of its replicas")
                .hint("Bring etcd back."),
        );
    }
    Ok(checks)
}

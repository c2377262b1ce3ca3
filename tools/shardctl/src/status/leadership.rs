//! Whether exactly one node of a shard takes writes, and its Patroni knows.
//!
//! Two primaries, or one that Patroni has left behind, acknowledge writes that a failover loses. Neither is
//! seen by whoever asks one server alone.

use std::time::Duration;

use flotilla::config::{Node, Shard};
use flotilla::error::{Code, Error, Result};
use flotilla::patroni::Rest;
use flotilla::pg::SessionAttrs;
use flotilla::{Context, fanout, reach};

/// How long Patroni may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Who takes writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Leadership {
    /// Nodes that take writes.
    pub(super) primaries: Vec<String>,
    /// Those of them whose Patroni doesn't answer.
    pub(super) orphans: Vec<String>,
}

impl Leadership {
    /// Asks every node directly, and of those that take writes Patroni too. One that doesn't answer takes none.
    pub(super) async fn of(cx: &Context, shard: &Shard) -> Result<Self> {
        let rest =
            if shard.nodes.iter().any(|node| node.patroni.is_some()) { Some(Rest::new(cx.config()?)?) } else { None };
        let nodes = fanout::ask(cx, shard.nodes.clone(), move |node, cx| {
            let rest = rest.clone();
            async move { one(&cx, &node, rest.as_ref()).await.map(|orphan| (node.name, orphan)) }
        })
        .await;
        let mut found = Self::default();
        for (name, orphan) in nodes.into_iter().flatten() {
            if orphan {
                found.orphans.push(name.clone());
            }
            found.primaries.push(name);
        }
        Ok(found)
    }

    /// What is wrong with it.
    pub(super) fn check(&self, shard: &str) -> Result<()> {
        let quoted =
            |names: &[String]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" and ");
        if self.primaries.len() > 1 {
            return Err(Error::new(
                Code::WrongRole,
                format!("shard \"{shard}\" has {} primaries: {}", self.primaries.len(), quoted(&self.primaries)),
            )
            .hint("Stop the one whose Patroni doesn't hold the lease; what it has acknowledged may be lost."));
        }
        if !self.orphans.is_empty() {
            return Err(Error::new(
                Code::WrongRole,
                format!("{} takes writes, but its Patroni doesn't answer", quoted(&self.orphans)),
            )
            .hint("Another node will lead when the lease runs out. Start Patroni there, or stop PostgreSQL."));
        }
        Ok(())
    }
}

/// Whether a node takes writes, and if so, whether its Patroni is silent.
async fn one(cx: &Context, node: &Node, rest: Option<&Rest>) -> Option<bool> {
    let config = cx.config().ok()?;
    let endpoint = reach::node(config, node, &config.users.monitor).ok()?;
    let session = cx.connect(endpoint.session_attrs(SessionAttrs::Primary)).await.ok()?;
    session.close().await;
    match rest.filter(|_| node.patroni.is_some()) {
        Some(rest) => Some(rest.get(node, "/patroni", LIMIT).await.is_err()),
        None => Some(false),
    }
}

//! What probes have seen of nodes, for those that draw conclusions from several answers.

use std::collections::HashMap;
use std::sync::Arc;

use flotilla::config::Config;
use tokio::sync::watch;

use crate::component::{Believed, Heard};

/// What was seen last; none where nothing has been yet.
type Slot<T> = watch::Sender<Option<Arc<T>>>;

/// What one node said of itself.
#[derive(Debug)]
pub(crate) struct NodeSlots {
    /// By SQL.
    pub(crate) sql: Slot<Heard>,
    /// By Patroni's REST interface; none inside where it didn't answer.
    pub(crate) rest: Slot<Option<Believed>>,
}

/// What was seen of all nodes.
#[derive(Debug)]
pub(crate) struct Board {
    nodes: HashMap<String, NodeSlots>,
}

impl Board {
    /// An empty one for this topology.
    pub(crate) fn new(config: &Config) -> Self {
        let nodes = config.shards.iter().flat_map(|shard| &shard.nodes);
        let slots = || NodeSlots { sql: watch::Sender::new(None), rest: watch::Sender::new(None) };
        Self { nodes: nodes.map(|node| (node.name.clone(), slots())).collect() }
    }

    /// The slots of a node.
    pub(crate) fn node(&self, name: &str) -> Option<&NodeSlots> {
        self.nodes.get(name)
    }
}

/// What stands in a slot, once something does.
pub(crate) async fn filled<T>(slot: &Slot<T>) -> Option<Arc<T>> {
    slot.subscribe().wait_for(Option::is_some).await.ok()?.clone()
}

//! Standby clusters: servers elsewhere that follow a shard by its archive.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Config, Node};
use crate::error::{Error, Result};

/// The longest time that may be stated as lost, in seconds: a day.
const LONGEST: u64 = 86_400;

/// A cluster in another region that follows a shard by its archive. Its servers are not the shard's: no
/// verb takes them for targets until they have been promoted and a topology names them as a shard's nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StandbyCluster {
    /// Its name.
    pub name: String,
    /// The shard that it follows.
    pub shard: String,
    /// The store of archives that it restores from.
    pub store: String,
    /// How many seconds of acknowledged writes may be lost when it takes over.
    #[serde(default = "rpo")]
    pub rpo_seconds: u64,
    /// Its servers.
    #[serde(default)]
    pub nodes: Vec<Node>,
}

const fn rpo() -> u64 {
    60
}

/// Refuses standby clusters that can't be right. Their names and addresses are checked with all others.
pub(super) fn check(config: &Config) -> Result<()> {
    let at = config.path.display();
    let mut followed = HashSet::new();
    for cluster in &config.standby_clusters {
        let wrong = |what: String| Error::config(format!("{at}: standby cluster \"{}\" {what}", cluster.name));
        if !config.shards.iter().any(|shard| shard.name == cluster.shard) {
            return Err(wrong(format!("follows \"{}\", which is no shard", cluster.shard))
                .hint("Name one of [[shards]] in `shard`."));
        }
        if !config.archive.stores.iter().any(|store| store.name == cluster.store) {
            return Err(wrong(format!("restores from \"{}\", which is no store", cluster.store))
                .hint("Name one of [[archive.stores]] in `store`."));
        }
        if cluster.nodes.is_empty() {
            return Err(
                wrong("has no nodes".to_owned()).hint("Add [[standby_clusters.nodes]] with name, host and port.")
            );
        }
        if !(1..=LONGEST).contains(&cluster.rpo_seconds) {
            return Err(wrong(format!("has rpo_seconds {}", cluster.rpo_seconds)).hint(format!("Use 1 to {LONGEST}.")));
        }
        // What was promoted writes to its store: two of one shard there would be two histories in one place.
        if !followed.insert((&cluster.shard, &cluster.store)) {
            return Err(wrong(format!(
                "is the second of shard \"{}\" that restores from \"{}\"",
                cluster.shard, cluster.store
            ))
            .hint("Add its servers to the first one as nodes, or give it a store of its own."));
        }
    }
    Ok(())
}

//! The second region: per shard a standby cluster, which Patroni makes and feeds out of the archive that is
//! copied there. Nothing in it has a connection to the first region, so nothing is lost with that but what
//! had not been copied yet.

use std::process::Command;

use flotilla::{Error, Result};
use serde_json::json;

use super::patroni::{self, Patroni, Region};
use super::{Launch, Member, Need, Part, Renewed, Stage, ask, etcd, minio};
use crate::change::Change;
use crate::clients;
use crate::files::{File, fill};
use crate::plan::{FIRST_REGION, Host, Plan, RPO_SECONDS, SECOND_REGION, Shard, StandbyCluster};
use crate::secrets::Secrets;

/// Per shard one node that follows its archive, until it is promoted.
pub(super) struct Standby;

impl Part for Standby {
    fn name(&self) -> &'static str {
        Patroni.name()
    }

    fn needs(&self, plan: &Plan) -> Vec<Need> {
        Patroni.needs(plan)
    }

    fn members(&self, plan: &Plan) -> Vec<Member> {
        let nodes = plan.standby_clusters().into_iter().flat_map(|cluster| cluster.nodes);
        nodes.map(|host| Member { stage: Stage::SecondRegion, ..patroni::member(plan, host) }).collect()
    }

    fn topology(&self, plan: &Plan) -> Result<String> {
        topology(plan, &plan.standby_clusters(), &plan.second_store())
    }

    fn files(&self, plan: &Plan, secrets: &Secrets, member: &Member) -> Result<Vec<File>> {
        let region = Region {
            etcd: plan.second_etcd(),
            namespace: format!("{}-{SECOND_REGION}", plan.name),
            topology: plan.second_topology(),
            follows: true,
        };
        patroni::settings(plan, secrets, member, &region)
    }

    fn takes(&self, what: Renewed) -> Change {
        Patroni.takes(what)
    }

    fn command(&self, plan: &Plan, member: &Member) -> Result<Launch> {
        Patroni.command(plan, member)
    }

    /// It follows, or leads since it was promoted.
    fn probe(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<String, String> {
        let state = ask::json(&ask::https(plan, member, plan.patroni_port(), "/patroni")?)?;
        let word = |key: &str| state[key].as_str().unwrap_or("unknown").to_owned();
        match (word("state").as_str(), word("role").as_str()) {
            ("running", "standby_leader") => Ok("follows the archive".to_owned()),
            ("running", "primary") => Ok("primary".to_owned()),
            ("running", role) => Err(format!("neither follows nor leads: it is a {role}")),
            (state, _) => Err(state.to_owned()),
        }
    }

    fn version(&self, plan: &Plan) -> Command {
        Patroni.version(plan)
    }
}

/// The lines of a topology about standby clusters that restore from this store.
fn topology(plan: &Plan, clusters: &[StandbyCluster], store: &Host) -> Result<String> {
    let clusters = clusters.iter().map(|c| json!({ "name": c.name, "shard": c.shard, "nodes": c.nodes }));
    let values = json!({
        "clusters": clusters.collect::<Vec<_>>(),
        "store": store.name,
        "rpo": RPO_SECONDS,
        "port": plan.postgres_port(),
        "rest": plan.patroni_port(),
    });
    fill(include_str!("standby.toml.j2"), &values)
}

/// The topology of the second region, for when it leads: the same shards on its servers, its archives first,
/// and the first region's servers as those that follow.
pub(crate) fn second_topology(plan: &Plan) -> Result<String> {
    let (mut shards, mut followers) = (Vec::new(), Vec::new());
    for (cluster, shard) in plan.standby_clusters().into_iter().zip(plan.shards()) {
        let (name, nodes) = (format!("{}-{FIRST_REGION}", shard.name), shard.nodes);
        followers.push(StandbyCluster { name, shard: shard.name.clone(), nodes });
        shards.push(Shard { name: shard.name, nodes: cluster.nodes, ..shard });
    }
    let mut stores = plan.regions();
    stores.reverse();
    let last = stores.last().ok_or_else(|| Error::internal("a stack without stores"))?;
    Ok([
        clients::head(plan)?,
        etcd::topology(plan, &plan.second_etcd())?,
        minio::topology(plan, &stores)?,
        patroni::topology(plan, &shards)?,
        topology(plan, &followers, last)?,
    ]
    .concat())
}

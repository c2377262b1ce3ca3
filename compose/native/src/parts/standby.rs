//! The second region: per shard a standby cluster, which Patroni makes and feeds out of the archive that is
//! copied there. Nothing in it has a connection to the first region, so nothing is lost with that but what
//! had not been copied yet.

use std::process::Command;

use flotilla::Result;
use serde_json::json;

use super::patroni::{self, Patroni, Region};
use super::{Launch, Member, Need, Part, Renewed, Stage, ask, etcd, minio};
use crate::change::Change;
use crate::clients;
use crate::files::{File, Owner, fill};
use crate::plan::{Plan, RPO_SECONDS, SECOND_REGION, Shard, text};
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
        let clusters = plan.standby_clusters();
        let clusters = clusters.iter().map(|c| json!({ "name": c.name, "shard": c.shard, "nodes": c.nodes }));
        let values = json!({
            "clusters": clusters.collect::<Vec<_>>(),
            "store": plan.second_store().name,
            "rpo": RPO_SECONDS,
            "port": plan.postgres_port(),
            "rest": plan.patroni_port(),
        });
        fill(include_str!("standby.toml.j2"), &values)
    }

    fn files(&self, plan: &Plan, secrets: &Secrets, member: &Member) -> Result<Vec<File>> {
        let restorer = plan.configuration(&member.name).join("restore");
        let (tool, topology, data) = (plan.tool("walg-wrap"), plan.second_topology(), plan.data(&member.name));
        let script = fill(
            include_str!("standby.sh.j2"),
            &json!({
                "tool": text(&tool)?,
                "topology": text(&topology)?,
                "shard": member.role,
                "data": text(&data.join("postgres"))?,
            }),
        )?;
        let region = Region {
            etcd: plan.second_etcd(),
            namespace: format!("{}-{SECOND_REGION}", plan.name),
            topology,
            restorer: Some(restorer.clone()),
        };
        Ok(vec![
            patroni::settings(plan, secrets, member, &region)?,
            File::new(restorer, script).owner(Owner::Servers).private().program().takes(Change::None),
        ])
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

/// The topology of the second region: the same shards and archives, from there.
pub(crate) fn second_topology(plan: &Plan) -> Result<String> {
    let clusters = plan.standby_clusters().into_iter().zip(plan.shards());
    let shards: Vec<Shard> = clusters.map(|(cluster, shard)| Shard { nodes: cluster.nodes, ..shard }).collect();
    let mut stores = plan.regions();
    stores.reverse();
    Ok([
        clients::head(plan)?,
        etcd::topology(plan, &plan.second_etcd())?,
        minio::topology(plan, &stores)?,
        patroni::topology(plan, &shards)?,
    ]
    .concat())
}

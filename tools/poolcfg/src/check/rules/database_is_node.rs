//! A pool that leads to one node past the balancers.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "database-is-node",
    severity: Severity::Warning,
    why: "When that node has lost its role, or lives on cut off from the others, clients of this pool are the last to know; their writes are lost.",
    mend: "Lead to the balancers.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    if world.config.is_some_and(flotilla::config::Config::poolers_are_on_nodes) {
        return;
    }
    let mut nodes: Vec<(String, u16)> = Vec::new();
    for node in world.config.into_iter().flat_map(|config| &config.shards).flat_map(|shard| &shard.nodes) {
        nodes.push((node.host.clone(), node.port));
        nodes.extend(node.hostaddr.map(|address| (address.to_string(), node.port)));
    }
    let backends = world.proxies(&["backend", "listen"]).flat_map(|(_, proxy)| proxy.servers());
    nodes.extend(backends.filter_map(|server| Some((server.host.to_owned(), server.port?))));
    for (at, settings) in world.pgbouncers() {
        for database in &settings.databases {
            let port = database.number("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(5432);
            let is_node = |host: &&str| nodes.iter().any(|(name, own)| name == host && *own == port);
            if let Some(host) = database.hosts().into_iter().find(is_node) {
                found.at(at, database.at, format!("\"{}\" leads to {host}:{port}, a node", database.name));
            }
        }
    }
}

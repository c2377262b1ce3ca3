//! A port for databases that asks no server for its role.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "write-without-role",
    severity: Severity::Error,
    why: "A check that only connects finds a replica as healthy as the primary: writes go to both, and fail on one.",
    mend: "Check Patroni: `option httpchk OPTIONS /primary`, `http-check expect status 200`, and the port of its REST interface.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let mut ports = world.pooler_ports();
    ports.push(5432);
    ports.extend(world.config.into_iter().flat_map(|c| &c.shards).flat_map(|s| &s.nodes).map(|node| node.port));
    for (at, backend) in world.proxies(&["backend", "listen"]) {
        let servers = backend.servers();
        let is_database = backend.mode() == "tcp"
            && (backend.deciding(&["option", "pgsql-check"]).is_some()
                || servers.iter().any(|server| server.port.is_some_and(|port| ports.contains(&port))));
        if is_database
            && servers.iter().filter(|server| !server.has("backup")).count() > 1
            && backend.checked_path().is_none()
        {
            let message = format!("{} leads to {} servers, whatever their roles", backend.section.name, servers.len());
            found.line(at, backend.section.line, message);
        }
    }
}

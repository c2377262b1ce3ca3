//! A check that doesn't touch the port that clients are led to.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "probe-misses-port",
    severity: Severity::Error,
    why: "Patroni answers for PostgreSQL, not for a pooler beside it: a node whose PgBouncer is dead stays in.",
    mend: "Check both in one: `option tcp-check` with a `tcp-check connect` to the pooler's port and one to Patroni's.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let poolers = world.pooler_ports();
    for (at, backend) in world.proxies(&["backend", "listen"]) {
        if backend.checked_path().is_none() || backend.checks_own_port() {
            continue;
        }
        let checked = backend.checked_ports();
        for server in backend.servers() {
            let elsewhere = server.value("port").is_some() || !checked.is_empty();
            let Some(port) = server.port.filter(|port| elsewhere && poolers.contains(port)) else { continue };
            if !checked.contains(&port) && server.value("port") != Some(&port.to_string()) {
                let message = format!(
                    "the check of \"{}\" in {} doesn't touch port {port}, a pooler's",
                    server.name, backend.section.name
                );
                found.line(at, server.line, message);
            }
        }
    }
}

//! Fewer open files than connections.

use crate::check::capacity::Capacity;
use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "open-files",
    severity: Severity::Error,
    why: "Every connection is an open file: at the system's limit PgBouncer can accept nobody, nor reach a server.",
    mend: "Raise the limit (LimitNOFILE of the service), or lower max_client_conn.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let Some(limit) = world.config.and_then(|config| config.pgbouncer.open_files).map(i64::from) else { return };
    let capacity = Capacity::of(world);
    for (at, settings) in world.pgbouncers() {
        let own = capacity.terms.iter().filter(|term| term.subject == at);
        let servers: i64 = own.filter_map(|term| Some(term.connections? / term.times.max(1))).sum();
        let wanted = settings.number("max_client_conn").saturating_add(servers);
        if wanted > limit {
            found.at(
                at,
                settings.at("max_client_conn"),
                format!("clients and servers may come to {wanted} open files, and the limit is {limit}"),
            );
        }
    }
}

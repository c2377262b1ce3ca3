//! A pooler that listens everywhere, to everybody.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "listen-everywhere",
    severity: Severity::Error,
    why: "It is reachable from every network that the machine is in, also from one that is added later.",
    mend: "Name the addresses in listen_addr, or say who may come from where with auth_type = hba.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        let everywhere = settings.list("listen_addr").into_iter().find(|host| matches!(*host, "*" | "0.0.0.0" | "::"));
        let guarded = settings.get("auth_type").is_some_and(|way| way.eq_ignore_ascii_case("hba"));
        if let Some(host) = everywhere.filter(|_| !guarded) {
            found.at(at, settings.at("listen_addr"), format!("listen_addr is {host}, and there are no rules for whom"));
        }
    }
}

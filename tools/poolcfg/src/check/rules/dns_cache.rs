//! An address that is remembered longer than a failover takes.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::{World, is_name};

pub(super) const RULE: Rule = Rule {
    name: "dns-cache",
    severity: Severity::Warning,
    why: "Where a name leads to the new primary, PgBouncer goes to the old one until dns_max_ttl has passed.",
    mend: "Set dns_max_ttl below the time of a failover, or lead through balancers by address.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let Some(failover) = world.rto_seconds().or_else(|| world.failover_seconds()) else { return };
    for (at, settings) in world.pgbouncers() {
        let ttl = settings.seconds("dns_max_ttl");
        let named = settings.databases.iter().flat_map(|database| database.hosts()).find(|host| is_name(host));
        if let Some(host) = named.filter(|_| ttl > failover) {
            let message = format!("the address of \"{host}\" is kept {ttl} s, and a failover takes {failover} s");
            found.at(at, settings.at("dns_max_ttl"), message);
        }
    }
}

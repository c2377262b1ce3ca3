//! More connections than a primary takes.

use crate::check::capacity::Capacity;
use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "capacity",
    severity: Severity::Error,
    why: "Pools are per database and user: together they may ask for more than PostgreSQL's max_connections, and then logins fail.",
    mend: "Lower default_pool_size or max_db_connections, or raise max_connections; the terms of the sum are listed.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let Some(usable) = world.usable() else { return };
    let capacity = Capacity::of(world);
    for sum in capacity.sums.iter().filter(|sum| sum.now > usable) {
        let Some(term) = capacity.terms.iter().find(|term| term.server == sum.server) else { continue };
        let Some((_, settings)) = world.pgbouncers().find(|(at, _)| *at == term.subject) else { continue };
        found.at(
            term.subject,
            settings.at("default_pool_size"),
            format!("poolers may open {} connections to {}, and {usable} are theirs", sum.now, sum.server),
        );
    }
}

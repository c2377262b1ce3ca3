//! A reserve that is half a pool.

use crate::check::capacity::{Capacity, Term};
use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "reserve-too-large",
    severity: Severity::Warning,
    why: "The reserve is for bursts; a large one hides that the pool is too small, and comes late by reserve_pool_timeout.",
    mend: "Raise pool_size, and keep the reserve at 10 to 25 % of it.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let capacity = Capacity::of(world);
    for (at, settings) in world.pgbouncers() {
        let large = |term: &&Term| term.subject == at && term.pool_size > 0 && term.reserve * 2 > term.pool_size;
        // One finding where the default is to blame, not one for each database.
        if let Some(term) = capacity.terms.iter().find(large) {
            let message = format!("the reserve is {}, of a pool of {}", term.reserve, term.pool_size);
            found.at(at, settings.at("reserve_pool_size"), message);
        }
    }
}

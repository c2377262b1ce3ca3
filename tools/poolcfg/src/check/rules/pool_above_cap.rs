//! A pool that its cap cuts off.

use crate::check::capacity::Capacity;
use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "pool-above-cap",
    severity: Severity::Error,
    why: "max_db_connections caps all users of a database together: a pool above it, or a reserve that starts at it, can never fill.",
    mend: "Raise max_db_connections, or lower the pool.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let capacity = Capacity::of(world);
    for (at, settings) in world.pgbouncers() {
        for term in capacity.terms.iter().filter(|term| term.subject == at && term.cap > 0) {
            let Some(database) = settings.databases.iter().find(|database| database.name == term.database) else {
                continue;
            };
            if term.pool_size > term.cap {
                let message =
                    format!("pools of \"{}\" have {}, but its cap is {}", term.database, term.pool_size, term.cap);
                found.at(at, database.at, message);
            } else if term.reserve > 0 && term.pool_size == term.cap {
                let message =
                    format!("the reserve of \"{}\" can't be reached: its cap is the size of a pool", term.database);
                found.at(at, database.at, message);
            }
        }
    }
}

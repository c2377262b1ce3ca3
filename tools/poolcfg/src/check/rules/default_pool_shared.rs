//! A pool size that every user gets anew.

use crate::check::capacity::Capacity;
use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "default-pool-shared",
    severity: Severity::Warning,
    why: "default_pool_size is for each pair of database and user: with a third user the server has half as many connections again.",
    mend: "Set max_db_connections, or pool_size for the database with one user.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let capacity = Capacity::of(world);
    for (at, settings) in world.pgbouncers() {
        let shared = capacity.terms.iter().find(|term| {
            let own = settings.databases.iter().find(|database| database.name == term.database);
            let by_default = own.is_some_and(|database| database.get("pool_size").is_none());
            term.subject == at
                && by_default
                && term.users > 1
                && term.cap == 0
                && settings.number("max_user_connections") == 0
        });
        if let Some(term) = shared {
            let message =
                format!("{} users each get {} connections of \"{}\"", term.users, term.pool_size, term.database);
            found.at(at, settings.at("default_pool_size"), message);
        }
    }
}

//! Pools that nothing bounds.

use crate::check::capacity::Capacity;
use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "unbounded-pools",
    severity: Severity::Error,
    why: "A database \"*\" makes a pool for every name that a client gives, auth_query lets in any user: without caps they multiply until the server refuses logins.",
    mend: "Set max_db_connections and max_user_connections, or name the databases.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let capacity = Capacity::of(world);
    for (at, settings) in world.pgbouncers() {
        for term in capacity.terms.iter().filter(|term| term.subject == at && term.connections.is_none()) {
            let wild = term.database == "*";
            // Whom the file of passwords lets in can't be seen here; that is no fault of the file's.
            let any_user = settings.get("auth_user").is_some_and(|user| !user.is_empty());
            if !wild && !any_user {
                continue;
            }
            let database = settings.databases.iter().find(|database| database.name == term.database);
            let place = database.map_or_else(|| settings.at("max_db_connections"), |database| database.at);
            found.at(at, place, format!("nothing bounds the pools of \"{}\"", term.database));
        }
    }
}

//! Session state through a transaction pool.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;
use flotilla::config::Use;

pub(super) const RULE: Rule = Rule {
    name: "session-state",
    severity: Severity::Warning,
    why: "In transaction mode the next transaction may run in another session: what the application keeps in a session is lost, or somebody else's.",
    mend: "Give that application a database in session mode, or do it inside a transaction.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let Some(config) = world.config else { return };
    for (at, settings) in world.pgbouncers() {
        if settings.databases.iter().all(|database| settings.pool_mode(database).eq_ignore_ascii_case("session")) {
            continue;
        }
        for app in &config.applications {
            let user = settings.users.iter().find(|user| user.name == app.user);
            if user.and_then(|user| user.get("pool_mode")) == Some("session") {
                continue;
            }
            let kept: Vec<&str> =
                app.uses.iter().filter(|used| **used != Use::PreparedStatements).map(|used| used.word()).collect();
            if !kept.is_empty() {
                let message = format!("application \"{}\" uses {}", app.name, kept.join(", "));
                found.at(at, settings.at("pool_mode"), message);
            }
        }
    }
}

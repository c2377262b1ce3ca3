//! Fewer client connections than applications open.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "client-limit",
    severity: Severity::Error,
    why: "Either pooler must take all clients when the other is away; one over the limit is refused.",
    mend: "Raise max_client_conn above what the applications open together.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let apps = world.config.into_iter().flat_map(|config| &config.applications);
    let wanted: i64 = apps.filter_map(|app| app.connections).map(i64::from).sum();
    for (at, settings) in world.pgbouncers() {
        let limit = settings.number("max_client_conn");
        if limit < wanted {
            found.at(
                at,
                settings.at("max_client_conn"),
                format!("max_client_conn is {limit}, and the applications open {wanted} connections"),
            );
        }
    }
}

//! Prepared statements that the pooler doesn't keep.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;
use crate::version::Version;
use flotilla::config::Use;

pub(super) const RULE: Rule = Rule {
    name: "prepared-statements",
    severity: Severity::Error,
    why: "In transaction mode a statement prepared in one session is missing in the next; it shows first at a failover.",
    mend: "Set max_prepared_statements (PgBouncer 1.21 and later), or turn them off in the driver.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let Some(config) = world.config else { return };
    for (at, settings) in world.pgbouncers() {
        if settings.databases.iter().all(|database| settings.pool_mode(database).eq_ignore_ascii_case("session")) {
            continue;
        }
        let keeps = settings.version >= Version::new(1, 21) && settings.number("max_prepared_statements") > 0;
        for app in config.applications.iter().filter(|app| !keeps && app.uses.contains(&Use::PreparedStatements)) {
            let why = if settings.version < Version::new(1, 21) {
                format!("PgBouncer {} keeps none", settings.version)
            } else {
                "max_prepared_statements is 0".to_owned()
            };
            let message = format!("application \"{}\" prepares statements, and {why}", app.name);
            found.at(at, settings.at("max_prepared_statements"), message);
        }
    }
}

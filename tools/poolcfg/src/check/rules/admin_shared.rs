//! An administrator of the pooler who is somebody else too.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "admin-shared",
    severity: Severity::Error,
    why: "Whoever has that password may pause, kill and reload the pooler; a superuser's would open everything else as well.",
    mend: "Make a role for the console alone, which no database knows.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let mut others = vec!["postgres".to_owned()];
    if let Some(config) = world.config {
        let users = &config.users;
        others.extend([&users.admin, &users.migrator, &users.app, &users.app_ro, &users.backup].map(Clone::clone));
        others.extend(config.applications.iter().map(|app| app.user.clone()));
    }
    for (at, settings) in world.pgbouncers() {
        let forced = |name: &&str| settings.databases.iter().any(|database| database.get("user") == Some(*name));
        for name in settings.list("admin_users") {
            if others.iter().any(|other| other == name) || forced(&name) {
                found.at(
                    at,
                    settings.at("admin_users"),
                    format!("\"{name}\" administers the pooler, and works in databases"),
                );
            }
        }
    }
}

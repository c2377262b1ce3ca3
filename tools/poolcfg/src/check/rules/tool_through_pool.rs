//! A migration, backup or replication through a transaction pool.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;
use crate::pgbouncer::settings::Named;

pub(super) const RULE: Rule = Rule {
    name: "tool-through-pool",
    severity: Severity::Error,
    why: "They hold advisory locks, SET and replication in a session, which a transaction pool gives to somebody else.",
    mend: "Let it connect to the nodes directly, or give it a database in session mode.",
    check: Some(check),
};

/// Roles of tools that are known by their names.
const TOOLS: &[&str] =
    &["flyway", "liquibase", "debezium", "replication", "replicator", "walg", "wal_g", "pgbackrest", "barman"];

fn check(world: &World<'_>, found: &mut Found) {
    let users = world.config.map(|config| &config.users);
    let is_tool = |user: &str| {
        let own = users.is_some_and(|users| [&users.migrator, &users.backup].into_iter().any(|own| own == user));
        own || TOOLS.contains(&user)
    };
    for (at, settings) in world.pgbouncers() {
        let shares = |database: &&Named| !settings.pool_mode(database).eq_ignore_ascii_case("session");
        for database in settings.databases.iter().filter(shares) {
            if let Some(user) = database.get("user").filter(|user| is_tool(user)) {
                found.at(at, database.at, format!("\"{user}\" works through \"{}\", a shared pool", database.name));
            }
        }
        if settings.databases.iter().any(|database| shares(&database)) {
            let apps = world.config.into_iter().flat_map(|config| &config.applications);
            for app in apps.filter(|app| is_tool(&app.user)) {
                let message = format!("application \"{}\" works as \"{}\" through shared pools", app.name, app.user);
                found.at(at, settings.at("pool_mode"), message);
            }
        }
    }
}

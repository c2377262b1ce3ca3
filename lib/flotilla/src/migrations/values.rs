//! What placeholders stand for on one shard.

use super::schema_history::Table;
use super::scripts::{Marks, Placeholders};
use crate::config::Config;

/// The placeholders of a shard: the given values, then Flyway's own names and ours. Two names depend on whoever runs
/// the scripts, and have no value where that isn't known: `flyway:user` without a user, and
/// `flyway:workingDirectory`, which the caller sets.
pub fn values(
    config: &Config,
    given: impl IntoIterator<Item = (String, String)>,
    table: &Table,
    user: Option<&str>,
    shard: &str,
) -> Placeholders {
    let mut placeholders = Placeholders::new(Marks::default());
    for (name, value) in given {
        placeholders.set(&name, value);
    }
    placeholders.set("flyway:defaultSchema", &table.schema);
    if let Some(user) = user {
        placeholders.set("flyway:user", user);
    }
    placeholders.set("flyway:database", &config.cluster.dbname);
    placeholders.set("flyway:timestamp", crate::clock::now().format("%Y-%m-%d %H:%M:%S").to_string());
    placeholders.set("flyway:table", &table.name);
    placeholders.set("flyway:environment", &config.cluster.name);
    placeholders.set("flotilla:cluster", &config.cluster.name);
    placeholders.set("flotilla:shard", shard);
    placeholders.set("flotilla:buckets", config.cluster.buckets.to_string());
    placeholders
}

//! Numbers of shards with a gap, or twice.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;
use std::collections::BTreeSet;

pub(super) const RULE: Rule = Rule {
    name: "shard-numbers",
    severity: Severity::Error,
    why: "PgDog counts shards from 0 without gaps: rows of the missing number have no place, and two primaries of one number share them by chance.",
    mend: "Number the shards 0, 1, 2 …, each with one primary.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, pgdog) in world.pgdogs() {
        let names: BTreeSet<&str> = pgdog.databases.iter().map(|database| database.name.as_str()).collect();
        for name in names {
            let own = || pgdog.databases.iter().filter(|database| database.name == name);
            let numbers: BTreeSet<i64> = own().map(|database| database.shard).collect();
            let line = own().map(|database| database.line).next().unwrap_or(1);
            if let Some(gap) = (0..).zip(&numbers).find_map(|(wanted, number)| (wanted != *number).then_some(wanted)) {
                found.line(at, line, format!("database \"{name}\" has no shard {gap}, but higher ones"));
            }
            for number in &numbers {
                let mut primaries = own().filter(|database| database.shard == *number && database.role == "primary");
                primaries.next();
                if let Some(second) = primaries.next() {
                    found.line(at, second.line, format!("shard {number} of \"{name}\" has two primaries"));
                }
            }
        }
    }
}

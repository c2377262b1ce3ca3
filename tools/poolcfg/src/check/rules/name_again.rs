//! A database or user that stands twice.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "name-again",
    severity: Severity::Warning,
    why: "Only the last one counts.",
    mend: "Take one of them away.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        for section in ["databases", "users", "peers"] {
            let mut seen: Vec<(&str, usize)> = Vec::new();
            for entry in settings.ini.entries_in(section) {
                match seen.iter().find(|(key, _)| *key == entry.key) {
                    Some((key, line)) => {
                        found.at(
                            at,
                            entry.at,
                            format!("\"{key}\" stands in line {line} already, which doesn't count now"),
                        );
                    }
                    None => seen.push((&entry.key, entry.at.line)),
                }
            }
        }
    }
}

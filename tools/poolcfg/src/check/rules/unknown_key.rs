//! A key that the release doesn't know.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;
use crate::pgbouncer::keys::{self, Key};

pub(super) const RULE: Rule = Rule {
    name: "unknown-key",
    severity: Severity::Error,
    why: "PgBouncer doesn't start with a key that it doesn't know, and at a reload it resets all that stands behind it to defaults.",
    mend: "Take it away, or run a release that has it.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        let version = settings.version;
        let since = |since: Option<u16>| match since {
            Some(since) => format!("came with 1.{since}, and this is {version}"),
            None => "is none of PgBouncer's".to_owned(),
        };
        for section in &settings.ini.sections {
            if let Err(newer) = keys::section(&section.name, version) {
                found.at(at, section.at, format!("section \"{}\" {}", section.name, since(newer)));
            }
        }
        for entry in settings.ini.entries_in("pgbouncer") {
            match Key::find(&entry.key) {
                Some(key) if key.is_in(version) => {}
                Some(key) => found.at(at, entry.at, format!("\"{}\" {}", entry.key, since(Some(key.since)))),
                None => found.at(at, entry.at, format!("\"{}\" {}", entry.key, since(None))),
            }
        }
    }
}

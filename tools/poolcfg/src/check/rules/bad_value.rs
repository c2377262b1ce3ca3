//! A value that PgBouncer can't read.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;
use crate::pgbouncer::keys::{self, Key};

pub(super) const RULE: Rule = Rule {
    name: "bad-value",
    severity: Severity::Error,
    why: "PgBouncer doesn't start with it; at a reload it takes what stands before it, sets all else to defaults, and answers as if all were well.",
    mend: "Write a value of the kind that the key takes; times are seconds without a unit.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        let version = settings.version;
        for entry in settings.ini.entries_in("pgbouncer") {
            let key = Key::find(&entry.key).filter(|key| key.is_in(version));
            if let Some(why) = key.and_then(|key| key.refuses(&entry.value, version)) {
                found.at(at, entry.at, format!("the value of \"{}\" is {why}", entry.key));
            }
        }
        for section in ["databases", "users", "peers"] {
            for entry in settings.ini.entries_in(section) {
                if let Err(why) = keys::check_pairs(section, &entry.value, version) {
                    found.at(at, entry.at, format!("{section} \"{}\": {why}", entry.key));
                }
            }
        }
    }
}

//! A section that begins twice.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "section-again",
    severity: Severity::Error,
    why: "When [pgbouncer] begins again, every key is set back to its default: what stands in the first one is lost.",
    mend: "Put all keys into one section.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        let mut begins = settings.ini.sections.iter().filter(|section| section.name == "pgbouncer");
        let first = begins.next().map(|section| section.at.line);
        for again in begins {
            let first = first.unwrap_or_default();
            found.at(at, again.at, format!("[pgbouncer] begins again; the keys below line {first} are defaults now"));
        }
    }
}

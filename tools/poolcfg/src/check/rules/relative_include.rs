//! An include that depends on a folder.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "relative-include",
    severity: Severity::Warning,
    why: "PgBouncer looks for it in the folder that it was started in, not beside the file; a reload of a daemon looks elsewhere.",
    mend: "Write the whole path.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        for place in &settings.ini.relative {
            found.at(at, *place, "the included path isn't absolute");
        }
    }
}

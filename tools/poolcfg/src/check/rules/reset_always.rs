//! A reset after every transaction.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "reset-always",
    severity: Severity::Warning,
    why: "It costs a round trip for each transaction, and hides that an application keeps state where it can't.",
    mend: "Set server_reset_query_always = 0.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        if settings.number("server_reset_query_always") != 0 {
            found.at(at, settings.at("server_reset_query_always"), "server_reset_query_always is on");
        }
    }
}

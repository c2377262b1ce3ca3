//! Clients that wait longer than their statement may take.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "query-wait-too-long",
    severity: Severity::Warning,
    why: "The application has given up by then, and its query runs for nobody.",
    mend: "Set query_wait_timeout below the least statement_timeout of the applications.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let Some(least) = world.statement_timeouts().min() else { return };
    for (at, settings) in world.pgbouncers() {
        let wait = settings.seconds("query_wait_timeout");
        if wait > f64::from(least) {
            let message = format!("query_wait_timeout is {wait} s, and a statement may take {least} s");
            found.at(at, settings.at("query_wait_timeout"), message);
        }
    }
}

//! A `query_timeout` below `statement_timeout`.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "query-timeout",
    severity: Severity::Warning,
    why: "query_timeout closes the server connection under the query: it is for networks that fail, and statement_timeout should come first.",
    mend: "Set query_timeout = 0, or above every statement_timeout.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let Some(most) = world.statement_timeouts().max() else { return };
    for (at, settings) in world.pgbouncers() {
        let limit = settings.seconds("query_timeout");
        if limit > 0.0 && limit <= f64::from(most) {
            let message = format!("query_timeout is {limit} s, and a statement may take {most} s");
            found.at(at, settings.at("query_timeout"), message);
        }
    }
}

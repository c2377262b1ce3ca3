//! Clients that give up before a failover ends, or never.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "query-wait",
    severity: Severity::Error,
    why: "Clients should wait through a failover; without any limit they wait for ever when a server doesn't come back.",
    mend: "Set query_wait_timeout above the time of a failover and below the application's own limit.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        let wait = settings.seconds("query_wait_timeout");
        if wait <= 0.0 {
            found.at(at, settings.at("query_wait_timeout"), "query_wait_timeout is off");
        } else if let Some(failover) = world.failover_seconds().filter(|failover| wait < *failover) {
            let message = format!("query_wait_timeout is {wait} s, and a failover may take {failover} s");
            found.at(at, settings.at("query_wait_timeout"), message);
        }
    }
}

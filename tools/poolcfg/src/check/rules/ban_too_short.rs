//! A ban that ends before the server is looked at again.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "ban-too-short",
    severity: Severity::Error,
    why: "PgDog takes a banned server back unseen when ban_timeout is not above idle_healthcheck_interval.",
    mend: "Set ban_timeout above idle_healthcheck_interval.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, pgdog) in world.pgdogs() {
        let ban = pgdog.number("ban_timeout").unwrap_or(300_000);
        let look = pgdog.number("idle_healthcheck_interval").unwrap_or(30_000);
        if ban <= look {
            let message = format!("ban_timeout is {ban} ms, and an idle server is looked at every {look} ms");
            found.line(at, pgdog.line("ban_timeout"), message);
        }
    }
}

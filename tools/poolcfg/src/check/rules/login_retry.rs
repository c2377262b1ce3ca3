//! Logins that are tried again too late.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "login-retry",
    severity: Severity::Error,
    why: "After a failed login PgBouncer waits this long before it tries again: with the default of 15 s a switchover of 4 s is felt for 15.",
    mend: "Set server_login_retry = 1.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let Some(rto) = world.rto_seconds() else { return };
    for (at, settings) in world.pgbouncers() {
        let retry = settings.seconds("server_login_retry");
        if retry >= rto {
            found.at(
                at,
                settings.at("server_login_retry"),
                format!("server_login_retry is {retry} s, of the {rto} s promised"),
            );
        }
    }
}

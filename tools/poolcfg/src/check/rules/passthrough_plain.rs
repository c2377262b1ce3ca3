//! Passwords that are passed on without TLS.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "passthrough-plain",
    severity: Severity::Error,
    why: "With passthrough_auth clients send their passwords in the clear inside the connection.",
    mend: "Set tls_client_required = true, with tls_certificate and tls_private_key.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, pgdog) in world.pgdogs() {
        let passes = pgdog.word("passthrough_auth").is_some_and(|way| way != "disabled");
        if passes && !pgdog.is_on("tls_client_required") {
            found.line(at, pgdog.line("passthrough_auth"), "passthrough_auth is on, and clients needn't use TLS");
        }
    }
}

//! Processes that share a port and don't know each other.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;
use crate::version::Version;

pub(super) const RULE: Rule = Rule {
    name: "reuseport-without-peers",
    severity: Severity::Error,
    why: "A cancel request comes to any of them, and one that didn't make the query ignores it.",
    mend: "Give each a peer_id and name all in [peers] (PgBouncer 1.19 and later).",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        let knows = settings.number("peer_id") > 0 && !settings.peers.is_empty();
        if settings.number("so_reuseport") != 0 && !knows {
            let message = if settings.version < Version::new(1, 19) {
                format!(
                    "so_reuseport is on, and PgBouncer {} knows no peers: cancel requests are lost",
                    settings.version
                )
            } else {
                "so_reuseport is on without peers: cancel requests are lost".to_owned()
            };
            found.at(at, settings.at("so_reuseport"), message);
        }
    }
}

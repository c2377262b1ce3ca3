//! Replicas that may be any time behind.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::{World, bare, is_read_path};

pub(super) const RULE: Rule = Rule {
    name: "replicas-without-lag",
    severity: Severity::Warning,
    why: "Without lag= Patroni answers well for a replica that is hours behind.",
    mend: "Ask for /replica?lag=16MB, or what staleness the applications bear.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, backend) in world.proxies(&["backend", "listen"]) {
        let path = backend.checked_path().filter(|path| is_read_path(path) && !path.contains("lag="));
        // What is synchronous has at least been received.
        if let Some(path) = path.filter(|path| !matches!(bare(path), "/sync" | "/synchronous" | "/quorum")) {
            found.line(
                at,
                backend.section.line,
                format!("{} takes {path} without a limit of lag", backend.section.name),
            );
        }
    }
}

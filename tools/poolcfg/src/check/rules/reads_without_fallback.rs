//! Reads that end with the last replica.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::{World, bare, is_read_path};
use crate::haproxy::proxy::Proxy;

pub(super) const RULE: Rule = Rule {
    name: "reads-without-fallback",
    severity: Severity::Warning,
    why: "With no replica left the port refuses everybody, though the primary could serve them.",
    mend: "Use the primary's backend when there is none (`use_backend … if { nbsrv(…) lt 1 }`), or ask for /read-only.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, front) in world.proxies(&["frontend", "listen"]) {
        let backends = front.leads_to();
        let reads = |path: &str| is_read_path(path) && !bare(path).starts_with("/read-only");
        let only_replicas = |backend: &Proxy<'_>| {
            backend.checked_path().is_some_and(reads) && !backend.servers().iter().any(|server| server.has("backup"))
        };
        if !backends.is_empty() && backends.iter().all(only_replicas) {
            let message = format!("{} leads to replicas alone", front.section.name);
            found.line(at, front.section.line, message);
        }
    }
}

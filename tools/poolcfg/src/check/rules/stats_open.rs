//! Statistics that everybody may read.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::{World, is_loopback};

pub(super) const RULE: Rule = Rule {
    name: "stats-open",
    severity: Severity::Error,
    why: "They name every server, its address and state; with `stats admin` anybody may drain them.",
    mend: "Bind them to a loopback address, deny other sources (`http-request deny unless { src … }`), or ask for a login (`stats auth`).",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, proxy) in world.proxies(&["frontend", "listen"]) {
        let shows = proxy.deciding(&["stats", "enable"]).is_some()
            || proxy.deciding(&["stats", "uri"]).is_some()
            || proxy.own(&["http-request", "use-service"]).next().is_some();
        let open = proxy.binds().into_iter().find(|(host, _)| host.is_empty() || *host == "*" || !is_loopback(host));
        let guards = [
            &["stats", "auth"][..],
            &["http-request", "deny"],
            &["http-request", "auth"],
            &["tcp-request", "connection", "reject"],
        ];
        if let (true, Some((host, port))) = (shows, open)
            && !guards.iter().any(|words| proxy.deciding(words).is_some())
        {
            let host = if host.is_empty() { "*" } else { host };
            found.line(
                at,
                proxy.section.line,
                format!("{} shows statistics at {host}:{port} to everybody", proxy.section.name),
            );
        }
    }
}

//! A balancer that cuts connections which the pooler keeps.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "balancer-cuts-idle",
    severity: Severity::Error,
    why: "The pooler learns of it from the next query, which fails.",
    mend: "Set HAProxy's timeout client and timeout server above PgBouncer's server_idle_timeout.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    // With poolers on the nodes, what comes through the balancers are the applications' connections.
    if world.config.is_some_and(flotilla::config::Config::poolers_are_on_nodes) {
        return;
    }
    let kept = world.pgbouncers().map(|(_, settings)| settings.seconds("server_idle_timeout"));
    let Some(kept) = kept.map(|s| if s <= 0.0 { f64::INFINITY } else { s }).reduce(f64::max) else { return };
    for (at, proxy) in world.proxies(&["frontend", "backend", "listen"]).filter(|(_, proxy)| proxy.mode() == "tcp") {
        let sides: &[&str] = match proxy.section.kind.as_str() {
            "frontend" => &["client"],
            "backend" => &["server"],
            _ => &["client", "server"],
        };
        for side in sides {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of configuration are small")]
            let cut = proxy.timeout(side).map(|millis| millis as f64 / 1000.0);
            if let Some(cut) = cut.filter(|cut| *cut < kept) {
                let kept = if kept.is_finite() { format!("{kept} s") } else { "for ever".to_owned() };
                let message = format!(
                    "timeout {side} of {} is {cut} s, and poolers keep idle connections {kept}",
                    proxy.section.name
                );
                found.line(at, proxy.line_of(&["timeout", side]), message);
            }
        }
    }
}

//! A balancer that lets through less than poolers may open.

use crate::check::capacity::Capacity;
use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "server-limit",
    severity: Severity::Error,
    why: "What is above maxconn waits in the balancer's queue, where no pooler sees it.",
    mend: "Raise the server's maxconn above the sum, or take it away.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let capacity = Capacity::of(world);
    let Some(most) = capacity.sums.iter().map(|sum| sum.after_loss.max(sum.now)).max().filter(|most| *most > 0) else {
        return;
    };
    for (at, backend) in world.proxies(&["backend", "listen"]).filter(|(_, proxy)| proxy.mode() == "tcp") {
        for server in backend.servers() {
            let limit = server.value("maxconn").and_then(|limit| limit.parse::<i64>().ok()).filter(|limit| *limit > 0);
            if let Some(limit) = limit.filter(|limit| *limit < most) {
                let message = format!(
                    "\"{}\" of {} takes {limit}, and poolers may open {most}",
                    server.name, backend.section.name
                );
                found.line(at, server.line, message);
            }
        }
    }
}

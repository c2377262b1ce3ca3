//! More connections than what takes over takes.

use crate::check::capacity::Capacity;
use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "capacity-after-loss",
    severity: Severity::Error,
    why: "When a node is lost, the one that takes over carries all writes and its share of the reads; if that is too much, the failover fails just when it is needed.",
    mend: "Lower the pools of reads or writes until the sum fits one node less; the terms of the sum are listed.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let Some(usable) = world.usable() else { return };
    let capacity = Capacity::of(world);
    for sum in capacity.sums.iter().filter(|sum| sum.now <= usable && sum.after_loss > usable) {
        let Some(term) = capacity.terms.iter().find(|term| term.server == sum.server) else { continue };
        let Some((_, settings)) = world.pgbouncers().find(|(at, _)| *at == term.subject) else { continue };
        found.at(
            term.subject,
            settings.at("default_pool_size"),
            format!(
                "with a node of {} lost, {} connections come to the one that takes over, and {usable} are the poolers'",
                sum.server, sum.after_loss
            ),
        );
    }
}

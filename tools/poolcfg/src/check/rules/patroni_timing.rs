//! Times that Patroni changes by itself.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "patroni-timing",
    severity: Severity::Error,
    why: "It takes ttl from 20 s, loop_wait from 1 s and retry_timeout from 3 s, and loop_wait + 2 × retry_timeout within ttl; what is asked beyond is raised with a line in the log.",
    mend: "Write what it will do: the sum of the times that you rely on is wrong otherwise.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, patroni) in world.patronis() {
        let (ttl, wait, retry) = (patroni.ttl(), patroni.loop_wait(), patroni.retry_timeout());
        for (name, value, least) in [("ttl", ttl, 20), ("loop_wait", wait, 1), ("retry_timeout", retry, 3)] {
            if value < least {
                found.line(at, 1, format!("{name} is {value}, and {least} is the least"));
            }
        }
        if wait + 2 * retry > ttl {
            found.line(at, 1, format!("loop_wait {wait} + 2 × retry_timeout {retry} is more than ttl {ttl}"));
        }
    }
}

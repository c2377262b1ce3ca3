//! Limits that add up to more than was promised.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "rto",
    severity: Severity::Error,
    why: "A dead host is noticed when its lease ends, then balancers must see it, then poolers must log in again.",
    mend: "Lower Patroni's ttl, HAProxy's inter, fall and rise, or PgBouncer's server_login_retry; or promise less.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let Some(rto) = world.rto_seconds() else { return };
    let Some((_, patroni)) = world.patronis().max_by_key(|(_, patroni)| patroni.ttl()) else { return };
    let detection = world.detection_seconds();
    for (at, settings) in world.pgbouncers() {
        let retry = settings.seconds("server_login_retry");
        let ttl = patroni.ttl();
        #[expect(clippy::cast_precision_loss, reason = "seconds of configuration are small")]
        let sum = ttl as f64 + detection + retry;
        if sum > rto {
            let message =
                format!("ttl {ttl} s + checks {detection} s + login {retry} s are {sum} s, of the {rto} s promised");
            found.at(at, settings.at("server_login_retry"), message);
        }
    }
}

//! Connections that outlive what a name means.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::{World, is_name};

pub(super) const RULE: Rule = Rule {
    name: "lifetime-above-rotation",
    severity: Severity::Warning,
    why: "A connection stays where its name led to when it was made: an address that has moved, or a password that has changed, is noticed after server_lifetime only.",
    mend: "Set server_lifetime to 600 to 1800 where hosts are names.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        let life = settings.seconds("server_lifetime");
        let named = settings.databases.iter().flat_map(|database| database.hosts()).find(|host| is_name(host));
        if let Some(host) = named.filter(|_| life > 1800.0) {
            let message =
                format!("server_lifetime is {life} s, and \"{host}\" is a name that may come to mean another address");
            found.at(at, settings.at("server_lifetime"), message);
        }
    }
}

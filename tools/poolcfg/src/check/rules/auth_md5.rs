//! Passwords hashed by MD5.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "auth-md5",
    severity: Severity::Warning,
    why: "An MD5 hash is as good as the password to whoever gets hold of it.",
    mend: "Set auth_type = scram-sha-256, with SCRAM verifiers in auth_file.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        if settings.get("auth_type").is_some_and(|way| way.eq_ignore_ascii_case("md5")) {
            found.at(at, settings.at("auth_type"), "auth_type is md5");
        }
    }
}

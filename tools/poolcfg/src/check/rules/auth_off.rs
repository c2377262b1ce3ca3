//! Clients that needn't prove who they are, or prove it in the clear.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "auth-off",
    severity: Severity::Error,
    why: "With any and trust everybody is whom they say, also an administrator; with plain passwords lie in the clear in the file.",
    mend: "Set auth_type = scram-sha-256 (or hba, cert).",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        let way = settings.get("auth_type").unwrap_or_default().to_ascii_lowercase();
        if matches!(way.as_str(), "any" | "trust" | "plain") {
            found.at(at, settings.at("auth_type"), format!("auth_type is {way}"));
        }
    }
}

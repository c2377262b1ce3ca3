//! Servers on other machines that aren't verified.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::{World, is_loopback};

pub(super) const RULE: Rule = Rule {
    name: "server-tls-unverified",
    severity: Severity::Error,
    why: "Whoever answers at that address gets the clients' queries, and may answer them.",
    mend: "Set server_tls_sslmode = verify-full and server_tls_ca_file.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        let mode = settings.get("server_tls_sslmode").unwrap_or_default().to_ascii_lowercase();
        let far = settings.databases.iter().flat_map(|database| database.hosts()).find(|host| !is_loopback(host));
        if let Some(host) = far.filter(|_| mode != "verify-full") {
            let message = format!("it connects to {host}, and server_tls_sslmode is {mode}");
            found.at(at, settings.at("server_tls_sslmode"), message);
        }
    }
}

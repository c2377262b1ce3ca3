//! Clients from other machines without TLS.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::{World, is_loopback};

pub(super) const RULE: Rule = Rule {
    name: "client-tls-off",
    severity: Severity::Error,
    why: "Passwords' proofs and rows travel in the clear.",
    mend: "Set client_tls_sslmode = require, with client_tls_cert_file and client_tls_key_file.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        let open = settings.list("listen_addr").into_iter().find(|host| !is_loopback(host));
        let mode = settings.get("client_tls_sslmode").unwrap_or_default().to_ascii_lowercase();
        if let Some(host) = open.filter(|_| matches!(mode.as_str(), "disable" | "allow" | "prefer")) {
            let message = format!("it listens on {host}, and client_tls_sslmode is {mode}");
            found.at(at, settings.at("client_tls_sslmode"), message);
        }
    }
}

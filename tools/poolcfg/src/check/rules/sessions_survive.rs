//! Connections that stay with a node which has lost its role.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::{World, is_write_path};
use crate::haproxy::proxy::Server;

pub(super) const RULE: Rule = Rule {
    name: "sessions-survive",
    severity: Severity::Error,
    why: "HAProxy leaves them open when the check fails: writes go on to a demoted primary, and reach it or fail.",
    mend: "Add `on-marked-down shutdown-sessions` to the servers or to default-server.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, backend) in world.proxies(&["backend", "listen"]) {
        if !backend.checked_path().is_some_and(is_write_path) {
            continue;
        }
        let stays =
            |server: &Server<'_>| server.has("check") && server.value("on-marked-down") != Some("shutdown-sessions");
        if let Some(server) = backend.servers().iter().find(|server| stays(server)) {
            let message = format!("sessions on \"{}\" of {} outlive its role", server.name, backend.section.name);
            found.line(at, server.line, message);
        }
    }
}

//! Two poolers at one port.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;
use crate::pgbouncer::settings::Settings;

pub(super) const RULE: Rule = Rule {
    name: "port-shared",
    severity: Severity::Error,
    why: "The second one doesn't start; with so_reuseport on one of them only, neither does.",
    mend: "Give each a port, or set so_reuseport = 1 in both, with peers.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    let place = |settings: &Settings| {
        let port = settings.number("listen_port");
        settings.list("listen_addr").into_iter().map(|host| (host.to_owned(), port)).collect::<Vec<_>>()
    };
    let all: Vec<(usize, &Settings)> = world.pgbouncers().collect();
    for (number, (at, settings)) in all.iter().enumerate() {
        for (_, other) in &all[..number] {
            let shared = place(settings).into_iter().find(|own| place(other).contains(own));
            let both = settings.number("so_reuseport") != 0 && other.number("so_reuseport") != 0;
            if let Some((host, port)) = shared.filter(|_| !both) {
                found.at(
                    *at,
                    settings.at("listen_port"),
                    format!("another of these poolers listens at {host}:{port} too"),
                );
            }
        }
    }
}

//! A socket for operators that everybody may open.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::{World, is_loopback};

pub(super) const RULE: Rule = Rule {
    name: "stats-socket-open",
    severity: Severity::Error,
    why: "Who may write it may drain servers, change addresses, and read what passes.",
    mend: "Give it `mode 660` or less, and a group.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, cfg) in world.haproxies() {
        for line in cfg.of("global").flat_map(|section| &section.lines).filter(|line| line.is(&["stats", "socket"])) {
            let place = line.words.get(2).map_or("", String::as_str);
            let mode = line.after("mode").and_then(|mode| u32::from_str_radix(mode, 8).ok());
            let network = place.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
            if mode.is_some_and(|mode| mode & 0o002 != 0) {
                found.line(at, line.number, format!("everybody may write to {place}"));
            } else if let Some((host, _)) =
                network.filter(|(host, _)| !place.starts_with('/') && !is_loopback(host.trim_start_matches("ipv4@")))
            {
                found.line(at, line.number, format!("the socket for operators listens on {host}"));
            }
        }
    }
}

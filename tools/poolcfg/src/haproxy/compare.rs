//! What a balancer runs with against what a file says.

use std::collections::BTreeMap;

use super::cfg::Cfg;
use super::proxy::Proxy;
use super::socket::Stat;

/// Everything that a file makes, by kind and name, with a server's address.
pub(crate) fn made_by(cfg: &Cfg) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for proxy in Proxy::all(cfg, &["frontend", "backend", "listen"]) {
        let (kind, name) = (proxy.section.kind.as_str(), &proxy.section.name);
        if kind != "backend" {
            found.insert(format!("frontend {name}"), "there".to_owned());
        }
        if kind != "frontend" {
            found.insert(format!("backend {name}"), "there".to_owned());
            for server in proxy.servers() {
                let port = server.port.map(|port| format!(":{port}")).unwrap_or_default();
                let host = server.host.trim_start_matches('[').trim_end_matches(']');
                found.insert(format!("backend {name} server {}", server.name), format!("{host}{port}"));
            }
        }
    }
    found
}

/// The same of what runs: `show stat` has the names, `show servers state` the addresses.
pub(crate) fn running(rows: &[Stat], addresses: &[Stat]) -> BTreeMap<String, String> {
    let text = |row: &Stat, column: &str| row.get(column).cloned().unwrap_or_default();
    let mut found = BTreeMap::new();
    for row in rows {
        let (proxy, server) = (text(row, "pxname"), text(row, "svname"));
        match (text(row, "type").as_str(), server.as_str()) {
            ("0", _) | ("", "FRONTEND") => drop(found.insert(format!("frontend {proxy}"), "there".to_owned())),
            ("1", _) | ("", "BACKEND") => drop(found.insert(format!("backend {proxy}"), "there".to_owned())),
            ("2", _) => drop(found.insert(format!("backend {proxy} server {server}"), String::new())),
            _ => {}
        }
    }
    for row in addresses {
        let key = format!("backend {} server {}", text(row, "be_name"), text(row, "srv_name"));
        if let Some(place) = found.get_mut(&key) {
            let (host, name, port) = (text(row, "srv_addr"), text(row, "srv_fqdn"), text(row, "srv_port"));
            let host = if name.is_empty() || name == "-" { host } else { name };
            *place = if port == "0" { host } else { format!("{host}:{port}") };
        }
    }
    found
}

/// The lines of a file by what they are about, so that two files can be laid side by side.
pub(crate) fn lines(cfg: &Cfg) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for section in &cfg.sections {
        let place = [section.kind.as_str(), section.name.as_str()].join(" ");
        let place = place.trim_end();
        found.insert(place.to_owned(), "there".to_owned());
        for line in &section.lines {
            let words = &line.words;
            let named = match words[0].as_str() {
                "server" | "timeout" | "option" | "no" | "stats" | "http-check" | "tcp-check" | "http-request" => 2,
                _ => 1,
            };
            let head = words.iter().take(named).cloned().collect::<Vec<_>>().join(" ");
            let rest = words.iter().skip(named).cloned().collect::<Vec<_>>().join(" ");
            // Lines that say the same of one thing are told apart by their order.
            let mut key = format!("{place} {head}");
            let mut nth = 1;
            while found.contains_key(&key) {
                nth += 1;
                key = format!("{place} {head} ({nth})");
            }
            found.insert(key, if rest.is_empty() { "there".to_owned() } else { rest });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_makes_is_what_runs() {
        let cfg = Cfg::parse("frontend f\n bind :1\nbackend b\n server a 127.0.0.1:5432 check\n");
        let row = |pairs: &[(&str, &str)]| -> Stat {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let rows = [
            row(&[("pxname", "f"), ("svname", "FRONTEND"), ("type", "0")]),
            row(&[("pxname", "b"), ("svname", "a"), ("type", "2")]),
            row(&[("pxname", "b"), ("svname", "BACKEND"), ("type", "1")]),
        ];
        let states = [row(&[
            ("be_name", "b"),
            ("srv_name", "a"),
            ("srv_addr", "127.0.0.1"),
            ("srv_fqdn", "-"),
            ("srv_port", "5432"),
        ])];
        assert_eq!(running(&rows, &states), made_by(&cfg));
    }
}

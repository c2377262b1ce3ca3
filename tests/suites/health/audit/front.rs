//! A pooler and a balancer, made weak one way after another.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use flotilla_tests::{Outcome, Pooling, until};

use super::{audit, found, mode, set};

fn pooler(pooling: &Pooling) -> Outcome {
    audit(&pooling.fleet, ["--component", "pgbouncer"]).run()
}

fn expected(rules: &[&str]) -> BTreeSet<String> {
    rules.iter().map(|rule| format!("{rule} pool-a")).collect()
}

/// What of the rendered file is replaced by what, and who finds it.
const WEAKNESSES: &[(&str, &str, &[&str])] = &[
    (
        "client_tls_sslmode = require",
        "client_tls_sslmode = allow",
        &["pgbouncer-client-tls", "pgbouncer-plaintext-login"],
    ),
    ("server_tls_sslmode = verify-full", "server_tls_sslmode = require", &["pgbouncer-server-tls"]),
    ("auth_type = scram-sha-256", "auth_type = md5", &["pgbouncer-auth-type"]),
    (
        "auth_type = scram-sha-256",
        "auth_type = trust",
        &["pgbouncer-auth-type", "pgbouncer-open-login", "pgbouncer-wrong-password"],
    ),
    ("admin_users = pool_admin", "admin_users = pool_admin, app", &["pgbouncer-admin-shared"]),
];

#[test]
fn each_weakness_of_a_pooler_is_found_by_its_rules() {
    let pooling = Pooling::start("");
    let good = pooling.rendered();
    let file = pooling.pooler_file();
    let verifiers = pooling.fleet.path().join("secrets/userlist.txt");
    mode(&verifiers, 0o640);
    let pooling = pooling.pooler(&good);
    let outcome = pooler(&pooling).ok();
    assert_eq!(found(&outcome), BTreeSet::new(), "{}", outcome.transcript());
    for (from, to, rules) in WEAKNESSES {
        assert!(good.contains(from), "{from}: {good}");
        reload(&pooling, &file, &good.replacen(from, to, 1), to);
        assert_eq!(found(&pooler(&pooling).code_is(1)), expected(rules), "{to}");
        reload(&pooling, &file, &good, from);
    }
    mode(&verifiers, 0o644);
    assert_eq!(found(&pooler(&pooling).code_is(1)), expected(&["pgbouncer-auth-file"]));
    mode(&verifiers, 0o640);
    assert_eq!(found(&pooler(&pooling).ok()), BTreeSet::new());
    // Last, for a user that the file doesn't name any more stays until a restart.
    let asking = good.replacen("auth_type = scram-sha-256", "auth_type = scram-sha-256\nauth_user = monitor", 1);
    reload(&pooling, &file, &asking, "auth_user = monitor");
    assert_eq!(found(&pooler(&pooling).code_is(1)), expected(&["pgbouncer-auth-query"]));
}

/// Puts a file in force; the last line of `what` says a key and the value that it has then.
fn reload(pooling: &Pooling, file: &Path, text: &str, what: &str) {
    pooling.write(file, text);
    pooling.ask("RELOAD").unwrap();
    let (key, value) = what.lines().last().unwrap().split_once(" = ").unwrap();
    until("the setting is taken", || (pooling.running(key) == value).then_some(()));
}

#[test]
fn each_weakness_of_a_balancer_is_found_by_its_rule() {
    let (mut pooling, text) = crate::pool::balancer::balancer();
    let (socket, file) = (pooling.fleet.path().join("conf/stats.sock"), pooling.balancer_file());
    mode(&file, 0o644);
    let balancer = |pooling: &Pooling| audit(&pooling.fleet, ["--component", "haproxy"]).run();
    assert_eq!(found(&balancer(&pooling).ok()), BTreeSet::new());
    mode(&socket, 0o666);
    assert_eq!(found(&balancer(&pooling).code_is(1)), set(&["haproxy-socket-open lb-a"]));
    mode(&socket, 0o600);
    mode(&file, 0o666);
    assert_eq!(found(&balancer(&pooling).code_is(1)), set(&["haproxy-file-writable lb-a"]));
    mode(&file, 0o644);

    // A page of statistics that takes orders, on a port that is free since the balancer has given it up.
    let topology = fs::read_to_string(pooling.fleet.path().join("flotilla.toml")).unwrap();
    let port = pooling.balancer_port();
    let with_page = topology.replace("name = \"lb-a\"\n", &format!("name = \"lb-a\"\nstats_port = {port}\n"));
    pooling.fleet.topology(with_page);
    for (orders, rules) in [("", &[][..]), ("    stats admin if TRUE\n", &["haproxy-stats-orders lb-a"])] {
        // Orders are about servers: the page has one, as the other balancer had.
        let server = text.lines().last().unwrap();
        let page = format!(
            "listen page\n    mode http\n    bind 127.0.0.1:{port}\n    stats enable\n    stats uri /\n{orders}{server}\n"
        );
        let head = text.split("frontend ").next().unwrap();
        let new = pooling.fleet.file("page.cfg", format!("{head}{page}")).display().to_string();
        pooling.fleet.tool("poolcfg", ["apply", "-t", "lb-a", "--file", &new]).run().ok();
        mode(&file, 0o644);
        assert_eq!(found(&balancer(&pooling)), set(rules), "{page}");
    }
}

//! Redis, etcd and Patroni, made weak one way after another.

use std::collections::BTreeSet;
use std::net::TcpListener;

use flotilla_native::account::Account;
use flotilla_native::guard::Program;
use flotilla_native::places;
use flotilla_tests::tls::Identity;
use flotilla_tests::{Fleet, until};

use super::{audit, found, of, set};

/// Words that occur nowhere else, so that a leaked one is found.
const APP: &str = "planted-Zx81-redis-app";
const OPERATOR: &str = "planted-Zx81-redis-operator";

/// A fleet for its certificates alone: no tool asks its server anything.
fn certified() -> Fleet {
    Fleet::new().shards(1).tls(Identity::valid()).start()
}

/// Where a file of the fleet's certificates is.
fn tls_at(fleet: &Fleet, file: &str) -> String {
    fleet.path().join("tls").join(file).display().to_string()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port()
}

/// Starts a Redis and says where; with TLS or without.
fn redis(fleet: &Fleet, name: &str, port: u16, tls: bool) {
    let users = fleet.file(
        format!("{name}.acl"),
        format!(
            "user default off\nuser operator on >{OPERATOR} ~* &* +@all\n\
             user app on >{APP} ~* &* +@all -@admin -@dangerous +info +client|setname\n"
        ),
    );
    let listen = if tls { format!("port 0\ntls-port {port}") } else { format!("port {port}") };
    let text = format!(
        "bind 127.0.0.1\n{listen}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\n\
         aclfile {}\ndaemonize no\nsave \"\"\ndir {}\n",
        tls_at(fleet, "server.crt"),
        tls_at(fleet, "server.key"),
        tls_at(fleet, "ca.crt"),
        users.display(),
        fleet.path().display(),
    );
    let file = fleet.file(format!("{name}.conf"), text);
    let program = Program::new("/usr/bin/redis-server").arg(file.display().to_string()).folder(fleet.path());
    fleet.spawn(&program.log(&fleet.path().join(format!("{name}.log"))));
    until("Redis listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(drop));
}

/// An order of the operator's.
fn order(fleet: &Fleet, port: u16, order: &str) {
    let authority = fleet.path().join("tls/ca.crt");
    let line = format!(
        "exec redis-cli -h localhost -p {port} --tls --cacert {} --user operator --no-auth-warning {order}",
        authority.display()
    );
    let outcome = fleet.script(&line).env("REDISCLI_AUTH", OPERATOR).run().ok();
    assert!(outcome.stdout.starts_with("OK"), "{}", outcome.transcript());
}

#[test]
fn each_weakness_of_redis_is_found_by_its_rule() {
    let mut fleet = certified();
    let (port, plain) = (free_port(), free_port());
    redis(&fleet, "cache", port, true);
    fleet.file("redis-app", APP);
    let entry = |name: &str, port: u16| {
        format!(
            "[[redis]]\nname = \"{name}\"\nrole = \"cache\"\nhost = \"localhost\"\nhostaddr = \"127.0.0.1\"\nport = {port}\n"
        )
    };
    let text = fleet.topology.to_string().replace("[secrets]\n", "[secrets]\nredis = \"redis-app\"\n");
    let text = format!("{text}\n[users]\nredis = \"app\"\n{}", entry("cache", port));
    fleet.topology(&text);
    // On a busy machine a handshake takes its time; an eighth of this is for one question.
    let look = |fleet: &Fleet| audit(fleet, ["--component", "redis", "--timeout", "60s"]).run();
    let outcome = look(&fleet).ok();
    assert_eq!(found(&outcome), BTreeSet::new(), "{}", outcome.transcript());
    for (on, off, rule) in [
        ("ACL SETUSER default on nopass +ping", "ACL SETUSER default off resetpass -@all", "redis-open"),
        ("ACL SETUSER app nopass", &*format!("ACL SETUSER app resetpass '>{APP}'"), "redis-wrong-password"),
        ("ACL SETUSER app +config", "ACL SETUSER app -config", "redis-orders"),
    ] {
        order(&fleet, port, on);
        assert_eq!(found(&look(&fleet).code_is(1)), set(&[&format!("{rule} cache")]), "{on}");
        order(&fleet, port, off);
    }
    assert_eq!(found(&look(&fleet).ok()), BTreeSet::new(), "it is safe again");
    // One that speaks no TLS can't be asked as the tools do; that is found by how it can.
    redis(&fleet, "plain", plain, false);
    fleet.topology(format!("{text}{}", entry("plain", plain)));
    let outcome = look(&fleet).code_is(1);
    assert_eq!(of(&outcome, "redis-plaintext", "plain")["state"], "fail");
    assert_eq!(of(&outcome, "redis-open", "plain")["state"], "unknown");
}

/// Starts an etcd that asks for certificates, or doesn't.
fn etcd(fleet: &Fleet, name: &str, asks: bool) -> String {
    let (clients, peers) = (free_port(), free_port());
    let url = format!("https://localhost:{clients}");
    let peer = format!("http://localhost:{peers}");
    let program = Program::new("/usr/bin/etcd")
        .args(["--name", name, "--data-dir", &fleet.path().join(name).display().to_string()])
        .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
        .args(["--listen-peer-urls", &peer.replace("localhost", "127.0.0.1"), "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("{name}={peer}"), "--cert-file", &tls_at(fleet, "server.crt")])
        .args(["--key-file", &tls_at(fleet, "server.key"), "--enable-grpc-gateway=true"])
        .folder(fleet.path());
    // An authority alone already makes it ask.
    let program = if asks {
        program.args(["--client-cert-auth", "--trusted-ca-file", &tls_at(fleet, "ca.crt")])
    } else {
        program
    };
    fleet.spawn(&program.log(&fleet.path().join(format!("{name}.log"))));
    let health = curl(fleet, &format!("{url}/health"));
    until("etcd is well", || fleet.script(&health).run().stdout.contains("true").then_some(()));
    url
}

#[test]
fn an_etcd_that_answers_strangers_is_found() {
    let mut fleet = certified();
    let entry = |name: &str, url: &str| format!("[[etcd]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    let (strict, open) = (etcd(&fleet, "strict", true), etcd(&fleet, "open", false));
    let text = fleet.topology.to_string();
    fleet.topology(format!(
        "{text}\n[health]\nsslcert = \"tls/server.crt\"\nsslkey = \"tls/server.key\"\n{}{}",
        entry("strict", &strict),
        entry("open", &open)
    ));
    let outcome = audit(&fleet, ["--component", "etcd"]).run().code_is(1);
    let peers = ["etcd-plaintext-peer strict", "etcd-plaintext-peer open"];
    assert_eq!(found(&outcome), set(&[&peers[..], &["etcd-open open"]].concat()), "{}", outcome.transcript());
    assert_eq!(of(&outcome, "etcd-open", "strict")["state"], "pass");
}

/// A request with the fleet's certificate.
fn curl(fleet: &Fleet, request: &str) -> String {
    let (authority, certificate, key) =
        (tls_at(fleet, "ca.crt"), tls_at(fleet, "server.crt"), tls_at(fleet, "server.key"));
    format!("exec curl -sS --noproxy '*' --cacert {authority} --cert {certificate} --key {key} {request}")
}

/// Starts a Patroni that waits for another to make the first server, so that it makes none; what it answers to whom
/// is the same. Its place in the topology.
fn patroni(fleet: &Fleet, etcd: &str, scope: &str, shared: &str, tls: bool) -> String {
    for (key, value) in [("initialize", "7000000000000000001"), ("config", shared)] {
        let line = format!("exec etcdctl --cacert {} put /service/{scope}/{key} -- '{value}'", tls_at(fleet, "ca.crt"));
        fleet.script(&line).env("ETCDCTL_ENDPOINTS", etcd).run().ok();
    }
    let data = fleet.path().join(format!("patroni-{scope}"));
    Account::server().unwrap().private_folder(&data).unwrap();
    let (port, unused) = (free_port(), free_port());
    let strict = format!(
        "  certfile: {}\n  keyfile: {}\n  cafile: {}\n  verify_client: optional\n",
        tls_at(fleet, "server.crt"),
        tls_at(fleet, "server.key"),
        tls_at(fleet, "ca.crt")
    );
    let file = fleet.file(
        format!("{scope}.yml"),
        format!(
            "scope: {scope}\nname: s0-a\nrestapi:\n  listen: localhost:{port}\n  connect_address: localhost:{port}\n{}\
             etcd3:\n  host: {}\n  protocol: https\n  cacert: {}\n\
             postgresql:\n  listen: localhost:{unused}\n  connect_address: localhost:{unused}\n  data_dir: {}\n\
             \x20 authentication:\n    superuser: {{username: postgres}}\n    replication: {{username: replicator}}\n",
            if tls { &strict } else { "" },
            etcd.trim_start_matches("https://"),
            tls_at(fleet, "ca.crt"),
            data.join("data").display(),
        ),
    );
    Account::server().unwrap().own(&file).unwrap();
    let program = places::cache().unwrap().join("venv/bin/patroni");
    let program = Program::new(&program).arg(file.display().to_string()).folder(fleet.path());
    fleet.spawn(&program.log(&fleet.path().join(format!("{scope}.log"))));
    let url = format!("{}://localhost:{port}", if tls { "https" } else { "http" });
    let alive = curl(fleet, &format!("{url}/patroni"));
    until("Patroni answers", || fleet.script(&alive).run().stdout.contains(scope).then_some(()));
    url
}

#[test]
fn a_patroni_that_takes_orders_from_strangers_and_shows_them_secrets_is_found() {
    let mut fleet = certified();
    let etcd = etcd(&fleet, "store", false);
    let text = fleet.topology.to_string();
    let text = format!("{text}\n[health]\nsslcert = \"tls/server.crt\"\nsslkey = \"tls/server.key\"\n");
    let look = |fleet: &mut Fleet, url: &str| {
        let node = format!("  name = \"s0-a\"\n  patroni = \"{url}\"\n");
        fleet.topology(text.replacen("  name = \"s0-a\"\n", &node, 1));
        audit(fleet, ["--component", "patroni"]).run()
    };
    let safe = patroni(&fleet, &etcd, "safe", "{\"ttl\": 30}", true);
    let outcome = look(&mut fleet, &safe).ok();
    assert_eq!(found(&outcome), BTreeSet::new(), "{}", outcome.transcript());
    let secret = "{\"postgresql\": {\"parameters\": {\"primary_conninfo\": \"password=planted-Zx81-shown\"}}}";
    let open = patroni(&fleet, &etcd, "open", secret, false);
    let outcome = look(&mut fleet, &open).code_is(1);
    let rules = ["open", "plaintext", "shown-secret"].map(|rule| format!("patroni-{rule} s0-a"));
    assert_eq!(found(&outcome), rules.into_iter().collect(), "{}", outcome.transcript());
    assert!(!outcome.transcript().contains("planted-Zx81-shown"));
}

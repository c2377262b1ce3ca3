//! `poolcfg apply`, `diff` and `stats` on a balancer.

use std::fmt::Write as _;
use std::fs;

use flotilla_tests::{Outcome, Pooling};

/// A file with these ports, each leading to the shard's only server.
fn text(pooling: &Pooling, ports: &[u16]) -> String {
    let place = pooling.fleet.path().join("conf");
    let mut text = format!(
        "global\n    log stdout format raw local0 notice\n    stats socket \"{}/stats.sock\" mode 600 level admin expose-fd listeners\n    \
         maxconn 1000\ndefaults\n    mode tcp\n    timeout connect 3s\n    timeout client 30m\n    timeout server 30m\n",
        place.display()
    );
    for (number, port) in ports.iter().enumerate() {
        let _ = write!(
            text,
            "frontend f{number}\n    bind 127.0.0.1:{port}\n    default_backend b{number}\nbackend b{number}\n    \
             server s0-a 127.0.0.1:{} check\n",
            pooling.fleet.primary(0).port()
        );
    }
    text
}

fn apply(pooling: &Pooling, text: &str) -> Outcome {
    let file = pooling.fleet.file("new.cfg", text).display().to_string();
    pooling.fleet.tool("poolcfg", ["apply", "-t", "lb-a", "--file", &file]).run()
}

/// A balancer that runs, and its file.
pub(crate) fn balancer() -> (Pooling, String) {
    let pooling = Pooling::start("");
    let first = text(&pooling, &[pooling.balancer_port()]);
    (pooling.balancer(&first), first)
}

#[test]
fn a_new_file_is_taken_by_new_workers_and_sessions_stay() {
    let (pooling, first) = balancer();
    let authority = pooling.fleet.path().join("tls/ca.crt");
    let line = format!(
        "exec {} -XAtq -c 'SELECT 1' -c 'SELECT pg_sleep(4)' -c 'SELECT 2'",
        flotilla_native::postgres::program("psql").display()
    );
    let session =
        pooling.fleet.script(&line).env("PGHOST", "localhost").env("PGPORT", pooling.balancer_port().to_string());
    let session = session.env("PGUSER", "app").env("PGDATABASE", "app").env("PGSSLMODE", "verify-full");
    let session = session.env("PGSSLROOTCERT", authority.display().to_string()).start();
    flotilla_tests::until("the session works", || session.stdout_so_far().contains('1').then_some(()));
    let second = first.replace("timeout client 30m", "timeout client 40m");
    let line = apply(&pooling, &second).ok().line("lb-a");
    assert_eq!(line["changed_keys"], serde_json::json!(["defaults timeout client"]), "{line}");
    assert_eq!(apply(&pooling, &second).ok().line("lb-a")["changed"], false);
    assert_eq!(fs::read_to_string(pooling.balancer_file()).unwrap(), second);
    let done = session.finish().ok();
    assert!(done.stdout.trim_end().ends_with('2'), "{}", done.transcript());

    let stats = pooling.fleet.tool("poolcfg", ["stats", "-t", "lb-a"]).run().ok();
    let line = stats.line("lb-a");
    assert_eq!((line["backend"].as_str(), line["server"].as_str()), (Some("b0"), Some("s0-a")), "{line}");
}

#[test]
fn a_file_that_haproxy_refuses_never_takes_effect() {
    let (pooling, first) = balancer();
    for (bad, says) in [
        (first.replace("mode tcp", "mode tpc"), "HAProxy doesn't take the new file; nothing was touched"),
        (first.replace("bind ", "bnid "), "HAProxy doesn't take the new file; nothing was touched"),
        (first.replace("frontend f0", "frontend \"f0"), "errors; nothing was touched"),
    ] {
        let line = apply(&pooling, &bad).code_is(3).line("lb-a");
        assert!(line["error"]["message"].as_str().unwrap().contains(says), "{line}");
        assert_eq!(fs::read_to_string(pooling.balancer_file()).unwrap(), first);
    }
}

/// `haproxy -c` binds nothing, so it can't see that somebody else has the port.
#[test]
fn a_file_whose_port_is_taken_is_taken_back() {
    let (pooling, first) = balancer();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bad = text(&pooling, &[pooling.balancer_port(), taken.local_addr().unwrap().port()]);
    let line = apply(&pooling, &bad).code_is(1).line("lb-a");
    assert_eq!((line["restored"].as_bool(), line["error"]["code"].as_str()), (Some(true), Some("mismatch")), "{line}");
    assert_eq!(fs::read_to_string(pooling.balancer_file()).unwrap(), first);
    let stats = pooling.fleet.tool("poolcfg", ["stats", "-t", "lb-a"]).run().ok();
    assert_eq!(stats.lines().len(), 1, "{}", stats.transcript());
    assert_eq!(apply(&pooling, &first).ok().line("lb-a")["changed"], false);
}

#[test]
fn wherever_apply_is_killed_the_next_run_completes_it() {
    let (pooling, first) = balancer();
    for (number, place) in ["apply-saved", "apply-written", "apply-reloaded", "apply-verified"].iter().enumerate() {
        let text = first.replace("maxconn 1000", &format!("maxconn {}", 2000 + number));
        let file = pooling.fleet.file("new.cfg", &text).display().to_string();
        let args = ["apply", "-t", "lb-a", "--file", &file];
        let killed = pooling.fleet.tool("poolcfg", args).env("FLOTILLA_FAILPOINT", place).run();
        assert_eq!(killed.signal(), Some(9), "{}", killed.transcript());
        let line = pooling.fleet.tool("poolcfg", args).run().ok().line("lb-a");
        assert_eq!(line["resumed"], true, "{place}: {line}");
        assert_eq!(fs::read_to_string(pooling.balancer_file()).unwrap(), text);
        assert_eq!(pooling.fleet.tool("poolcfg", args).run().ok().line("lb-a")["changed"], false, "{place}");
    }
}

//! Servers that are not there, not the right ones, or not to be trusted.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use flotilla_native::postgres::Shutdown;
use flotilla_tests::tls::Identity;
use flotilla_tests::{Fleet, until};

/// A folder without a socket, a socket that nobody listens on, a port that nobody listens on: the
/// shard's own error, the others' rows.
#[test]
fn an_unreachable_shard_is_its_own_error() {
    let fleet = Fleet::new().shards(1).init().start();
    let dead = fleet.path().join("dead");
    fs::create_dir(&dead).unwrap();
    drop(UnixListener::bind(dead.join(".s.PGSQL.5432")).unwrap());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let places = [(fleet.path().join("nowhere"), 5432), (dead, 5432), ("127.0.0.1".into(), free)];
    for (host, port) in places {
        let topology = fleet.topology.clone().shard("s1", &host, port);
        fleet.file("half.toml", topology.to_string());
        let outcome = fleet.shardctl(["sql", "--all", "SELECT 1 AS one", "--config", "half.toml"]).run().code_is(1);
        let line = outcome.line("s1");
        assert_eq!((&line["status"], &line["error"]["code"]), (&"error".into(), &"unreachable".into()), "{line}");
        assert!(line["error"]["retryable"] == true && line["error"]["hint"].is_string(), "{line}");
        assert_eq!(outcome.line("s0")["row"]["one"], 1, "{}", outcome.transcript());
        // All of them: try later.
        let outcome = fleet.shardctl(["sql", "-t", "s1", "SELECT 1", "--config", "half.toml"]).run().code_is(75);
        assert_eq!(outcome.lines().len(), 1, "{}", outcome.transcript());
    }
}

/// A role that was right when the line was written.
#[test]
fn a_piped_primary_that_is_a_replica_by_now_is_refused() {
    let mut fleet = Fleet::new().shards(1).replicas(1).init().start();
    let before = fleet.state();
    let piped = fleet.shardctl(["targets", "--role", "primary"]).run().ok();
    assert_eq!(piped.line("s0-a")["role"], "primary");

    // A switchover: a becomes a standby, b the primary.
    let nodes = &mut fleet.shards[0].nodes;
    nodes[0].server.stop(Shutdown::Fast).unwrap();
    nodes[1].server.promote().unwrap();
    let signal = nodes[0].server.data().join("standby.signal");
    fs::write(&signal, "").unwrap();
    flotilla_native::account::Account::server().unwrap().own(&signal).unwrap();
    nodes[0].server.launch().unwrap();
    assert_eq!(nodes[0].server.sql("SELECT pg_is_in_recovery()").unwrap(), "t");

    let outcome = fleet.shardctl(["init"]).stdin(&*piped.stdout).run().code_is(1);
    let line = outcome.line("s0-a");
    assert_eq!((&line["status"], &line["error"]["code"]), (&"error".into(), &"wrong_role".into()), "{line}");
    assert!(line["error"]["hint"].is_string() && line["changed"] == false, "{line}");
    assert_eq!(fleet.state(), before);
    // A write that is meant for the node goes nowhere else either.
    let moved =
        fleet.shardctl(["sql", "--as", "admin", "CREATE TABLE stray ()"]).stdin(&*piped.stdout).run().code_is(1);
    assert_eq!(moved.line("s0-a")["status"], "error", "{}", moved.transcript());
    assert_eq!(fleet.replica(0, 0).sql_in("app", "SELECT to_regclass('stray') IS NULL").unwrap(), "t");

    // By the shard's name the new primary is found.
    fleet.shardctl(["init", "-t", "s0"]).run().ok();
    let now = fleet.shardctl(["targets", "--role", "primary"]).run().ok();
    assert_eq!(now.lines().len(), 1, "{}", now.transcript());
    now.line("s0-b");
}

#[test]
fn a_wrong_or_missing_password_is_an_error_of_the_target() {
    let fleet = Fleet::new().shards(1).init().start();
    let before = fleet.state();
    let wrong = fleet.file("wrong", "*:*:*:*:not-this-one\n");
    let missing = fleet.path().join("no-such-file");
    for file in [wrong, missing] {
        let run = fleet.shardctl(["sql", "--all", "DELETE FROM flotilla.ownership"]).env("PGPASSFILE", &file);
        let outcome = run.run().code_is(1);
        let line = outcome.line("s0");
        assert_eq!(line["error"]["code"], "auth_failed", "{line}");
        let hint = line["error"]["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("PGPASSFILE") || hint.contains(&*file.to_string_lossy()), "{line}");
        assert_eq!(fleet.state(), before);
    }
}

/// A role that exists on no server.
#[test]
fn an_unknown_role_is_an_error_of_the_target() {
    let mut fleet = Fleet::new().shards(1).init().start();
    fleet.topology.rest.push_str("[users]\napp = \"nobody-knows-me\"\n");
    fleet.write_topology();
    let outcome = fleet.shardctl(["sql", "--all", "SELECT 1"]).run().code_is(1);
    assert_eq!(outcome.line("s0")["error"]["code"], "auth_failed", "{}", outcome.transcript());
}

#[test]
fn a_database_that_is_not_there_is_an_error_of_the_target() {
    let mut fleet = Fleet::new().shards(1).start();
    fleet.topology.dbname = "missing".to_owned();
    fleet.write_topology();
    let outcome = fleet.shardctl(["init", "--all"]).run().code_is(1);
    let line = outcome.line("s0");
    assert_eq!(line["error"]["sqlstate"], "3D000", "{line}");
    assert!(line["error"]["hint"].is_string(), "{line}");
}

/// `verify-full` is the default as soon as there is an authority.
#[test]
fn a_certificate_must_be_valid_and_of_the_right_name() {
    for (identity, says) in [
        (Identity::expired(), Some("expired")),
        (Identity::of_another_name(), Some("localhost")),
        (Identity::valid(), None),
    ] {
        let fleet = Fleet::new().shards(1).tls(identity).start();
        let outcome = fleet.shardctl(["init", "--all"]).run();
        let Some(says) = says else {
            outcome.ok();
            continue;
        };
        let outcome = outcome.code_is(1);
        let line = outcome.line("s0");
        assert_eq!(line["error"]["code"], "tls", "{line}");
        assert!(line["error"]["hint"].is_string() && line["error"].to_string().contains(says), "{line}");
        assert_eq!(fleet.sql(0, "SELECT to_regnamespace('flotilla') IS NULL"), "t");
    }
}

/// An authority that the topology names and nobody has written.
#[test]
fn a_missing_authority_is_said_by_its_path() {
    let fleet = Fleet::new().shards(1).tls(Identity::valid()).start();
    fs::remove_file(fleet.path().join("tls/ca.crt")).unwrap();
    let outcome = fleet.shardctl(["init", "--all"]).run();
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(said.contains("tls/ca.crt") && outcome.code() != Some(0), "{}", outcome.transcript());
    assert_eq!(fleet.sql(0, "SELECT to_regnamespace('flotilla') IS NULL"), "t");
}

/// A server that dies in the middle of a query.
#[test]
fn a_server_that_dies_is_an_error_of_its_target() {
    let mut fleet = Fleet::new().init().start();
    let running =
        fleet.shardctl(["sql", "--all", "SELECT pg_sleep(60) FROM flotilla.ownership WHERE first_bucket = 0"]).start();
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    until("the query runs", || (0..2).any(|at| fleet.sql(at, busy) == "1").then_some(()));
    let at = (0..2).find(|at| fleet.sql(*at, busy) == "1").unwrap();
    fleet.shards[at].nodes[0].server.stop(Shutdown::Immediate).unwrap();
    let mut running = running;
    // The other shard's query would go on for a minute.
    let other = 1 - at;
    fleet.sql(other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    until("it ends", || running.has_ended().then_some(()));
    let outcome = running.finish();
    let line = outcome.line(&format!("s{at}"));
    assert!(matches!(outcome.code(), Some(1 | 75)), "{}", outcome.transcript());
    assert_eq!(line["status"], "error", "{line}");
    assert!(line["error"]["retryable"] == true && line["error"]["hint"].is_string(), "{line}");
}

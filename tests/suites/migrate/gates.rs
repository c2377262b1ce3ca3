//! Gates between waves: what must hold before the next shards are touched.

use std::thread;

use flotilla_tests::{Blocker, Fleet, until};
use rustix::process::Signal;

use super::{fleet, write};

const TABLE: (&str, &str) = ("V1__a.sql", "CREATE TABLE a (x int);");

/// One shard first, then the other.
const WAVES: [&str; 4] = ["apply", "--all", "--waves", "1,100%"];

fn is_done(fleet: &Fleet, shard: usize) -> bool {
    fleet.sql(shard, "SELECT to_regclass('a') IS NOT NULL") == "t"
}

#[test]
fn a_queue_for_locks_holds_a_wave_back() {
    let fleet = fleet(&[TABLE]);
    fleet.sql(1, "CREATE SCHEMA busy; CREATE TABLE busy.t (x int)");
    let holder = Blocker::lock(fleet.primary(1), "app", "busy.t");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| fleet.sql(1, "SELECT count(*) FROM busy.t"));
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        until("nobody waits for the table", || (fleet.sql(1, sql) == "1").then_some(()));

        let held =
            fleet.tool("migrate", [&WAVES[..], &["--max-waiting", "0", "--gate-wait", "0"]].concat()).run().code_is(1);
        let lines = held.lines();
        assert_eq!((&lines[0]["target"], &lines[0]["status"]), (&"s0".into(), &"ok".into()), "{}", held.transcript());
        assert_eq!((&lines[1]["target"], &lines[1]["status"]), (&"s1".into(), &"skipped".into()));
        let message = lines[1]["error"]["message"].as_str().unwrap();
        assert!(message.contains("1 sessions wait for locks, more than 0"), "{message}");
        assert!(is_done(&fleet, 0) && !is_done(&fleet, 1));
        // As many as that may wait.
        fleet.tool("migrate", ["apply", "-t", "s1", "--max-waiting", "1", "--dry-run"]).run().ok();

        let going_on =
            fleet.tool("migrate", [&WAVES[..], &["--max-waiting", "0", "--gate-wait", "60s", "-v"]].concat()).start();
        until("it doesn't look at the queue", || going_on.stderr_so_far().contains("wait for locks").then_some(()));
        assert!(!is_done(&fleet, 1));
        drop(holder);
        going_on.finish().ok();
        assert_eq!(waiting.join().unwrap(), "0");
    });
    assert!(is_done(&fleet, 1));
}

#[test]
fn a_replica_that_is_behind_holds_a_wave_back() {
    let fleet = Fleet::new().replicas(1).init().start();
    write(&fleet, &[TABLE]);
    let gate = ["--max-lag", "200ms", "--gate-wait", "0"];
    // It receives everything and plays nothing: the server's own figure of its lag stands still.
    fleet.replica(1, 0).sql("SELECT pg_wal_replay_pause()").unwrap();
    fleet.sql(1, "CREATE SCHEMA busy; CREATE TABLE busy.t AS SELECT generate_series(1, 1000) AS x");
    let held = fleet.tool("migrate", [&WAVES[..], &gate].concat()).run().code_is(1);
    let message = held.line("s1")["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("replica is more than 200ms behind"), "{}", held.transcript());
    assert!(is_done(&fleet, 0) && !is_done(&fleet, 1));

    fleet.replica(1, 0).sql("SELECT pg_wal_replay_resume()").unwrap();
    let gate = ["--max-lag", "10s", "--gate-wait", "60s"];
    fleet.tool("migrate", [&WAVES[..], &gate].concat()).run().ok();
    assert!(is_done(&fleet, 1));
}

#[test]
fn a_replica_that_is_gone_holds_a_wave_back() {
    let mut fleet = Fleet::new().replicas(1).init().start();
    write(&fleet, &[TABLE]);
    let replica = &mut fleet.shards[1].nodes[1].server;
    replica.stop(flotilla_native::postgres::Shutdown::Immediate).unwrap();
    let streaming = "SELECT count(*) FROM pg_stat_replication";
    until("the replica still streams", || (fleet.sql(1, streaming) == "0").then_some(()));
    let gate = ["--max-lag", "10s", "--gate-wait", "0"];
    let held = fleet.tool("migrate", [&WAVES[..], &gate].concat()).run().code_is(1);
    let message = held.line("s1")["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("0 of 1 replicas are connected"), "{}", held.transcript());
    assert!(is_done(&fleet, 0) && !is_done(&fleet, 1));
    // Without the gate nobody asks.
    fleet.tool("migrate", WAVES).run().ok();
}

#[test]
fn queries_that_are_not_true_stop_what_is_behind() {
    let cases = [
        ("SELECT true; SELECT count(*) = 1 FROM a;", "a query wasn't true, but f: SELECT count(*) = 1 FROM a"),
        ("SELECT NULL::boolean;", "a query wasn't true, but nothing: SELECT NULL::boolean"),
        ("SELECT true WHERE false;", "a query wasn't true, but nothing"),
        ("SELECT x FROM nowhere;", "relation \"nowhere\" does not exist"),
        ("INSERT INTO a VALUES (1) RETURNING true;", "cannot execute INSERT in a read-only transaction"),
    ];
    let fleet = fleet(&[TABLE]);
    for (sql, message) in cases {
        fleet.sql(0, "DROP TABLE IF EXISTS a, flyway_schema_history");
        fleet.file("checks.sql", sql);
        let stopped = fleet.tool("migrate", [&WAVES[..], &["--verify", "checks.sql"]].concat()).run();
        assert_eq!(stopped.code(), Some(1), "{}", stopped.transcript());
        let line = stopped.line("s1");
        assert_eq!(line["status"], "skipped", "{}", stopped.transcript());
        assert!(line["error"]["message"].as_str().unwrap().contains(message), "{sql}: {}", stopped.transcript());
        assert!(is_done(&fleet, 0) && !is_done(&fleet, 1));
        assert_eq!(fleet.sql(0, "SELECT count(*) FROM a"), "0");
    }
}

#[test]
fn a_file_without_queries_is_refused_before_anything_is_touched() {
    let fleet = fleet(&[TABLE]);
    fleet.file("checks.sql", "-- to come\n");
    for file in ["checks.sql", "nowhere.sql"] {
        let refused = fleet.tool("migrate", [&WAVES[..], &["--verify", file]].concat()).run().code_is(2);
        assert!(refused.stderr.contains(file), "{}", refused.transcript());
    }
    assert!(!is_done(&fleet, 0) && !is_done(&fleet, 1));
}

#[test]
fn while_a_wave_is_watched_the_run_can_be_stopped() {
    let fleet = fleet(&[TABLE]);
    let run = fleet.tool("migrate", [&WAVES[..], &["--soak", "10m"]].concat()).start();
    until("the first wave isn't done", || run.stdout_so_far().contains("\"target\":\"s0\"").then_some(()));
    assert!(is_done(&fleet, 0) && !is_done(&fleet, 1));
    run.signal(Signal::INT);
    let stopped = run.finish();
    assert_eq!(stopped.signal(), Some(2), "{}", stopped.transcript());
    assert_eq!(stopped.line("s1")["status"], "skipped", "{}", stopped.transcript());
    assert!(!is_done(&fleet, 1));
    fleet.tool("migrate", WAVES).run().ok();
    assert!(is_done(&fleet, 1));
}

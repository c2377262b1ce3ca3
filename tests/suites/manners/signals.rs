//! INT and TERM in the middle of a run: the server is told, locks are let go, the lines say so, and
//! the process dies by the signal, so that a loop around it ends too.

use std::time::{Duration, Instant};

use flotilla_tests::{Blocker, Fleet, Mute, Outcome, until};
use rustix::process::Signal;
use serde_json::Value;

use super::rows::{Hang, Row};
use super::{every, fleet, rows};

const SIGNALS: [Signal; 2] = [Signal::INT, Signal::TERM];

/// What holds for every run that a signal ended.
#[track_caller]
fn died_by(signal: Signal, outcome: &Outcome) {
    assert_eq!(outcome.signal(), Some(signal.as_raw()), "{}", outcome.transcript());
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.transcript());
}

#[test]
fn on_a_lock_the_query_is_cancelled() {
    let fleet = fleet();
    let server = fleet.primary(0);
    every(
        |row| matches!(row.hang, Hang::Lock(_)),
        |row| {
            let Hang::Lock(table) = row.hang else { return };
            let before = fleet.state();
            for signal in SIGNALS {
                let blocker = Blocker::lock(server, "app", table);
                let running = row.run(&fleet).start();
                Blocker::wait_for_victim(server);
                running.signal(signal);
                let outcome = running.finish();
                died_by(signal, &outcome);
                // Still locked: only the tool's word can have ended the wait.
                Blocker::wait_for_none(server);
                drop(blocker);
                says_so(row, &outcome);
            }
            if row.ensures {
                assert_eq!(fleet.state(), before, "{row}");
            }
            row.run(&fleet).run().ok();
        },
    );
}

#[track_caller]
fn says_so(row: &Row, outcome: &Outcome) {
    // A map is read before the targets are known; while it is, there are no lines to write.
    if row.cancelled_lines && !outcome.stdout.is_empty() {
        let lines = outcome.lines();
        let about = |line: &&Value| line["target"].as_str().is_some_and(|target| target.starts_with("s0"));
        let line = lines.iter().find(about).expect("a line about the first shard");
        assert_eq!((&line["status"], &line["error"]["code"]), (&"cancelled".into(), &"cancelled".into()), "{line}");
        assert_eq!(line["changed"], false, "{line}");
    } else {
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains("cancelled") || said.contains("stopped by a signal"), "{}", outcome.transcript());
    }
}

/// A server that doesn't even answer.
#[test]
fn on_a_silent_server_the_connection_is_given_up() {
    let mut fleet = Fleet::new().shards(0).start();
    let mute = Mute::in_folder(&fleet.path().join("mute"));
    fleet.topology = fleet.topology.clone().shard("s0", mute.host(), Mute::PORT);
    fleet.write_topology();
    every(
        |row| row.hang != Hang::Never,
        |row| {
            for signal in SIGNALS {
                mute.hang_up();
                let running = row.run(&fleet).start();
                mute.wait_for_caller();
                running.signal(signal);
                let outcome = running.finish();
                died_by(signal, &outcome);
                says_so(row, &outcome);
            }
        },
    );
}

/// The deadline does what a signal does, but the tool ends by itself.
#[test]
fn on_a_silent_server_the_deadline_ends_the_run() {
    let mut fleet = Fleet::new().shards(0).start();
    let mute = Mute::in_folder(&fleet.path().join("mute"));
    fleet.topology = fleet.topology.clone().shard("s0", mute.host(), Mute::PORT);
    fleet.write_topology();
    every(
        |row| row.hang != Hang::Never,
        |row| {
            let outcome = row.run_plus(&fleet, &["--deadline", "200ms"]).run();
            assert!(matches!(outcome.code(), Some(1 | 3 | 75)), "{}", outcome.transcript());
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(said.contains("the deadline of 200ms passed"), "{}", outcome.transcript());
            assert!(outcome.took.as_secs() < 5, "{}", outcome.transcript());
        },
    );
}

/// A stream that waits for its input ends as well, and what it had read is written.
#[test]
fn in_the_middle_of_a_stream() {
    let fleet = fleet();
    for signal in SIGNALS {
        let mut running = fleet.shardctl(["route", "--by", "key"]).stdin_open().start();
        running.write("1\n2\n");
        until("two lines are routed", || (running.stdout_so_far().lines().count() == 2).then_some(()));
        running.signal(signal);
        until("it ends while its input is open", || running.has_ended().then_some(()));
        let outcome = running.finish();
        died_by(signal, &outcome);
        assert_eq!(outcome.lines().len(), 2);
    }
}

/// A load that is broken off keeps nothing, on no shard.
#[test]
fn a_load_that_is_broken_off_keeps_nothing() {
    let fleet = fleet();
    for signal in SIGNALS {
        let mut running =
            fleet.shardctl(["sql", "--copy", "notes(user_id, text)", "--new-id", "id"]).stdin_open().start();
        let copy = rows::ROWS.iter().find(|row| row.args.contains(&"--copy")).expect("the row of the load");
        running.write(copy.stdin.unwrap_or_default());
        let copying = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY %'";
        until("both shards take rows", || (0..2).all(|at| fleet.sql(at, copying) == "1").then_some(()));
        running.signal(signal);
        until("it ends while its input is open", || running.has_ended().then_some(()));
        died_by(signal, &running.finish());
        for at in 0..2 {
            until("the transaction is gone", || (fleet.sql(at, copying) == "0").then_some(()));
            assert_eq!(fleet.sql(at, "SELECT count(*) FROM notes"), "0");
        }
    }
}

/// Who presses ^C twice means it.
#[test]
fn a_second_signal_ends_it_at_once() {
    let fleet = fleet();
    let _blocker = Blocker::lock(fleet.primary(0), "app", "notes");
    let mut running = fleet.shardctl(["sql", "--all", "UPDATE notes SET text = 'x'"]).start();
    Blocker::wait_for_victim(fleet.primary(0));
    // A frozen server takes no cancel request: after one signal the tool waits for it, for seconds.
    fleet.primary(0).freeze();
    let pressed = Instant::now();
    until("it ends", || {
        let ended = running.has_ended();
        if !ended {
            running.signal(Signal::INT);
        }
        ended.then_some(())
    });
    let took = pressed.elapsed();
    fleet.primary(0).thaw();
    died_by(Signal::INT, &running.finish());
    assert!(took < Duration::from_secs(4), "{took:?}");
}

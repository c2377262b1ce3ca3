//! Standard output that can't be written: a reader that has gone, a device that is full.

use flotilla_tests::{Fleet, Sink};

use super::{every, fleet};

/// Nobody reads: a verb that reads ends quietly, one that changes says so and stops.
#[test]
fn a_closed_pipe() {
    let fleet = fleet();
    every(
        |_| true,
        |row| {
            let outcome = row.run(&fleet).stdout(Sink::ClosedPipe).run();
            assert!(!outcome.stderr.contains("panicked"), "{}", outcome.transcript());
            // A reconcile that finds nothing to settle has nothing to say.
            if row.changes() && row.verb != "map --reconcile" {
                outcome.code_is(1).says("standard output was closed");
            } else {
                let outcome = outcome.ok();
                // A verb that may change names the cluster in any case.
                let said: Vec<&str> = outcome.stderr.lines().filter(|line| !line.contains(": cluster ")).collect();
                assert!(said.is_empty(), "{}", outcome.transcript());
            }
        },
    );
}

/// Of two shards the first is finished, the second never begun.
#[test]
fn a_closed_pipe_lets_a_change_finish_its_step_and_starts_no_other() {
    let fleet = Fleet::new().start();
    let outcome = fleet.shardctl(["init", "--all", "--jobs", "1"]).stdout(Sink::ClosedPipe).run();
    outcome.code_is(1).says("standard output was closed");
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM flotilla.ledger"), "1");
    assert_eq!(fleet.sql(1, "SELECT to_regnamespace('flotilla') IS NULL"), "t");
    fleet.shardctl(["init", "--all"]).run().ok();
    assert_eq!(fleet.sql(1, "SELECT count(*) FROM flotilla.ledger"), "1");
}

/// What people type most: endless input, one line wanted.
#[test]
fn head_ends_an_endless_route() {
    let fleet = fleet();
    let outcome = fleet.script("yes 42 | shardctl route --by key | head -1").run().ok();
    assert_eq!(outcome.lines().len(), 1, "{}", outcome.transcript());
    assert!(outcome.stderr.is_empty(), "{}", outcome.transcript());
}

#[test]
fn a_full_device() {
    let fleet = fleet();
    every(
        |row| row.verb != "map --reconcile",
        |row| {
            let outcome = row.run(&fleet).stdout(Sink::Full).run().code_is(1);
            assert!(!outcome.stderr.contains("panicked"), "{}", outcome.transcript());
            outcome.says("could not write to standard output").says("No space left on device");
        },
    );
}

/// Help, version and schema are output too.
#[test]
fn a_full_device_and_a_closed_pipe_for_help_and_schema() {
    let fleet = Fleet::new().shards(0).start();
    every(
        |_| true,
        |row| {
            let mut args = row.args.to_vec();
            for flag in ["--help", "--schema"] {
                args.push(flag);
                let full = row.with(&fleet, &args).stdout(Sink::Full).run().code_is(1);
                assert!(!full.stderr.contains("panicked"), "{}", full.transcript());
                let closed = row.with(&fleet, &args).stdout(Sink::ClosedPipe).run().ok();
                assert!(closed.stderr.is_empty(), "{}", closed.transcript());
                args.pop();
            }
        },
    );
}

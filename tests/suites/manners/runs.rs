//! A second run, a quiet run, a dry run, a run for people.

use flotilla_tests::{Fleet, contract};

use super::{every, fleet};

#[test]
fn a_second_run_changes_nothing() {
    let fleet = fleet();
    every(
        |row| (row.ensures || !row.changes()) && !row.args.contains(&"--export"),
        |row| {
            row.run(&fleet).run().ok();
            let before = fleet.state();
            let outcome = row.run(&fleet).run().ok();
            assert!(outcome.lines().iter().all(|line| line["changed"] == false), "{}", outcome.transcript());
            assert_eq!(fleet.state(), before, "{}", outcome.transcript());
        },
    );
}

/// cron mails whatever a job says; a job that is well says nothing.
#[test]
fn quiet_says_nothing_when_all_is_well() {
    let fleet = fleet();
    every(
        |row| !row.args.contains(&"--export"),
        |row| {
            let outcome = row.run_plus(&fleet, &["-q"]).run().ok();
            assert!(outcome.stdout.is_empty() && outcome.stderr.is_empty(), "{}", outcome.transcript());
        },
    );
}

#[test]
fn quiet_still_says_what_failed() {
    let fleet = Fleet::new().shards(1).start();
    let mut topology = fleet.topology.clone();
    topology = topology.shard("s1", fleet.path().join("nowhere"), 5432);
    fleet.file("half.toml", topology.to_string());
    let outcome = fleet.shardctl(["init", "--all", "-q", "--config", "half.toml"]).run();
    let lines = outcome.lines();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["status"] == "error"), "{}", outcome.transcript());
}

#[test]
fn a_dry_run_touches_nothing() {
    let fleet = fleet();
    let uninitialised = Fleet::new().start();
    every(
        |row| row.changes() && !row.args.contains(&"--copy"),
        |row| {
            for fleet in [&fleet, &uninitialised] {
                let before = fleet.state();
                let dry = if row.args.contains(&"--dry-run") { &[][..] } else { &["--dry-run"] };
                let outcome = row.run_plus(fleet, dry).run();
                assert_eq!(fleet.state(), before, "{}", outcome.transcript());
                if std::ptr::eq(fleet, &raw const uninitialised) && row.verb != "init" {
                    continue;
                }
                let outcome = outcome.ok();
                assert!(
                    outcome.lines().iter().all(|line| line["status"] == "planned" && line["changed"] == false),
                    "{}",
                    outcome.transcript()
                );
            }
        },
    );
}

/// Tables are for people and may change; that there is one, and no JSON, may not.
#[test]
fn tables_are_no_json() {
    let fleet = fleet();
    every(
        |row| !row.args.contains(&"--export") && row.verb != "map --reconcile",
        |row| {
            let outcome = row.run_plus(&fleet, &["-o", "table"]).run().ok();
            assert!(outcome.stdout.contains("STATUS") && !outcome.stdout.contains("{\""), "{}", outcome.transcript());
        },
    );
}

#[test]
fn an_unknown_flag_is_a_usage_error_and_help_is_none() {
    let fleet = Fleet::new().shards(0).start();
    super::all(
        |_| true,
        |row| {
            row.run_plus(&fleet, &["--no-such-flag"]).run().code_is(row.usage).no_lines().says("--no-such-flag");
            for flag in ["-h", "--help"] {
                let help = row.with(&fleet, &[flag]).run().ok();
                assert!(help.stdout.contains("Usage: ") && help.stdout.contains("Examples:"), "{}", help.transcript());
                assert!(help.stderr.is_empty(), "{}", help.transcript());
            }
        },
    );
}

#[test]
fn every_line_keeps_the_contract() {
    let fleet = fleet();
    every(
        |row| !row.args.contains(&"--export"),
        |row| {
            let outcome = row.run(&fleet).run().ok();
            for line in outcome.stdout.lines() {
                contract::check(line).unwrap_or_else(|why| panic!("{why}"));
            }
        },
    );
}

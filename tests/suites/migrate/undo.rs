//! Undo: what a version made is gone, and the history says so in a way that Flyway understands.

use super::{fleet, history};

#[test]
fn a_version_is_taken_back_and_applied_again() {
    let fleet = fleet(&[
        ("V1__a.sql", "CREATE TABLE a (x int);"),
        ("U1__a.sql", "DROP TABLE a;"),
        ("V2__i.sql", "CREATE INDEX CONCURRENTLY i ON a (x);"),
        ("U2__i.sql", "DROP INDEX CONCURRENTLY i;"),
    ]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    fleet.tool("migrate", ["undo", "--all"]).run().code_is(3);
    let planned = fleet.tool("migrate", ["undo", "--all", "--to", "0", "--dry-run"]).run().ok();
    assert!(
        planned.lines().iter().all(|line| line["undone"] == serde_json::json!(["2", "1"])),
        "{}",
        planned.transcript()
    );
    for _ in 0..2 {
        fleet.tool("migrate", ["undo", "--all", "--yes"]).run().ok();
        assert_eq!(fleet.sql(1, "SELECT to_regclass('i') IS NULL"), "t");
        fleet.tool("migrate", ["undo", "--all", "--yes"]).run().ok();
        assert_eq!(fleet.sql(1, "SELECT to_regclass('a') IS NULL"), "t");
        fleet.tool("migrate", ["undo", "--all", "--yes"]).run().ok();
        fleet.tool("migrate", ["apply", "--all"]).run().ok();
        assert_eq!(fleet.sql(1, "SELECT to_regclass('i') IS NOT NULL"), "t");
    }
    fleet.tool("migrate", ["validate"]).run().ok();
    let rows = history(&fleet, 0);
    assert_eq!(rows.lines().filter(|row| row.contains("|DELETE|")).count(), 4, "{rows}");
}

#[test]
fn without_every_script_nothing_is_taken_back() {
    let fleet = fleet(&[
        ("V1__a.sql", "CREATE TABLE a (x int);"),
        ("V2__b.sql", "CREATE TABLE b (x int);"),
        ("U2__b.sql", "DROP TABLE b;"),
    ]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    let before = history(&fleet, 0);
    fleet.tool("migrate", ["undo", "--all", "--to", "0", "--yes"]).run().code_is(3);
    assert_eq!(history(&fleet, 0), before);
    fleet.tool("migrate", ["undo", "--all", "--to", "7", "--yes"]).run().code_is(1);
    assert_eq!(fleet.sql(0, "SELECT to_regclass('b') IS NOT NULL"), "t");
}

/// A run that finishes what another has begun does what it was asked for besides.
#[test]
fn a_killed_undo_to_a_version_is_completed_by_the_next() {
    let fleet = fleet(&[
        ("V1__a.sql", "CREATE TABLE a (x int);"),
        ("U1__a.sql", "DROP TABLE a;"),
        ("V2__i.sql", "CREATE INDEX CONCURRENTLY i ON a (x);"),
        ("U2__i.sql", "DROP INDEX CONCURRENTLY i;"),
    ]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    let undo = ["undo", "-t", "s0", "--to", "0", "--yes"];
    let killed = fleet.tool("migrate", undo).env("FLOTILLA_FAILPOINT", "migrate.step_executed").run();
    assert_eq!(killed.code(), None, "{}", killed.transcript());
    let planned = fleet.tool("migrate", ["undo", "-t", "s0", "--to", "0", "--dry-run"]).run().ok();
    assert_eq!(planned.lines()[0]["undone"], serde_json::json!(["2", "1"]), "{}", planned.transcript());
    let second = fleet.tool("migrate", [&undo[..], &["--lock-wait", "10s"]].concat()).run().ok();
    let line = &second.lines()[0];
    assert_eq!((&line["undone"], &line["to_version"]), (&serde_json::json!(["2", "1"]), &serde_json::Value::Null));
    assert_eq!(fleet.sql(0, "SELECT to_regclass('a') IS NULL"), "t");
    fleet.tool("migrate", undo).run().ok();
}

#[test]
fn a_killed_undo_is_all_that_the_next_undoes() {
    let fleet = fleet(&[
        ("V1__a.sql", "CREATE TABLE a (x int);"),
        ("U1__a.sql", "DROP TABLE a;"),
        ("V2__i.sql", "CREATE INDEX CONCURRENTLY i ON a (x);"),
        ("U2__i.sql", "DROP INDEX CONCURRENTLY i;"),
    ]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    let undo = ["undo", "-t", "s0", "--yes", "--lock-wait", "10s"];
    fleet.tool("migrate", undo).env("FLOTILLA_FAILPOINT", "migrate.intended").run();
    let second = fleet.tool("migrate", undo).run().ok();
    assert_eq!(second.lines()[0]["undone"], serde_json::json!(["2"]), "{}", second.transcript());
    assert_eq!(fleet.sql(0, "SELECT to_regclass('a') IS NOT NULL AND to_regclass('i') IS NULL"), "t");
}

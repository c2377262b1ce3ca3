//! Exit codes: the same in every output format. Flyway's JSON of a failed validation comes with 0.

use flotilla_tests::{Blocker, Fleet};

use super::{fleet, write};

const FORMATS: [&[&str]; 3] = [&["-o", "json"], &["-o", "table"], &["-q"]];

const SOUND: &[(&str, &str)] = &[
    ("V1__a.sql", "CREATE TABLE a (x bigint PRIMARY KEY);\n"),
    ("U1__a.sql", "DROP TABLE a;\n"),
    ("V2__b.sql", "CREATE TABLE b (x bigint PRIMARY KEY);\n"),
    ("U2__b.sql", "DROP TABLE b;\n"),
];

/// Holds calls, none of which changes what the next finds, to their codes.
fn end_with(fleet: &Fleet, cases: &[(&str, i32)]) {
    for (line, code) in cases {
        for format in FORMATS {
            let outcome = fleet.tool("migrate", line.split(' ').chain(format.iter().copied())).run();
            assert_eq!(outcome.code(), Some(*code), "{}", outcome.transcript());
        }
    }
}

#[test]
fn what_is_done_or_needs_nothing_ends_with_0() {
    let fleet = fleet(SOUND);
    end_with(&fleet, &[("plan", 0), ("info", 0), ("apply --all --dry-run", 0)]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    end_with(
        &fleet,
        &[
            ("apply --all", 0),
            ("plan", 0),
            ("info", 0),
            ("validate", 0),
            ("repair --all", 0),
            ("undo --all --to 0 --dry-run", 0),
            ("undo --all --to 2 --yes", 0),
            ("history", 0),
            ("lint --exclude undeclared-table", 0),
            ("lint --live", 0),
            ("lint --rules", 0),
            ("new --list", 0),
        ],
    );
}

#[test]
fn a_no_and_a_failure_end_with_1() {
    let fleet = fleet(SOUND);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    end_with(
        &fleet,
        &[("info --to 99", 1), ("plan --to 99", 1), ("apply --all --to 99", 1), ("undo --all --to 99 --yes", 1)],
    );
    fleet.sql(1, "SET ROLE owner; CREATE TABLE more (x int)");
    end_with(&fleet, &[("validate", 1), ("validate --no-compare", 0)]);
    write(&fleet, &[("V3__c.sql", "CREATE TABLE c (x bigint PRIMARY KEY);\nINSERT INTO nowhere VALUES (1);\n")]);
    end_with(&fleet, &[("apply --all", 1), ("apply --all --waves 1,100%", 1)]);
    write(&fleet, &[("V1__a.sql", "CREATE TABLE a (x int PRIMARY KEY)\nCREATE;\n")]);
    end_with(&fleet, &[("validate --no-compare", 1), ("apply --all", 1), ("lint", 1), ("info", 0)]);
}

#[test]
fn what_is_wrong_before_anything_is_touched_ends_with_2() {
    let fleet = fleet(&[("V1__a.sql", "SELECT '${nowhere}';"), ("V2__b.sql.conf", "unknown=true")]);
    let without_targets = [("apply", 2), ("undo --yes", 2), ("repair", 2), ("baseline", 2)];
    end_with(&fleet, &without_targets);
    end_with(&fleet, &[("apply -t s9", 2), ("apply --all --waves 5,3", 2), ("apply --all --lock-timeout 0", 2)]);
    write(&fleet, &[("V2__b.sql", "SELECT 1;")]);
    end_with(&fleet, &[("apply --all", 2), ("plan", 2), ("info", 2), ("validate", 2), ("lint", 2)]);
    write(&fleet, &[("V2__b.sql.conf", ""), ("V02__c.sql", "SELECT 1;")]);
    end_with(&fleet, &[("apply --all", 2), ("plan", 2), ("info", 2), ("validate", 2), ("lint", 2)]);
}

#[test]
fn what_a_gate_refuses_ends_with_3() {
    let fleet = fleet(&SOUND[..3]);
    let plan = fleet.tool("migrate", ["plan"]).run().ok();
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    end_with(&fleet, &[("undo --all", 3), ("undo --all --yes", 3), ("baseline --all --version 7", 3)]);
    for format in FORMATS {
        let moved = fleet.tool("migrate", [&["apply"], format].concat()).stdin(plan.stdout.clone()).run();
        assert_eq!(moved.code(), Some(3), "{}", moved.transcript());
    }
}

#[test]
fn what_may_work_later_ends_with_75() {
    let mut fleet = fleet(SOUND);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    write(&fleet, &[("V3__c.sql", "ALTER TABLE a ADD COLUMN y int;")]);
    let reader = Blocker::read(fleet.primary(0), "app", "a");
    let first = fleet.tool("migrate", ["apply", "-t", "s0"]).start();
    Blocker::wait_for_victim(fleet.primary(0));
    end_with(&fleet, &[("apply -t s0", 75), ("undo -t s0 --yes", 75), ("repair -t s0", 75), ("info -t s0", 0)]);
    drop(reader);
    first.finish().ok();
    fleet.shards[1].nodes[0].server.stop(flotilla_native::postgres::Shutdown::Immediate).unwrap();
    let down = ["apply", "info", "plan", "repair", "history", "validate"];
    for verb in down {
        // One of two is a failure, all of them are a reason to wait.
        end_with(&fleet, &[(&format!("{verb} -t s1"), 75), (&format!("{verb} --all"), 1)]);
    }
}

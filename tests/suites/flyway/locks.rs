//! The lock: while one of the two works, the other waits or says that it couldn't.

use flotilla_tests::{Blocker, Fleet, until};

use super::sides::{FLYWAY, Sides};

/// A script that stands still as long as somebody holds the table.
const SLOW: (&str, &str) = (
    "V1__slow.sql",
    "SET lock_timeout = 0;\nLOCK TABLE base.ground;\nCREATE TABLE made (x int);\nRESET lock_timeout;\n",
);

fn wait_for_the_script(fleet: &Fleet) {
    let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'base.ground'::regclass";
    until("no script waits for the table", || (fleet.sql(FLYWAY, sql) == "1").then_some(()));
}

fn rows_are_whole(sides: &Sides) {
    let rows = sides.rows(FLYWAY);
    assert!(
        rows.starts_with("1|1|slow|SQL|V1__slow.sql|") && rows.ends_with("|t") && rows.lines().count() == 1,
        "{rows}"
    );
    assert_eq!(sides.fleet.sql(FLYWAY, "SELECT to_regclass('made') IS NOT NULL"), "t");
}

#[test]
fn while_flyway_works_migrate_waits_or_says_try_later() {
    let sides = Sides::new();
    sides.scripts(&[(SLOW.0.to_owned(), SLOW.1.into())]);
    // Both ways in which Flyway holds it: in a transaction of a second session, and in its only session.
    for transactional in ["true", "false"] {
        sides.reset();
        let holder = Blocker::read(sides.fleet.primary(FLYWAY), "app", "base.ground");
        let run = sides.fleet.flyway(FLYWAY, ["migrate"]);
        let flyway = run.env("FLYWAY_POSTGRESQL_TRANSACTIONAL_LOCK", transactional).start();
        wait_for_the_script(&sides.fleet);
        let refused = sides.migrate_on(FLYWAY, &["apply"]).code_is(75);
        assert_eq!(refused.lines()[0]["error"]["code"], "lock_held", "{}", refused.transcript());
        let waiting = sides.fleet.tool("migrate", ["apply", "-t", "s0", "--lock-wait", "60s"]).start();
        drop(holder);
        flyway.finish().ok();
        let outcome = waiting.finish().ok();
        assert_eq!(outcome.lines()[0]["changed"], false, "{}", outcome.transcript());
        rows_are_whole(&sides);
    }
}

#[test]
fn while_migrate_works_flyway_waits_or_gives_up() {
    let sides = Sides::new();
    sides.scripts(&[(SLOW.0.to_owned(), SLOW.1.into())]);
    let holder = Blocker::read(sides.fleet.primary(FLYWAY), "app", "base.ground");
    let migrate = sides.fleet.tool("migrate", ["apply", "-t", "s0"]).start();
    wait_for_the_script(&sides.fleet);
    let given_up = sides.fleet.flyway(FLYWAY, ["migrate", "-lockRetryCount=1"]).run().code_is(1);
    assert!(given_up.transcript().contains("Number of retries exceeded"), "{}", given_up.transcript());
    let waiting = sides.fleet.flyway(FLYWAY, ["migrate"]).start();
    drop(holder);
    migrate.finish().ok();
    waiting.finish().ok();
    rows_are_whole(&sides);
}

//! kill -9 at every failpoint: the next run ends where an unkilled one does.

mod random;
mod story;

use flotilla_tests::Fleet;

use super::{HISTORY, LEDGER, fleet};

const SCRIPTS: &[(&str, &str)] = &[
    ("V1__t.sql", "CREATE TABLE t (x int, y int);\nINSERT INTO t SELECT n, n FROM generate_series(1, 100) AS n;"),
    ("V2__i.sql", "CREATE INDEX CONCURRENTLY t_x ON t (x);\nCREATE INDEX CONCURRENTLY t_y ON t (y);"),
    ("V3__steps.sql", "UPDATE t SET y = y + 1;\nVACUUM t;\nUPDATE t SET y = y + 1;"),
    ("V3__steps.sql.conf", "executeInTransaction=false"),
    (
        "V4__p.sql",
        "CREATE TABLE p (x int) PARTITION BY RANGE (x);\nCREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);",
    ),
    ("V5__detach.sql", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;"),
    ("R__v.sql", "CREATE OR REPLACE VIEW v AS SELECT count(*) AS n FROM t;"),
    ("U5__detach.sql", "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10);"),
    ("U2__i.sql", "DROP INDEX CONCURRENTLY t_y;\nDROP INDEX CONCURRENTLY t_x;"),
];

/// Where `migrate` names a place to die, and how often a run comes by.
const FAILPOINTS: &[(&str, u32)] = &[
    ("migrate.locked", 1),
    ("migrate.statement", 11),
    ("migrate.begun", 3),
    ("migrate.executed", 3),
    ("migrate.recorded", 3),
    ("migrate.committed", 6),
    ("migrate.intended", 3),
    ("migrate.step_executed", 6),
    ("migrate.step_recorded", 6),
    ("migrate.finishing", 3),
];

/// What a run leaves: the tables' shape and content, the history, the ledger.
fn end(fleet: &Fleet, shard: usize) -> String {
    let indexes = "SELECT string_agg(c.relname || i.indisvalid, ',' ORDER BY c.relname) FROM pg_index i \
                   JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace";
    let (content, inherits) = ("SELECT sum(x), sum(y), count(*) FROM t", "SELECT count(*) FROM pg_inherits");
    fleet.sql(shard, &[content, indexes, inherits, HISTORY, LEDGER].join(";\n"))
}

#[test]
fn a_killed_apply_is_completed_by_the_next() {
    let fleet = fleet(SCRIPTS);
    fleet.tool("migrate", ["apply", "-t", "s0"]).run().ok();
    let whole = end(&fleet, 0);
    for (name, times) in FAILPOINTS {
        for nth in 1..=*times {
            reset(&fleet);
            let failpoint = format!("{name}@{nth}");
            let killed = fleet.tool("migrate", ["apply", "-t", "s1"]).env("FLOTILLA_FAILPOINT", &failpoint).run();
            assert_eq!(killed.code(), None, "{failpoint} was not come by: {}", killed.transcript());
            fleet.tool("migrate", ["apply", "-t", "s1", "--lock-wait", "10s"]).run().ok();
            assert_eq!(end(&fleet, 1), whole, "{failpoint}");
        }
    }
}

/// The second shard as it was before the first run.
fn reset(fleet: &Fleet) {
    let steps = [
        "DROP TABLE IF EXISTS flyway_schema_history, t, p, p1 CASCADE",
        "ALTER TABLE flotilla.ledger DISABLE TRIGGER keep_ledger",
        "DELETE FROM flotilla.ledger WHERE tool = 'migrate'",
        "ALTER TABLE flotilla.ledger ENABLE TRIGGER keep_ledger",
    ];
    fleet.sql(1, &steps.join(";\n"));
}

#[test]
fn an_invalid_index_is_dropped_and_built_again() {
    let fleet = fleet(&SCRIPTS[..2]);
    // Not unique where it must be: the build fails half way and leaves an invalid index.
    super::write(&fleet, &[("V2__i.sql", "CREATE UNIQUE INDEX CONCURRENTLY t_x ON t (x);")]);
    super::write(&fleet, &[("V1__t.sql", "CREATE TABLE t (x int, y int);\nINSERT INTO t VALUES (1, 1), (1, 2);")]);
    fleet.tool("migrate", ["apply", "-t", "s0"]).run().code_is(1);
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "1");
    fleet.sql(0, "DELETE FROM t WHERE y = 2");
    let outcome = fleet.tool("migrate", ["apply", "-t", "s0"]).run().ok();
    assert_eq!(outcome.lines()[0]["applied"][0]["resumed"], true, "{}", outcome.transcript());
    assert_eq!(fleet.sql(0, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_x'::regclass"), "t");
    assert_eq!(fleet.sql(0, "SELECT bool_and(success) FROM flyway_schema_history"), "t");
}

#[test]
fn a_script_that_changed_after_it_was_begun_is_not_resumed() {
    let fleet = fleet(&SCRIPTS[..2]);
    fleet.tool("migrate", ["apply", "-t", "s0"]).env("FLOTILLA_FAILPOINT", "migrate.step_recorded").run();
    super::write(&fleet, &[("V2__i.sql", "CREATE INDEX CONCURRENTLY other ON t (x);")]);
    let outcome = fleet.tool("migrate", ["apply", "-t", "s0", "--lock-wait", "10s"]).run().code_is(1);
    assert!(outcome.stdout.contains("its script has changed since"), "{}", outcome.transcript());
    fleet.tool("migrate", ["repair", "-t", "s0"]).run().ok();
    fleet.tool("migrate", ["apply", "-t", "s0"]).run().ok();
    assert_eq!(fleet.sql(0, "SELECT to_regclass('other') IS NOT NULL"), "t");
}

//! Callbacks: both run the same ones in the same order.

use super::cases::File;
use super::sides::{FLYWAY, MIGRATE, Sides};

/// The events whose callbacks `migrate` runs, apart from undo's, which Flyway's free edition hasn't got.
const EVENTS: &[&str] = &[
    "afterConnect",
    "beforeValidate",
    "afterValidate",
    "afterValidateError",
    "beforeMigrate",
    "beforeRepeatables",
    "beforeEachMigrate",
    "beforeEachMigrateStatement",
    "afterEachMigrateStatement",
    "afterEachMigrateStatementError",
    "afterEachMigrate",
    "afterEachMigrateError",
    "afterVersioned",
    "afterMigrateApplied",
    "afterMigrate",
    "afterMigrateError",
    "afterMigrateOperationFinish",
    "beforeBaseline",
    "afterBaseline",
    "afterBaselineError",
    "afterBaselineOperationFinish",
    "beforeRepair",
    "afterRepair",
    "afterRepairError",
    "afterRepairOperationFinish",
];

fn logging() -> Vec<File> {
    let log = |event: &str, name: &str| {
        (format!("{name}.sql"), format!("INSERT INTO base.log (what) VALUES ('{event}');").into_bytes())
    };
    let mut files: Vec<File> = EVENTS.iter().map(|event| log(event, event)).collect();
    // Several of one event go by their descriptions.
    files.push(log("beforeMigrate 2", "beforeMigrate__b"));
    files.push(log("beforeMigrate 1", "beforeMigrate__a"));
    files
}

fn with(scripts: &[(&str, &str)]) -> Vec<File> {
    let scripts = scripts.iter().map(|(name, sql)| ((*name).to_owned(), sql.as_bytes().to_vec()));
    logging().into_iter().chain(scripts).collect()
}

/// What the callbacks have written since this was asked last.
fn log(sides: &Sides, shard: usize) -> Vec<String> {
    let sql = "WITH gone AS (DELETE FROM base.log RETURNING *) SELECT what FROM gone ORDER BY n";
    sides.fleet.sql(shard, sql).lines().map(str::to_owned).collect()
}

fn make_log(sides: &Sides) {
    for shard in [FLYWAY, MIGRATE] {
        sides.fleet.sql(shard, "SET ROLE owner; CREATE TABLE base.log (n serial, what text)");
    }
}

#[test]
fn callbacks_run_in_the_same_order() {
    let sides = Sides::new();
    make_log(&sides);
    let one = ("V1__a.sql", "CREATE TABLE a (x int);\nCREATE TABLE b (x int);");
    let index = ("V2__i.sql", "CREATE INDEX CONCURRENTLY i ON base.ground (x);");
    let view = ("R__v.sql", "CREATE OR REPLACE VIEW v AS SELECT 1 AS x;");
    let wrong = ("V3__wrong.sql", "CREATE TABLE c (x int);\nINSERT INTO nowhere VALUES (1);");
    let alone = ("V3__wrong.sql", "CREATE UNIQUE INDEX CONCURRENTLY u ON base.ground (same);");
    let changed = ("V1__a.sql", "CREATE TABLE other (x int);");
    let sound = || with(&[one, index, view]);
    let steps: &[(&str, Vec<File>, &str, &str)] = &[
        ("all kinds", sound(), "migrate", "apply"),
        ("nothing to do", sound(), "migrate", "apply"),
        ("a failure", with(&[one, index, view, wrong]), "migrate", "apply"),
        ("what isn't valid", with(&[changed, index, view]), "migrate", "apply"),
        ("a failure outside a transaction", with(&[one, index, view, alone]), "migrate", "apply"),
        ("a repair", sound(), "repair", "repair"),
        ("a repair of nothing", sound(), "repair", "repair"),
    ];
    for (what, files, flyway_verb, migrate) in steps {
        sides.scripts(files);
        let (answer, outcome) = (sides.flyway(&[flyway_verb]), sides.migrate(&[migrate]));
        assert_eq!(answer.is_ok(), outcome.code() == Some(0), "{what}\n{}\n{}", answer.text(), outcome.transcript());
        let (flyway, mut migrate) = (log(&sides, FLYWAY), log(&sides, MIGRATE));
        assert!(!flyway.iter().any(|event| event == "afterConnect"), "{flyway:?}");
        // Once for each run of apply, before everything else.
        assert_eq!(migrate.iter().rposition(|event| event == "afterConnect"), (*flyway_verb == "migrate").then_some(0));
        migrate.retain(|event| event != "afterConnect");
        if *what == "a failure" {
            // Flyway runs these in the transaction that has failed: they fail too, and hide why.
            migrate.retain(|event| !event.starts_with("afterEachMigrate"));
        }
        assert_eq!(flyway, migrate, "{what}");
    }
    sides.reset();
    make_log(&sides);
    let answer = sides.flyway(&["baseline"]);
    assert!(answer.is_ok(), "{}", answer.text());
    sides.migrate(&["baseline", "--version", "1"]).ok();
    assert_eq!(log(&sides, FLYWAY), log(&sides, MIGRATE), "a baseline");
}

#[test]
fn undo_has_callbacks_of_its_own() {
    let sides = Sides::new();
    make_log(&sides);
    let mut files = with(&[("V1__a.sql", "CREATE TABLE a (x int);"), ("U1__a.sql", "DROP TABLE a;")]);
    for event in [
        "beforeUndo",
        "beforeEachUndo",
        "beforeEachUndoStatement",
        "afterEachUndoStatement",
        "afterEachUndoStatementError",
        "afterEachUndo",
        "afterEachUndoError",
        "afterUndo",
        "afterUndoError",
    ] {
        files.push((format!("{event}.sql"), format!("INSERT INTO base.log (what) VALUES ('{event}');").into_bytes()));
    }
    sides.scripts(&files);
    sides.migrate(&["apply"]).ok();
    log(&sides, MIGRATE);
    sides.migrate(&["undo", "--yes"]).ok();
    let around = [
        "beforeUndo",
        "beforeEachUndo",
        "beforeEachUndoStatement",
        "afterEachUndoStatement",
        "afterEachUndo",
        "afterUndo",
    ];
    assert_eq!(log(&sides, MIGRATE), around);
    sides.migrate(&["apply"]).ok();
    sides.fleet.sql(MIGRATE, "DROP TABLE a");
    log(&sides, MIGRATE);
    sides.migrate(&["undo", "--yes"]).code_is(1);
    assert_eq!(
        log(&sides, MIGRATE),
        ["beforeUndo", "afterEachUndoStatementError", "afterEachUndoError", "afterUndoError"]
    );
}

#[test]
fn a_callback_of_an_event_that_never_comes_is_named() {
    let sides = Sides::new();
    sides.scripts(&[("beforeClean.sql".to_owned(), b"SELECT 1;".to_vec())]);
    let outcome = sides.migrate(&["apply"]).ok();
    assert!(outcome.stderr.contains("beforeClean.sql: migrate runs no callbacks of beforeClean"), "{}", outcome.stderr);
}

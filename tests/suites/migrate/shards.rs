//! Over the shards: the matrix, waves, differences, the audit trail.

use flotilla_tests::Fleet;

use super::{fleet, write};

#[test]
fn info_is_a_matrix_and_shows_drift() {
    let fleet = fleet(&[("V1__a.sql", "CREATE TABLE a (x int);"), ("V2__b.sql", "CREATE TABLE b (x int);")]);
    fleet.tool("migrate", ["apply", "-t", "s0"]).run().ok();
    fleet.tool("migrate", ["apply", "-t", "s1", "--to", "1"]).run().ok();
    write(&fleet, &[("V1__a.sql", "CREATE TABLE a (x bigint);")]);
    let table = fleet.tool("migrate", ["info", "-o", "table"]).run().ok();
    let rows: Vec<Vec<&str>> = table.stdout.lines().take(3).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["VERSION", "DESCRIPTION", "TYPE", "s0", "s1"], "{}", table.stdout);
    assert_eq!(rows[1], ["1", "a", "SQL", "success,", "drifted", "success,", "drifted"], "{}", table.stdout);
    assert_eq!(rows[2], ["2", "b", "SQL", "success", "pending"], "{}", table.stdout);
    fleet.tool("migrate", ["apply", "-t", "s1"]).run().code_is(1);
    fleet.tool("migrate", ["repair", "--all"]).run().ok();
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
}

#[test]
fn validate_names_the_object_that_differs() {
    let fleet = fleet(&[("V1__a.sql", "CREATE TABLE a (x int PRIMARY KEY, y text);")]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    // What a drill makes is nobody's migration.
    fleet.sql(0, "CREATE SCHEMA flotilla_drill; CREATE TABLE flotilla_drill.writes (n int)");
    fleet.tool("migrate", ["validate"]).run().ok();
    fleet.sql(1, "ALTER TABLE a ALTER COLUMN y TYPE varchar(10)");
    fleet.sql(1, "SET ROLE owner; CREATE INDEX a_y ON a (y)");
    let outcome = fleet.tool("migrate", ["validate"]).run().code_is(1);
    let found: Vec<_> = outcome.lines().iter().filter_map(|line| line["object"].as_str().map(str::to_owned)).collect();
    assert_eq!(found, ["public.a.y", "public.a.a_y"], "{}", outcome.transcript());
}

#[test]
fn a_wave_that_fails_stops_those_behind_it_and_the_rest_is_done_next_time() {
    let fleet = fleet(&[("V1__a.sql", "CREATE TABLE a (x int);")]);
    fleet.sql(0, "CREATE SCHEMA owned; CREATE TABLE owned.blocker (x int)");
    fleet.file("true.sql", "SELECT count(*) = 0 FROM a;");
    fleet.file("false.sql", "SELECT count(*) = 1 FROM a;");
    let waves = ["apply", "--all", "--waves", "1,100%", "--verify"];
    let stopped = fleet.tool("migrate", [&waves[..], &["false.sql"]].concat()).run().code_is(1);
    let lines = stopped.lines();
    assert_eq!((&lines[0]["target"], &lines[0]["status"]), (&"s0".into(), &"ok".into()), "{}", stopped.transcript());
    assert_eq!(
        (&lines[1]["target"], &lines[1]["status"]),
        (&"s1".into(), &"skipped".into()),
        "{}",
        stopped.transcript()
    );
    assert_eq!(fleet.sql(1, "SELECT to_regclass('a') IS NULL"), "t");
    let rest = fleet.tool("migrate", [&waves[..], &["true.sql"]].concat()).run().ok();
    let changed: Vec<_> =
        rest.lines().iter().filter(|line| line["changed"] == true).map(|line| line["target"].clone()).collect();
    assert_eq!(changed, ["s1"], "{}", rest.transcript());
}

#[test]
fn history_says_who_and_why() {
    let fleet = fleet(&[("V1__a.sql", "CREATE TABLE a (x int);")]);
    fleet.tool("migrate", ["apply", "--all", "--reason", "ticket 4711"]).env("FLOTILLA_COMMIT", "abc").run().ok();
    let outcome = fleet.tool("migrate", ["history"]).run().ok();
    let lines: Vec<_> = outcome.lines().into_iter().filter(|line| line["schema"] == "migrate.history/1").collect();
    assert_eq!(lines.len(), 2, "{}", outcome.transcript());
    assert_eq!(lines[0]["run_id"], lines[1]["run_id"]);
    for line in lines {
        assert_eq!(
            (&line["reason"], &line["commit"], &line["verb"]),
            (&"ticket 4711".into(), &"abc".into(), &"apply".into())
        );
    }
}

#[test]
fn what_a_script_makes_of_the_shards_name_is_no_difference() {
    let function = "CREATE OR REPLACE FUNCTION here() RETURNS text LANGUAGE sql AS $$ SELECT '${flotilla:shard}' $$;";
    let fleet = fleet(&[("R__here.sql", function)]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    assert_eq!((fleet.sql(0, "SELECT here()").as_str(), fleet.sql(1, "SELECT here()").as_str()), ("s0", "s1"));
    let outcome = fleet.tool("migrate", ["validate"]).run().ok();
    let lines = outcome.lines();
    assert_eq!(lines[0]["fingerprint"], lines[1]["fingerprint"], "{}", outcome.transcript());
    fleet.sql(1, "CREATE OR REPLACE FUNCTION here() RETURNS text LANGUAGE sql AS $$ SELECT 'elsewhere' $$");
    let outcome = fleet.tool("migrate", ["validate"]).run().code_is(1);
    let found: Vec<_> = outcome.lines().iter().filter_map(|line| line["object"].as_str().map(str::to_owned)).collect();
    assert_eq!(found, ["public.here()"], "{}", outcome.transcript());
}

#[test]
fn history_has_a_line_for_a_script_whatever_its_statements() {
    let fleet = fleet(&[
        ("V1__t.sql", "CREATE TABLE t (x int, y int);"),
        ("V2__i.sql", "CREATE INDEX CONCURRENTLY t_x ON t (x);\nCREATE INDEX CONCURRENTLY t_y ON t (y);"),
    ]);
    let shown = || -> Vec<(serde_json::Value, serde_json::Value)> {
        let outcome = fleet.tool("migrate", ["history", "-t", "s0"]).run().ok();
        let lines = outcome.lines().into_iter().filter(|line| line["schema"] == "migrate.history/1");
        lines.map(|line| (line["script"].clone(), line["statements_done"].clone())).collect()
    };
    fleet.tool("migrate", ["apply", "-t", "s0"]).env("FLOTILLA_FAILPOINT", "migrate.step_recorded").run();
    assert_eq!(shown(), [("V1__t.sql".into(), serde_json::Value::Null), ("V2__i.sql".into(), 1.into())]);
    fleet.tool("migrate", ["apply", "-t", "s0", "--lock-wait", "10s"]).run().ok();
    assert_eq!(shown(), [("V1__t.sql".into(), serde_json::Value::Null), ("V2__i.sql".into(), serde_json::Value::Null)]);
}

/// One shard, then half of them, then the rest: the second wave fails on one of its shards, so the third isn't begun;
/// the next run does exactly what is left.
#[test]
fn a_run_in_waves_goes_on_with_exactly_the_shards_that_are_left() {
    let fleet = Fleet::new().shards(6).init().start();
    write(&fleet, &[("V1__a.sql", "CREATE TABLE base.a (x int);")]);
    for shard in [0, 1, 3, 4, 5] {
        fleet.sql(shard, "CREATE SCHEMA base AUTHORIZATION owner");
    }
    let waves = ["apply", "--all", "--waves", "1,50%,100%"];
    let by_status = |outcome: &flotilla_tests::Outcome| {
        let mut lines: Vec<String> = outcome
            .lines()
            .iter()
            .map(|line| {
                format!("{} {} {}", line["target"].as_str().unwrap(), line["status"].as_str().unwrap(), line["changed"])
            })
            .collect();
        lines.sort();
        lines
    };
    let stopped = fleet.tool("migrate", waves).run().code_is(1);
    let ends =
        ["s0 ok true", "s1 ok true", "s2 error false", "s3 skipped false", "s4 skipped false", "s5 skipped false"];
    assert_eq!(by_status(&stopped), ends, "{}", stopped.transcript());
    // One more may fail, and the rest is done.
    let rest = fleet.tool("migrate", [&waves[..], &["--max-failed", "1"]].concat()).run().code_is(1);
    let ends = ["s0 ok false", "s1 ok false", "s2 error false", "s3 ok true", "s4 ok true", "s5 ok true"];
    assert_eq!(by_status(&rest), ends, "{}", rest.transcript());
    fleet.sql(2, "CREATE SCHEMA base AUTHORIZATION owner");
    let last = fleet.tool("migrate", waves).run().ok();
    let ends = ["s0 ok false", "s1 ok false", "s2 ok true", "s3 ok false", "s4 ok false", "s5 ok false"];
    assert_eq!(by_status(&last), ends, "{}", last.transcript());
    assert!(last.stderr.contains("wave 3 of 3"), "{}", last.transcript());
}

//! Writing migrations: numbers, files, and patterns that run on real shards as they are written.

use std::collections::BTreeMap;
use std::fs;

use flotilla_tests::{Fleet, Outcome, Sandbox};

/// What the samples of all patterns are about.
const BASE: &str = "\
CREATE TABLE users (user_id bigint PRIMARY KEY, name text NOT NULL DEFAULT 'nobody', age text, nick text);
SELECT flotilla.protect('users', 'user_id');
CREATE TABLE notes (user_id bigint NOT NULL, id bigint NOT NULL, body text, PRIMARY KEY (user_id, id));
SELECT flotilla.protect('notes', 'user_id');
CREATE TABLE events (user_id bigint NOT NULL, id bigint NOT NULL, at timestamptz NOT NULL, kind text,
    PRIMARY KEY (user_id, id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
CREATE TABLE events_2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00');
SELECT flotilla.protect('events', 'user_id');
CREATE TYPE mood AS ENUM ('good', 'bad');
";
const BACK: &str = "\
DROP TYPE mood;
SELECT flotilla.unprotect('events');
DROP TABLE events;
SELECT flotilla.unprotect('notes');
DROP TABLE notes;
SELECT flotilla.unprotect('users');
DROP TABLE users;
";

/// Each pattern in its ways, and whether every step of it can be taken back.
const SAMPLES: &[(&[&str], bool)] = &[
    (&["add-column", "table=users", "column=city", "type=text"], true),
    (&["add-column", "table=users", "column=\"Order\"", "type=bigint", "default=1", "required=true"], true),
    (
        &[
            "add-column",
            "table=notes",
            "column=token",
            "type=uuid",
            "default=gen_random_uuid()",
            "required=yes",
            "batch=2",
        ],
        true,
    ),
    (&["add-not-null", "table=users", "column=nick"], true),
    (&["add-foreign-key", "table=notes", "columns=user_id", "references=users", "on_delete=cascade"], true),
    (&["add-check", "table=notes", "check=length(body) < 100"], true),
    (&["add-index", "table=users", "columns=lower(nick), user_id DESC", "where=nick IS NOT NULL"], true),
    (&["add-index-partitioned", "table=events", "columns=user_id, kind"], true),
    (&["add-unique", "table=notes", "columns=user_id, body"], true),
    (&["rename-column", "table=users", "column=name", "to=full_name", "batch=2"], true),
    (&["rename-column", "table=users", "column=name", "to=full_name", "phase=finish"], true),
    (&["change-type", "table=users", "column=age", "type=numeric", "using=nullif(age, '')::numeric", "batch=2"], true),
    (
        &[
            "change-type",
            "table=users",
            "column=age",
            "type=numeric",
            "from_type=text",
            "using=nullif(age, '')::numeric",
            "phase=finish",
        ],
        true,
    ),
    (&["drop-column", "table=users", "column=full_name"], true),
    (&["drop-column", "table=users", "column=full_name", "phase=finish"], true),
    (&["create-table", "table=orders"], true),
    (
        &[
            "create-table",
            "table=\"Countries\"",
            "kind=reference",
            "columns=code text NOT NULL, name text NOT NULL",
            "primary_key=code",
        ],
        true,
    ),
    (&["create-table", "table=settings", "kind=local"], true),
    (&["detach-partition", "table=events", "partition=events_2026_01"], true),
    (&["drop-table", "table=settings"], true),
    (&["drop-table", "table=settings", "phase=finish"], false),
    (&["backfill", "table=users", "set=nick = upper(nick)", "where=nick <> upper(nick)", "batch=2"], false),
    (&["enum-value", "type=mood", "value=it's mixed", "after=good"], false),
];

fn new(sandbox: &Sandbox, sample: &[&str]) -> Outcome {
    let (pattern, parameters) = sample.split_first().unwrap();
    let parameters = parameters.iter().flat_map(|parameter| ["-p", parameter]);
    sandbox.tool("migrate", ["new", "--pattern", pattern].into_iter().chain(parameters)).run()
}

fn files(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let folder = fs::read_dir(sandbox.path().join("migrations")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .map(|name| (name.clone(), fs::read_to_string(sandbox.path().join("migrations").join(name)).unwrap()))
        .collect()
}

#[test]
fn without_cluster_and_server_the_next_version_is_written() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.tool("migrate", ["new", "add moods, at last!"]).run().ok();
    assert!(outcome.stderr.is_empty(), "{}", outcome.transcript());
    let paths: Vec<_> = outcome.lines().iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(paths, ["migrations/V1__add_moods_at_last.sql", "migrations/U1__add_moods_at_last.sql"]);
    for (last, next) in
        [("V007__a.sql", "008"), ("V8.2__b.sql", "8.3"), ("U9__c.sql", "10"), ("B010.5__d.sql", "010.6")]
    {
        sandbox.file(format!("migrations/{last}"), "SELECT 1;");
        let outcome = sandbox.tool("migrate", ["new", "next", "--dry-run"]).run().ok();
        assert!(
            outcome.lines().iter().all(|line| line["version"] == next && line["status"] == "planned"),
            "{}",
            outcome.transcript()
        );
    }
    assert_eq!(files(&sandbox).len(), 6, "a dry run writes nothing");
    let stamped = sandbox.tool("migrate", ["new", "later", "--timestamp"]).run().ok();
    let version = stamped.lines()[0]["version"].as_str().unwrap().to_owned();
    assert_eq!(version.len(), 14, "{version}");
    let after = sandbox.tool("migrate", ["new", "later still"]).run().ok();
    assert!(after.lines()[0]["version"].as_str().unwrap() > version.as_str(), "{}", after.transcript());
    let repeated = sandbox.tool("migrate", ["new", "names", "--repeatable"]).run().ok();
    assert_eq!((&repeated.lines()[0]["kind"], repeated.lines().len()), (&"repeatable".into(), 1));
}

#[test]
fn nothing_is_ever_written_over() {
    let sandbox = Sandbox::new();
    sandbox.file("migrations/V3__here.sql", "SELECT 3;");
    sandbox.file("migrations/R__names.sql", "SELECT 4;");
    let before = files(&sandbox);
    for (args, says) in [
        (&["new", "other", "--version", "3.0"][..], "version 3.0 is there already"),
        (&["new", "names", "--repeatable"], "is there already; nothing was written"),
        (&["new", "!?"], "has no word"),
        (&["new", "x", "--config", "nowhere.toml"], "could not read nowhere.toml"),
        (&["new", "--pattern", "add-column", "-p", "table=users"], "needs column"),
        (&["new", "--pattern", "add-column", "-p", "table=users", "-p", "colum=x"], "knows no \"colum\""),
        (&["new", "--pattern", "add-check", "-p", "table=a; DROP TABLE a", "-p", "check=true"], "is no name"),
        (&["new", "--pattern", "add-kolumn"], "there is no such pattern"),
        (&["new", "--pattern", "add-index", "-p", "table=t", "-p", "columns=a) WHERE (b"], "is more than columns"),
        (
            &["new", "--pattern", "backfill", "-p", "table=t", "-p", "set=a = 1", "-p", "where=a = 0"],
            "which the scripts don't tell",
        ),
    ] {
        let outcome = sandbox.tool("migrate", args).run().code_is(2).no_lines().says(says);
        assert_eq!(files(&sandbox), before, "{}", outcome.transcript());
    }
}

#[test]
fn a_killed_run_has_written_nothing_or_is_completed_by_the_next() {
    let sandbox = || {
        let sandbox = Sandbox::new();
        sandbox.file("migrations/V1__users.sql", "CREATE TABLE users (user_id bigint PRIMARY KEY, name text);");
        sandbox
    };
    let rename = ["new", "--pattern", "rename-column", "-p", "table=users", "-p", "column=name", "-p", "to=full_name"];
    let unkilled = sandbox();
    let said = unkilled.tool("migrate", rename).run().ok();
    let paths = |outcome: &Outcome| outcome.lines().iter().map(|line| line["path"].clone()).collect::<Vec<_>>();
    let (whole, paths_of_whole) = (files(&unkilled), paths(&said));
    let is_options = |name: &String| std::path::Path::new(name).extension().is_some_and(|last| last == "conf");
    assert!(whole.keys().any(is_options) && whole.len() > 5, "{whole:?}");

    let places = ["migrate.new_written@1".to_owned(), "migrate.new_staged@1".to_owned()];
    for failpoint in places.into_iter().chain((1..whole.len()).map(|nth| format!("migrate.new_moved@{nth}"))) {
        let sandbox = sandbox();
        let killed = sandbox.tool("migrate", rename).env("FLOTILLA_FAILPOINT", &failpoint).run();
        assert_eq!(killed.code(), None, "{failpoint} was not come by: {}", killed.transcript());
        // What is there already can be applied: the first versions, with their options.
        let there = scripts(&sandbox);
        for options in whole.keys().filter(|name| is_options(name)) {
            let script = options.trim_end_matches(".conf");
            assert!(there.contains(options) || !there.contains(&script.to_owned()), "{failpoint}: {there:?}");
        }
        let planned = sandbox.tool("migrate", rename).args(["--dry-run"]).run().ok();
        assert_eq!(paths(&planned), paths_of_whole, "{failpoint}");
        let again = sandbox.tool("migrate", rename).run().ok();
        assert_eq!(paths(&again), paths_of_whole, "{failpoint}");
        assert_eq!(files(&sandbox), whole, "{failpoint}");
    }

    // What was something else is completed first, and counts.
    let sandbox = sandbox();
    sandbox.tool("migrate", rename).env("FLOTILLA_FAILPOINT", "migrate.new_moved").run();
    let other = sandbox.tool("migrate", ["new", "other"]).run().ok().says("an interrupted run's files were put");
    let last = format!(
        "migrations/V{}__other.sql",
        whole.keys().filter(|name| name.starts_with('V') && !is_options(name)).count() + 1
    );
    assert_eq!(other.lines()[0]["path"], last.as_str(), "{}", other.transcript());
    assert!(whole.keys().all(|name| files(&sandbox).contains_key(name)));

    // Nothing is written over, then either.
    let sandbox = self::Sandbox::new();
    sandbox.tool("migrate", ["new", "a"]).env("FLOTILLA_FAILPOINT", "migrate.new_moved").run();
    sandbox.file("migrations/U1__a.sql", "SELECT 1;");
    let refused = sandbox.tool("migrate", ["new", "a"]).run().code_is(2).says("is in the way of a new file");
    assert_eq!(fs::read_to_string(sandbox.path().join("migrations/U1__a.sql")).unwrap(), "SELECT 1;");
    fs::remove_file(sandbox.path().join("migrations/U1__a.sql")).unwrap();
    sandbox.tool("migrate", ["new", "a"]).run().ok();
    assert_eq!(files(&sandbox).len(), 2, "{}", refused.transcript());
}

/// The names of the files that aren't hidden.
fn scripts(sandbox: &Sandbox) -> Vec<String> {
    let folder = fs::read_dir(sandbox.path().join("migrations")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn two_at_once_write_two_versions() {
    let sandbox = Sandbox::new();
    let runs: Vec<_> = (0..8)
        .map(|at| sandbox.tool("migrate", ["new", &format!("number {at}"), "--lock-wait", "60s"]).start())
        .collect();
    let mut versions: Vec<String> =
        runs.into_iter().map(|run| run.finish().ok().lines()[0]["version"].as_str().unwrap().to_owned()).collect();
    versions.sort();
    assert_eq!(versions, ["1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[test]
fn a_pattern_refuses_what_a_shard_cant_keep() {
    let sandbox = Sandbox::new();
    sandbox.file("migrations/V1__base.sql", BASE);
    for (sample, says) in [
        (&["add-unique", "table=notes", "columns=body"][..], "lack the shard key \"user_id\""),
        (&["add-index", "table=events", "columns=kind"], "the table is partitioned"),
        (&["rename-column", "table=users", "column=user_id", "to=uid"], "is in the table's key"),
        (&["add-column", "table=users", "column=x", "type=int", "required=true"], "needs a default"),
        (&["add-not-null", "table=users", "column=name"], "NOT NULL already"),
        (&["create-table", "table=users"], "make such a table already"),
        (&["enum-value", "type=mood", "value=x"], "have an order"),
    ] {
        new(&sandbox, sample).code_is(2).no_lines().says(says);
    }
    assert_eq!(files(&sandbox).len(), 1);
}

#[test]
fn every_pattern_has_a_sample() {
    let sandbox = Sandbox::new();
    let listed = sandbox.tool("migrate", ["new", "--list"]).run().ok();
    let listed: Vec<String> = listed.lines().iter().map(|line| line["pattern"].as_str().unwrap().to_owned()).collect();
    for pattern in &listed {
        assert!(SAMPLES.iter().any(|(sample, _)| sample[0] == pattern), "{pattern}");
    }
    assert!(listed.is_sorted() && listed.len() == 15, "{listed:?}");
}

/// Each pattern on top of the ones before it, as in a project: lints clean, is applied, taken back step by step with
/// nothing left, and applied again, while rows are there.
#[test]
fn every_pattern_is_clean_runs_and_can_be_taken_back() {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.file("migrations/V1__base.sql", BASE);
    fleet.file("migrations/U1__base.sql", BACK);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    fleet.sql(0, "INSERT INTO users (user_id, name, age, nick) SELECT n, 'name ' || n, (n * 2)::text, 'nick ' || n FROM generate_series(1, 7) n");
    fleet.sql(0, "INSERT INTO notes SELECT 1 + n % 7, n, 'body ' || n FROM generate_series(1, 7) n");
    fleet.sql(0, "INSERT INTO events SELECT 1 + n % 7, n, '2026-01-20', 'kind' FROM generate_series(1, 7) n");
    for (sample, exact) in SAMPLES {
        let before = schema(&fleet);
        let written = new(&fleet, sample).ok();
        let versions = written.lines().iter().filter(|line| line["kind"] == "versioned").count();
        let lint = fleet.tool("migrate", ["lint"]).run().ok();
        assert!(lint.lines().is_empty(), "{sample:?}\n{}\n{:#?}", lint.transcript(), files(&fleet));
        let applied = fleet.tool("migrate", ["apply", "--all"]).run();
        assert_eq!(applied.code(), Some(0), "{}\n{:#?}", applied.transcript(), files(&fleet));
        let after = schema(&fleet);
        assert_ne!(before == after, *sample[0] != *"backfill", "{sample:?} changes the schema");
        if !exact {
            continue;
        }
        let last =
            written.lines().iter().filter_map(|line| line["version"].as_str()?.parse::<usize>().ok()).max().unwrap();
        for steps in 1..=versions {
            let to = (last - steps).to_string();
            let undone = fleet.tool("migrate", ["undo", "--all", "--yes", "--to", &to]).run();
            assert_eq!(undone.code(), Some(0), "{sample:?}\n{}\n{:#?}", undone.transcript(), files(&fleet));
            if steps == versions {
                same(&schema(&fleet), &before, &format!("{sample:?} taken back"));
            }
            let again = fleet.tool("migrate", ["apply", "--all"]).run();
            assert_eq!(again.code(), Some(0), "{sample:?}\n{}\n{:#?}", again.transcript(), files(&fleet));
            same(&schema(&fleet), &after, &format!("{sample:?} applied again after {steps} steps back"));
        }
    }
    fleet.tool("migrate", ["validate"]).run().ok();
    let rows = "SELECT string_agg(concat_ws(',', user_id, full_name, age, nick), ';' ORDER BY user_id) FROM users";
    assert_eq!(fleet.sql(0, &rows.replace("full_name, ", "")).split(';').next(), Some("1,2,NICK 1"));
    assert_eq!(fleet.sql(0, "SELECT count(*), count(token), count(DISTINCT token) FROM notes"), "7|7|7");
}

#[track_caller]
fn same(is: &str, was: &str, when: &str) {
    let only = |one: &str, other: &str| -> Vec<String> {
        one.lines().filter(|line| !other.lines().any(|known| known == *line)).map(str::to_owned).collect()
    };
    assert!(is == was, "{when}: is {:#?}, was {:#?}", only(is, was), only(was, is));
}

/// What psql would show of the schema, without the order of columns.
fn schema(fleet: &Fleet) -> String {
    let dump = fleet.primary(0).sql_in(
        "app",
        "SELECT string_agg(d, E'\\n' ORDER BY d) FROM (
           SELECT format('%s.%s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull,
                         pg_get_expr(adbin, adrelid))
           FROM pg_attribute LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
           JOIN pg_class ON pg_class.oid = attrelid
           WHERE attnum > 0 AND NOT attisdropped AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
           UNION ALL SELECT format('%s on %s %s %s', conname, conrelid::regclass, pg_get_constraintdef(oid), convalidated)
           FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conname <> 'flotilla_fence'
           UNION ALL SELECT format('%s valid %s', pg_get_indexdef(indexrelid), indisvalid)
           FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace
           UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
           UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
           WHERE pronamespace = 'public'::regnamespace AND proowner = 'owner'::regrole
           UNION ALL SELECT format('%s in %s %s', relid, parentrelid, isleaf) FROM pg_partition_tree('events')
           UNION ALL SELECT format('%s %s', enumtypid::regtype, string_agg(enumlabel, ',' ORDER BY enumsortorder)) FROM pg_enum GROUP BY enumtypid
           UNION ALL SELECT format('%s is %s %s', relation, kind, key_column) FROM flotilla.tables JOIN pg_class ON oid = relation
         ) AS s (d)",
    );
    dump.unwrap_or_else(|e| panic!("{}", e.text("sql")))
}

/// A client writes while columns are changed: whichever of both it knows, no value is lost.
#[test]
fn old_and_new_clients_see_the_same_values() {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.file("migrations/V1__base.sql", BASE);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    fleet.sql(0, "INSERT INTO users (user_id, name, age) VALUES (1, 'one', '007'), (2, 'two', NULL)");
    new(&fleet, &["change-type", "table=users", "column=age", "type=integer"]).ok();
    new(&fleet, &["rename-column", "table=users", "column=name", "to=full_name"]).ok();
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    let rows =
        "SELECT string_agg(concat_ws(',', user_id, name, full_name, age, age_new), ' ' ORDER BY user_id) FROM users";
    assert_eq!(fleet.sql(0, rows), "1,one,one,007,7 2,two,two", "filling changes no old value");
    fleet.sql(0, "INSERT INTO users (user_id, name, age) VALUES (3, 'three', '3')");
    fleet.sql(0, "INSERT INTO users (user_id, full_name, age_new) VALUES (4, 'four', 4)");
    fleet.sql(0, "INSERT INTO users (user_id) VALUES (5)");
    fleet.sql(0, "UPDATE users SET name = 'eins', age = '1' WHERE user_id = 1");
    fleet.sql(0, "UPDATE users SET full_name = 'zwei', age_new = 2 WHERE user_id = 2");
    assert_eq!(fleet.sql(0, rows), "1,eins,eins,1,1 2,zwei,zwei,2,2 3,three,three,3,3 4,four,four,4,4 5,nobody,nobody");
}

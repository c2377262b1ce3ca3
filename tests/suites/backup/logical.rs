//! Logical dumps: `walg-wrap push --type logical` and its way back.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use flotilla_native::postgres::Server;
use flotilla_tests::Fleet;
use serde_json::Value;

use super::source::{LONG, objects, private};
use super::walg::{LAYOUTS, Layout};

/// Names with all that a name may hold, partitions, fences, policies, sequences, large objects.
const SCHEMA: &str = r#"
    SET ROLE owner;
    CREATE TABLE events (user_id bigint NOT NULL, at date NOT NULL, id bigint NOT NULL,
        body text, PRIMARY KEY (user_id, at, id)) PARTITION BY RANGE (at);
    CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    RESET ROLE;
    SELECT flotilla.protect('events', 'user_id');
    CREATE SCHEMA "odd ""Schema""; --";
    CREATE TABLE "odd ""Schema""; --"."TABLE DATA
        of 'x'" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "from" text,
        twice int GENERATED ALWAYS AS (id * 2) STORED);
    CREATE TABLE "flotilla likeness" (id int);
    CREATE SEQUENCE counter START 41 INCREMENT 7;
    CREATE TABLE secret (id int PRIMARY KEY, whose name DEFAULT current_user, text text);
    ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
    ALTER TABLE secret FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON secret USING (whose = current_user);
    CREATE TABLE empty ();
    CREATE UNLOGGED TABLE passing (id int);
    CREATE MATERIALIZED VIEW summary AS SELECT count(*) AS n FROM secret;
    CREATE VIEW shown AS SELECT id FROM secret;
    CREATE TYPE mood AS ENUM ('good', 'b''ad');
    CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
    CREATE TABLE typed (m mood, e even, a int[], j jsonb);
    CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no row may pass'; END $$;
    CREATE PUBLICATION changes FOR TABLE secret;
"#;

const ROWS: &str = r#"
    INSERT INTO events SELECT u, CASE u % 2 WHEN 0 THEN '2024-05-05' ELSE '2025-05-05' END::date, u,
        E'tab\there\nline\\N ' || u FROM (SELECT g::bigint FROM generate_series(1, 4000) g) AS s (u)
        WHERE flotilla.bucket(u) IN (SELECT b FROM flotilla.ownership, generate_series(first_bucket, last_bucket) AS b
                                     WHERE state = 'owned');
    INSERT INTO "odd ""Schema""; --"."TABLE DATA
        of 'x'" ("from") SELECT 'row ' || g FROM generate_series(1, 1000) g;
    INSERT INTO secret SELECT g, 'nobody', repeat(md5(g::text), 40) FROM generate_series(1, 20000) g;
    INSERT INTO typed VALUES ('b''ad', 4, '{1,NULL,3}', '{"a": "\u00e9"}'), (NULL, NULL, NULL, NULL);
    INSERT INTO passing VALUES (1);
    SELECT nextval('counter'), nextval('counter');
    SELECT lo_from_bytea(0, convert_to('large ' || g, 'UTF8')) FROM generate_series(1, 20) g;
    SELECT lo_from_bytea(0, decode(repeat('00ff', 3000000), 'hex'));
    REFRESH MATERIALIZED VIEW summary;
    CREATE TRIGGER touched BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION touched();
"#;

fn fleet(layout: Layout, replicas: u8) -> Fleet {
    let mut fleet =
        Fleet::new().shards(2).replicas(replicas).init().archiving().set("hot_standby_feedback", "on").start();
    let settings = layout.settings(&fleet);
    fleet.archive(&settings);
    let key = fleet.operator("key");
    fs::write(&key, super::source::KEY).unwrap();
    private(&key);
    fleet.sql(0, SCHEMA);
    fleet.sql(0, ROWS);
    fleet.archived(0);
    fleet
}

fn push(fleet: &Fleet, args: &[&str]) -> Value {
    let args = [&["push", "-t", "s0", "--type", "logical"], args].concat();
    fleet.as_operator("walg-wrap", args).run().ok().line("s0")
}

fn fetch(fleet: &Fleet, args: &[&str]) -> flotilla_tests::Run {
    fleet.as_operator("walg-wrap", [&["fetch", "-t", "s0", "--type", "logical"], args].concat())
}

/// Everything that must be the same, but what changes by being restored: ownership, fences, the ledger.
fn content(server: &Server, database: &str) -> String {
    let psql = |sql: &str| server.sql_in(database, sql).unwrap();
    let rows = psql(
        "SELECT string_agg(CASE relkind WHEN 'S' THEN format('SELECT %L || (last_value, is_called)::text FROM %s', name, name) \
         ELSE format('SELECT %L || count(*) || coalesce(md5(string_agg(t::text, %L ORDER BY t::text)), %L) \
         AS line FROM ONLY %s t', name, ',', '-', name) END, ' UNION ALL ') \
         FROM (SELECT oid::regclass || ' ' AS name, * FROM pg_class) AS c \
         WHERE relkind IN ('r', 'm', 'S') AND relnamespace NOT IN \
         ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace) \
         AND relname NOT IN ('ownership', 'ledger', 'ledger_line_seq')",
    );
    let objects = psql(&format!("SELECT string_agg(line, E'\\n' ORDER BY line) FROM ({rows}) AS all_of_it (line)"));
    let shapes = psql(
        "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ( \
         SELECT format('%s %s %s %s', oid::regclass, relkind, \
           coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner)), \
           pg_get_userbyid(relowner)) AS line \
           FROM pg_class WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace \
         UNION ALL SELECT format('%s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod)) \
           FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid \
           WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped AND c.relkind <> 't' \
             AND relnamespace <> 'pg_toast'::regnamespace \
         UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint \
           WHERE conname <> 'flotilla_fence' AND oid >= 16384 \
         UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger \
           WHERE NOT tgisinternal AND tgname NOT LIKE 'zz_flotilla_%' \
         UNION ALL SELECT format('%s %s', polrelid::regclass, polname) FROM pg_policy \
         UNION ALL SELECT format('%s %s', defaclobjtype, defaclacl) FROM pg_default_acl \
         UNION ALL SELECT evtname FROM pg_event_trigger UNION ALL SELECT pubname FROM pg_publication \
         UNION ALL SELECT format('%s %s', oid::regprocedure, md5(prosrc)) FROM pg_proc WHERE oid >= 16384) AS shapes",
    );
    let large = psql(
        "SELECT count(*) || md5(string_agg(oid || md5(lo_get(oid)), ',' ORDER BY oid)) FROM pg_largeobject_metadata",
    );
    format!("{objects}\n{shapes}\n{large}")
}

/// Shows the lines in which two databases differ.
#[track_caller]
fn same(found: &str, expected: &str) {
    let without = |one: &str, other: &str| {
        let other: Vec<&str> = other.lines().collect();
        one.lines().filter(|line| !other.contains(line)).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(without(found, expected), without(expected, found));
    assert_eq!(found.lines().count(), expected.lines().count());
    assert!(expected.lines().count() > 100);
}

fn documents(fleet: &Fleet) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(fleet.path().join("archive/s0/flotilla/logical")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path().join("dump.json")).filter(|path| path.exists()).collect()
}

/// Nothing lies where rows passed through.
fn nothing_left(fleet: &Fleet) {
    let left: Vec<_> = fs::read_dir(fleet.operator("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn round_trip(layout: Layout, replicas: u8) {
    let fleet = fleet(layout, replicas);
    let before = content(fleet.primary(0), "app");
    let pushed = push(&fleet, &["--spool-mib", "1", "--user-data", "{\"why\": 1}"]);
    assert_eq!(pushed["node"], if replicas > 0 { "s0-b" } else { "s0-a" }, "{pushed}");
    assert_eq!(pushed["large_objects"], 21, "{pushed}");
    assert!(pushed["roles"].as_array().unwrap().contains(&"owner".into()), "{pushed}");
    let files = fs::read_dir(documents(&fleet)[0].with_file_name("files")).unwrap().count();
    assert!(files >= 2, "a large table and a large object are objects of their own");
    nothing_left(&fleet);

    fleet.primary(0).sql("CREATE DATABASE \"Re-stored\" TEMPLATE template0").unwrap();
    let fetched = fetch(&fleet, &["--into", "Re-stored"]).run().ok().line("s0");
    assert_eq!((&fetched["rows"].is_u64(), &fetched["tables"]), (&true, &pushed["tables"]), "{fetched}");
    nothing_left(&fleet);
    let restored = |sql: &str| fleet.primary(0).sql_in("Re-stored", sql).unwrap();
    let mut after = content(fleet.primary(0), "Re-stored");
    let mut expected = before;
    if replicas > 0 {
        // A standby has no rows of unlogged tables, and its sequences are up to 32 values ahead.
        let comes = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with("passing ") && !line.ends_with(",t)"));
            lines.collect::<Vec<_>>().join("\n")
        };
        (expected, after) = (comes(&expected), comes(&after));
        assert!(pushed["warnings"].to_string().contains("unlogged"), "{pushed}");
    }
    same(&after, &expected);
    assert_eq!(restored("SELECT string_agg(state, ',') FROM flotilla.ownership"), "none");
    assert_eq!(restored("SELECT bool_and(current) FROM flotilla.fences"), "t");
    let refused = fleet.primary(0).sql_in("Re-stored", "INSERT INTO events SELECT * FROM events LIMIT 1");
    assert!(refused.unwrap_err().text("sql").contains("does not own"));
    assert_eq!(
        restored(
            "SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = 'Re-stored'"
        ),
        "0"
    );

    fetch(&fleet, &["--into", "Re-stored"]).run().code_is(3);
    let untouched = "SELECT count(*) FROM secret";
    assert_eq!(restored(untouched), "20000");
}

#[test]
fn a_database_comes_back_as_it_was_and_owns_nothing() {
    round_trip(LAYOUTS[1], 0);
}

#[test]
fn a_standby_is_dumped_where_there_is_one() {
    round_trip(LAYOUTS[2], 1);
}

#[test]
fn a_dump_that_is_killed_is_not_listed_and_the_next_one_is() {
    let fleet = fleet(LAYOUTS[0], 0);
    for (at, place) in ["begun", "dumped", "files", "contents", "document"].into_iter().enumerate() {
        let run = fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--type", "logical"]);
        let outcome = run.env("FLOTILLA_FAILPOINT", format!("dump.{place}")).run();
        assert_eq!(outcome.signal(), Some(9), "{}", outcome.transcript());
        assert_eq!(documents(&fleet).len(), usize::from(at == 4), "killed at dump.{place}");
    }
    let pushed = push(&fleet, &[]);
    assert_eq!(documents(&fleet).len(), 2, "{pushed}");
    nothing_left(&fleet);
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM flotilla.ledger WHERE tool = 'walg-wrap'"), "1");
}

#[test]
fn a_restore_that_is_killed_is_recognised_and_done_again() {
    let fleet = fleet(LAYOUTS[0], 0);
    let before = content(fleet.primary(0), "app");
    push(&fleet, &[]);
    fleet.primary(1).sql("CREATE DATABASE elsewhere TEMPLATE template0").unwrap();
    let into = ["--into", "elsewhere", "--on", "s1"];
    for place in ["marked", "laid_out", "pre_data", "data", "post_data", "fences"] {
        let outcome = fetch(&fleet, &into).env("FLOTILLA_FAILPOINT", format!("load.{place}")).run();
        assert_eq!(outcome.signal(), Some(9), "{}", outcome.transcript());
        let mark = fleet.primary(1).sql_in("elsewhere", "SELECT current_setting('flotilla.restoring', true)").unwrap();
        assert!(mark.starts_with("20"), "killed at load.{place}: {mark}");
    }
    let fetched = fetch(&fleet, &into).run().ok().line("s0");
    assert_eq!(fetched["cleared"], true, "{fetched}");
    same(&content(fleet.primary(1), "elsewhere"), &before);
    nothing_left(&fleet);
}

#[test]
fn a_restore_that_cant_be_touches_nothing() {
    let fleet = fleet(LAYOUTS[0], 0);
    let refused = |args: &[&str], code: i32, why: &str| {
        let outcome = fetch(&fleet, args).run().code_is(code);
        let said = if code == 2 { outcome.stderr } else { outcome.line("s0")["error"]["message"].to_string() };
        assert!(said.contains(why), "{said}");
    };
    refused(&["--into", "app"], 1, "there is no logical dump");
    push(&fleet, &[]);
    refused(&["--into", "app"], 3, "database \\\"app\\\" is not empty");
    refused(&["--into", "nowhere"], 1, "does not exist");
    refused(&["20240101T000000Z", "--into", "app"], 2, "is no name of a logical dump");
    refused(&["20240101T000000.000Z", "--into", "app"], 1, "it is not there");
    refused(&["--into", "postgresql://x:secret@localhost/app"], 2, "password");
    fleet.primary(1).sql("CREATE DATABASE fresh TEMPLATE template0").unwrap();
    fleet
        .primary(1)
        .sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
        .unwrap();
    refused(&["--into", "latin", "--on", "s1"], 3, "is encoded in");
    fleet.primary(0).sql("CREATE ROLE \"some body\"").unwrap();
    fleet.sql(0, "GRANT SELECT ON shown TO \"some body\"");
    push(&fleet, &[]);
    refused(&["--into", "fresh", "--on", "s1"], 3, "has no role some body");
    let damaged = documents(&fleet).into_iter().max().unwrap().with_file_name("files");
    fleet.primary(1).sql("CREATE ROLE \"some body\"").unwrap();
    let file = fs::read_dir(&damaged).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let outcome = fetch(&fleet, &["--into", "fresh", "--on", "s1"]).run().code_is(1);
    assert_eq!(outcome.line("s0")["error"]["code"], "mismatch", "{}", outcome.transcript());
    let mark = fleet.primary(1).sql_in("fresh", "SHOW flotilla.restoring").unwrap();
    assert!(mark.starts_with("20"), "{mark}");
}

/// Makes everything of a dump look as old as this.
fn aged(fleet: &Fleet, dump: &str, hours: u64) {
    let then = SystemTime::now() - Duration::from_hours(hours);
    for path in objects(&fleet.path().join("archive/s0/flotilla/logical").join(dump)) {
        fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
}

#[test]
fn dumps_are_listed_and_retired_by_rules_of_their_own() {
    let fleet = fleet(LAYOUTS[0], 0);
    fleet.sql(
        0,
        "DELETE FROM secret; DROP MATERIALIZED VIEW summary; SELECT lo_unlink(oid) FROM pg_largeobject_metadata",
    );
    let name = |line: &Value| line["dump"].as_str().unwrap().to_owned();
    let kept = name(&push(&fleet, &["--permanent"]));
    let dumps: Vec<String> = (0..3).map(|_| name(&push(&fleet, &[]))).collect();
    let killed = fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--type", "logical"]);
    assert_eq!(killed.env("FLOTILLA_FAILPOINT", "dump.contents").run().signal(), Some(9));
    let state = |line: &Value| (line["dump"].as_str().unwrap().to_owned(), line["state"].as_str().unwrap().to_owned());
    let ls = || {
        let lines = fleet.as_operator("walg-wrap", ["ls", "-t", "s0", "--type", "logical"]).run().ok().lines();
        let end = lines.last().unwrap().clone();
        (lines.iter().filter(|line| line["dump"].is_string()).map(state).collect::<Vec<_>>(), end)
    };
    let (listed, end) = ls();
    let of =
        |state: &str| listed.iter().filter(|(_, is)| is == state).map(|(dump, _)| dump.clone()).collect::<Vec<_>>();
    assert_eq!(of("finished"), [&[kept.clone()][..], &dumps].concat());
    let [unfinished] = <[String; 1]>::try_from(of("unfinished")).unwrap();
    assert_eq!((&end["dumps"], &end["other_dumps"]), (&4.into(), &1.into()), "{end}");
    assert!(!fleet.as_operator("walg-wrap", ["ls", "-t", "s0", "--type", "base"]).run().ok().stdout.contains(&kept));
    assert!(fleet.as_operator("walg-wrap", ["ls", "-t", "s0"]).run().ok().stdout.contains(&kept));

    let retain = |args: &[&str]| fleet.as_operator("walg-wrap", [&["retain", "-t", "s0"], args].concat());
    let before = objects(&fleet.path().join("archive/s0"));
    let gone = |lines: &[Value], kind: &str| {
        let gone = lines.iter().filter(|line| line["action"] == "delete" && line["kind"] == kind);
        gone.map(|line| line["object"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let planned = retain(&["--dumps", "1"]).run().code_is(3);
    assert_eq!(gone(&planned.lines(), "dump"), dumps[..2], "{}", planned.transcript());
    assert!(gone(&planned.lines(), "unfinished_dump").is_empty(), "it may be being made");
    assert_eq!(gone(&retain(&["--dump-days", "1", "--dry-run"]).run().ok().lines(), "dump").len(), 0);
    // Rules of backups say nothing of dumps, and the other way round.
    let unruled = retain(&["--full", "1", "--dry-run"]).run().ok().lines();
    assert!(gone(&unruled, "dump").is_empty() && unruled.iter().any(|line| line["reason"] == "no_rule"), "{unruled:?}");
    assert!(gone(&planned.lines(), "wal").is_empty());
    assert_eq!(objects(&fleet.path().join("archive/s0")), before, "a plan changes nothing");

    aged(&fleet, &unfinished, 25);
    for place in ["intent", "garbage", "sentinel", "parts", "backup"] {
        let outcome = retain(&["--dumps", "1", "--yes"]).env("FLOTILLA_FAILPOINT", format!("retain.{place}")).run();
        assert_eq!(outcome.signal(), Some(9), "{place}: {}", outcome.transcript());
        let (listed, _) = ls();
        assert!(listed.iter().all(|(_, state)| state == "finished" || state == "unfinished"), "{place}: {listed:?}");
        let state = fleet.operator("state").join(place);
        let verified =
            fleet.as_operator("walg-wrap", ["verify", "-t", "s0"]).env("XDG_STATE_HOME", state).run_within(LONG);
        let end = verified.lines().pop().unwrap();
        assert_eq!(end["errors"], 0, "{place}: {}", verified.transcript());
    }
    retain(&["--dumps", "1", "--yes"]).run().ok();
    let again = retain(&["--dumps", "1", "--yes"]).run().ok().lines().pop().unwrap();
    assert_eq!(again["changed"], false, "{again}");
    let (listed, _) = ls();
    assert_eq!(listed.iter().map(|(dump, _)| dump.as_str()).collect::<Vec<_>>(), [&kept, &dumps[2]]);
    let left = objects(&fleet.path().join("archive/s0"));
    for dump in dumps[..2].iter().chain([&unfinished]) {
        let of_it: Vec<_> = left.iter().filter(|path| path.to_str().unwrap().contains(&dump[..8])).collect();
        assert!(!of_it.iter().any(|path| path.to_str().unwrap().contains(dump.as_str())), "{of_it:?}");
    }
    fleet.primary(0).sql("CREATE DATABASE again TEMPLATE template0").unwrap();
    fetch(&fleet, &[&dumps[2], "--into", "again"]).run().ok();
}

#[test]
fn flags_of_the_other_kind_of_backup_are_refused() {
    let mut sandbox = flotilla_tests::Sandbox::new();
    sandbox.topology(flotilla_tests::Topology::default().shard("s0", "127.0.0.11", 15432).to_string());
    let refused = |args: &[&str]| {
        let run = sandbox.tool("walg-wrap", [&["push", "-t", "s0"], args].concat()).run();
        run.code_is(2).no_lines().says("Leave them out");
    };
    refused(&["--type", "logical", "--max-deltas", "3"]);
    refused(&["--type", "logical", "--wal-timeout", "1m"]);
    refused(&["--type", "delta", "--spool-mib", "12"]);
    refused(&["--database", "app"]);
}

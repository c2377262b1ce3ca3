//! Applying: order, transactions, what is refused.

use super::{fleet, history, ledger, write};

const USERS: (&str, &str) = (
    "V1__users.sql",
    "CREATE TABLE users (user_id bigint PRIMARY KEY, name text);\nSELECT flotilla.protect('users', 'user_id');\n",
);

#[test]
fn every_shard_gets_each_script_once() {
    let fleet = fleet(&[
        USERS,
        ("V2__index.sql", "CREATE INDEX CONCURRENTLY users_name ON users (name);"),
        ("V10__moods.sql", "CREATE TYPE mood AS ENUM ('a;b');"),
        ("R__names.sql", "CREATE OR REPLACE VIEW names AS SELECT '${flotilla:shard}' AS shard, name FROM users;"),
    ]);
    let outcome = fleet.tool("migrate", ["apply", "--all"]).run().ok();
    for line in outcome.lines() {
        assert_eq!(
            line["scripts"],
            serde_json::json!(["V1__users.sql", "V2__index.sql", "V10__moods.sql", "R__names.sql"])
        );
        assert_eq!((&line["changed"], &line["to_version"]), (&true.into(), &"10".into()));
    }
    let (rows, lines) = (history(&fleet, 0), ledger(&fleet, 0));
    let second = fleet.tool("migrate", ["apply", "--all"]).run().ok();
    assert!(second.lines().iter().all(|line| line["changed"] == false), "{}", second.transcript());
    assert_eq!((history(&fleet, 0), ledger(&fleet, 0)), (rows, lines));
    assert_eq!(fleet.sql(1, "SELECT relowner::regrole FROM pg_class WHERE relname = 'users'"), "owner");
    assert_eq!(fleet.sql(1, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "0");
}

/// Whoever applies migrations writes the history; applications may read at which version they are.
#[test]
fn nobody_else_writes_to_the_history() {
    let fleet = fleet(&[USERS]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    let may = |right: &str| {
        let asked = format!("has_table_privilege(rolname, 'flyway_schema_history', '{right}')");
        let roles = format!(
            "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE {asked} AND NOT rolsuper AND rolname !~ '^pg_'"
        );
        fleet.sql(0, &roles)
    };
    let readers = may("SELECT");
    for reader in ["analytics", "app", "app_ro"] {
        assert!(readers.split(' ').any(|name| name == reader), "{readers}");
    }
    let owners = fleet.sql(
        0,
        "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE pg_has_role(rolname, 'owner', 'USAGE') AND NOT rolsuper",
    );
    for right in ["INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"] {
        assert_eq!(may(right), owners, "{right}");
    }
    assert!(!owners.split(' ').any(|name| name == "app"), "{owners}");
}

#[test]
fn a_script_that_fails_leaves_nothing() {
    let fleet = fleet(&[USERS, ("V2__bad.sql", "CREATE TABLE a (x int);\n\nINSERT INTO nowhere VALUES (1);")]);
    let outcome = fleet.tool("migrate", ["apply", "--all"]).run().code_is(1);
    for line in outcome.lines() {
        let message = line["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("V2__bad.sql:3: relation \"nowhere\" does not exist"), "{message}");
        assert_eq!((&line["to_version"], &line["changed"]), (&"1".into(), &true.into()));
    }
    assert_eq!(fleet.sql(0, "SELECT to_regclass('a') IS NULL AND count(*) = 1 FROM flyway_schema_history"), "t");
    write(&fleet, &[("V2__bad.sql", "CREATE TABLE a (x int);")]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
}

#[test]
fn copy_brings_its_data() {
    let fleet = fleet(&[(
        "V1__moods.sql",
        "CREATE TABLE moods (id int PRIMARY KEY, text text);\nCOPY moods FROM STDIN;\n1\tit's; fine\n2\t\\N\n\\.\nINSERT INTO moods VALUES (3, $$x;y$$);\n",
    )]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    assert_eq!(
        fleet.sql(0, "SELECT string_agg(id || coalesce(text, '-'), ',' ORDER BY id) FROM moods"),
        "1it's; fine,2-,3x;y"
    );
}

#[test]
fn what_isnt_safe_is_refused_and_nothing_is_touched() {
    let cases = [
        ("SELECT 1; CREATE INDEX CONCURRENTLY i ON users (name);", "can't run in a transaction"),
        ("CREATE INDEX CONCURRENTLY ON users (name);", "needs a name"),
        ("CREATE TABLE b (x int); COMMIT;", "ends the transaction"),
        ("CREATE TABLE b (x int); SELECT '${unknown}';", "no value provided for placeholder"),
    ];
    let fleet = fleet(&[USERS]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    let before = (fleet.state(), history(&fleet, 0), history(&fleet, 1));
    for (sql, message) in cases {
        write(&fleet, &[("V2__bad.sql", sql)]);
        let outcome = fleet.tool("migrate", ["apply", "--all"]).run();
        assert_ne!(outcome.code(), Some(0), "{sql}");
        assert!(outcome.transcript().contains(message), "{}", outcome.transcript());
        assert_eq!((fleet.state(), history(&fleet, 0), history(&fleet, 1)), before, "{sql}");
    }
}

#[test]
fn a_schema_with_tables_but_no_history_wants_a_baseline() {
    let fleet = fleet(&[("V1__a.sql", "CREATE TABLE old (x int);"), ("V2__b.sql", "CREATE TABLE new (x int);")]);
    fleet.sql(0, "CREATE TABLE old (x int)");
    fleet.tool("migrate", ["apply", "-t", "s0"]).run().code_is(3);
    fleet.tool("migrate", ["baseline", "-t", "s0", "--version", "1"]).run().ok();
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    assert_eq!(fleet.sql(0, "SELECT to_regclass('new') IS NOT NULL"), "t");
    fleet.tool("migrate", ["baseline", "-t", "s0", "--version", "1"]).run().ok();
    fleet.tool("migrate", ["baseline", "-t", "s0", "--version", "2"]).run().code_is(3);
}

#[test]
fn eight_at_once_apply_everything_once() {
    let fleet = fleet(&[USERS]);
    let scripts: Vec<(String, String)> =
        (2..40).map(|n| (format!("V{n}__t.sql"), format!("CREATE TABLE t{n} (x int);"))).collect();
    for (name, sql) in &scripts {
        write(&fleet, &[(name, sql)]);
    }
    let runs: Vec<_> = (0..8)
        .map(|at| {
            // Each as on a machine of its own: the file's lock is not what keeps them apart.
            let folder = fleet.path().join(format!("machine{at}"));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
            fleet.tool("migrate", ["apply", "--all", "--lock-wait", "60s"]).env("XDG_RUNTIME_DIR", &folder).start()
        })
        .collect();
    let mut changed = 0;
    for run in runs {
        changed += run.finish().ok().lines().iter().filter(|line| line["changed"] == true).count();
    }
    assert_eq!(changed, 2, "one run a shard does the work");
    for shard in 0..2 {
        assert_eq!(
            fleet
                .sql(shard, "SELECT count(*), count(DISTINCT version), max(installed_rank) FROM flyway_schema_history"),
            "39|39|39"
        );
    }
}

#[test]
fn a_plan_is_done_as_it_stands_or_refused() {
    let fleet = fleet(&[USERS, ("V2__a.sql", "CREATE TABLE a (x int);")]);
    let plan = fleet.tool("migrate", ["plan"]).run().ok();
    write(&fleet, &[("V2__a.sql", "CREATE TABLE a (x bigint);")]);
    let refused = fleet.tool("migrate", ["apply"]).stdin(plan.stdout.clone()).run().code_is(3);
    assert!(refused.lines().iter().all(|line| line["error"]["code"] == "state_moved"), "{}", refused.transcript());
    assert_eq!(fleet.sql(0, "SELECT to_regclass('flyway_schema_history') IS NULL"), "t");
    let plan = fleet.tool("migrate", ["plan"]).run().ok();
    fleet.tool("migrate", ["apply"]).stdin(plan.stdout.clone()).run().ok();
    fleet.tool("migrate", ["apply"]).stdin(plan.stdout.clone()).run().code_is(3);
}

/// What a reader finds is a trap: a view in the history's place that writes when it is read.
#[test]
fn what_only_looks_cant_write_whatever_it_meets() {
    let fleet = fleet(&[USERS, ("U1__users.sql", "DROP TABLE users;")]);
    fleet.tool("migrate", ["apply", "-t", "s0"]).run().ok();
    fleet.sql(
        0,
        "CREATE SCHEMA trap AUTHORIZATION owner; SET ROLE owner; CREATE TABLE trap.sprung (x int); \
         CREATE FUNCTION trap.spring() RETURNS int LANGUAGE sql AS $$ INSERT INTO trap.sprung VALUES (1) RETURNING x $$; \
         ALTER TABLE flyway_schema_history RENAME TO kept; \
         CREATE VIEW flyway_schema_history AS SELECT kept.* FROM kept WHERE trap.spring() = 1",
    );
    for line in ["plan", "info", "validate", "lint --live", "apply --dry-run", "undo --dry-run", "repair --dry-run"] {
        let outcome = fleet.tool("migrate", line.split(' ').chain(["-t", "s0"])).run().code_is(1);
        assert!(outcome.stdout.contains("read-only transaction"), "{}", outcome.transcript());
        assert_eq!(fleet.sql(0, "SELECT count(*) FROM trap.sprung"), "0", "{line}");
    }
}

#[test]
fn a_script_that_lets_go_of_the_lock_is_not_kept() {
    let fleet = fleet(&[USERS]);
    fleet.tool("migrate", ["apply", "-t", "s0"]).run().ok();
    let before = (history(&fleet, 0), ledger(&fleet, 0));
    write(&fleet, &[("V2__a.sql", "CREATE TABLE a (x int);\nSELECT pg_advisory_unlock_all();")]);
    let outcome = fleet.tool("migrate", ["apply", "-t", "s0"]).run().code_is(75);
    let message = "the lock on public.flyway_schema_history was lost while V2__a.sql ran";
    assert!(outcome.stdout.contains(message), "{}", outcome.transcript());
    assert_eq!((history(&fleet, 0), ledger(&fleet, 0)), before);
    assert_eq!(fleet.sql(0, "SELECT to_regclass('a') IS NULL"), "t");
    // What takes it once more and gives that back has it still.
    let sql =
        "CREATE TABLE a (x int);\nSELECT pg_advisory_lock(77433833903597);\nSELECT pg_advisory_unlock(77433833903597);";
    write(&fleet, &[("V2__a.sql", sql), ("V3__b.sql", "CREATE TABLE b (x int);")]);
    fleet.tool("migrate", ["apply", "-t", "s0"]).run().ok();
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
}

/// Whatever a script sets, the next finds the session as the first did.
#[test]
fn what_a_script_sets_ends_with_it() {
    let sets = "SET search_path = pg_catalog;\nSET lock_timeout = '1h';\nSET standard_conforming_strings = off;\n\
                SET default_transaction_isolation = 'serializable';\nSET ROLE NONE;\nCREATE TABLE public.mine (x int);";
    let looks = "CREATE TABLE seen AS SELECT current_setting('search_path') AS path, current_setting('lock_timeout') AS lock, \
                 current_setting('transaction_isolation') AS isolation, current_user::text AS role, length('\\\\') AS letters;";
    let fleet =
        fleet(&[("V2__sets.sql", sets), ("V1__looks.sql", looks), ("V3__looks.sql", &looks.replace("seen", "again"))]);
    fleet.sql(0, "GRANT CREATE ON SCHEMA public TO migrator");
    fleet.tool("migrate", ["apply", "-t", "s0"]).run().ok();
    assert_eq!(fleet.sql(0, "SELECT * FROM again"), fleet.sql(0, "SELECT * FROM seen"));
    assert_eq!(fleet.sql(0, "SELECT lock, isolation, role, letters FROM again"), "2s|read committed|owner|2");
    assert_eq!(fleet.sql(0, "SELECT relowner::regrole FROM pg_class WHERE relname = 'mine'"), "migrator");
}

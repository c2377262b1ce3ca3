//! Least privilege: what each role may do is what it needs, and PUBLIC may do nothing.

use flotilla_tests::Fleet;

/// Runs SQL as one of the roles; the message of the server where that fails.
fn run_as(fleet: &Fleet, role: &str, sql: &str) -> Result<String, String> {
    let sql = format!("SET SESSION AUTHORIZATION {role}; {sql}");
    fleet.primary(0).sql_in("app", &sql).map_err(|e| e.text("sql"))
}

#[track_caller]
fn denied(fleet: &Fleet, role: &str, sql: &str) {
    let error = run_as(fleet, role, sql).expect_err(sql);
    let said = error.contains("permission denied") || error.contains("must be owner");
    assert!(said, "{role}: {sql}: {error}");
}

#[track_caller]
fn allowed(fleet: &Fleet, role: &str, sql: &str) -> String {
    run_as(fleet, role, sql).unwrap_or_else(|e| panic!("{role}: {sql}: {e}"))
}

/// One shard, set up, with a table that a migration made.
fn fleet() -> Fleet {
    let fleet = Fleet::new().shards(1).init().start();
    for made in [
        "CREATE TABLE notes (id bigint, user_id bigint, text text, PRIMARY KEY (user_id, id))",
        "SELECT flotilla.protect('notes', 'user_id')",
    ] {
        fleet.shardctl(["sql", "--all", "--as", "migrator", made]).run().ok();
    }
    fleet
}

#[test]
fn the_migrators_tables_belong_to_owner() {
    let fleet = fleet();
    assert_eq!(fleet.sql(0, "SELECT tableowner FROM pg_tables WHERE tablename = 'notes'"), "owner");
}

#[test]
fn the_application_reads_and_writes_its_rows_only() {
    let fleet = fleet();
    allowed(&fleet, "app", "INSERT INTO notes SELECT flotilla.next_id(7), 7, 'x'");
    assert_eq!(allowed(&fleet, "app", "UPDATE notes SET text = 'y'; DELETE FROM notes RETURNING text"), "y");
    for sql in [
        "SELECT FROM flotilla.ledger",
        "INSERT INTO flotilla.ledger (tool) VALUES ('x')",
        "CREATE TABLE t ()",
        "CREATE SCHEMA s",
        "CREATE TABLE flotilla.t ()",
        "CREATE TEMPORARY TABLE t ()",
        "TRUNCATE notes",
        "DROP TABLE notes",
        "ALTER TABLE notes ADD COLUMN more text",
        "UPDATE flotilla.ownership SET state = 'owned'",
        "SELECT flotilla.set_ownership(0, 1, 'none', 2)",
        "SELECT flotilla.advance_epoch(2)",
        "SELECT flotilla.advance_ticks(2)",
        "SELECT nextval('flotilla.tick_seq')",
        "SELECT setval('flotilla.epoch_seq', 9)",
        "SELECT flotilla.unprotect('notes')",
        "SELECT rolpassword FROM pg_authid",
        "SELECT FROM flotilla_posture.password_kinds()",
        "SELECT FROM pg_hba_file_rules",
        "SET ROLE owner",
        "SET ROLE flotilla",
    ] {
        denied(&fleet, "app", sql);
    }
}

#[test]
fn the_readers_read() {
    let fleet = fleet();
    for role in ["app_ro", "analytics"] {
        assert_eq!(allowed(&fleet, role, "SELECT count(*) FROM notes"), "0");
        for sql in [
            "INSERT INTO notes VALUES (1, 7, 'x')",
            "UPDATE notes SET text = 'y'",
            "DELETE FROM notes",
            "SELECT flotilla.next_id(7)",
            "SELECT flotilla.reserve_ticks(1)",
            "CREATE TABLE t ()",
            "SELECT FROM flotilla.ledger",
        ] {
            denied(&fleet, role, sql);
        }
        let readonly = "SELECT bool_or('default_transaction_read_only=on' = ANY (setconfig)) FROM pg_db_role_setting \
                        JOIN pg_roles r ON r.oid = setrole WHERE rolname =";
        assert_eq!(fleet.sql(0, &format!("{readonly} '{role}'")), "t", "{role}");
    }
}

#[test]
fn a_migration_makes_tables_but_no_ownership() {
    let fleet = fleet();
    for sql in [
        "SELECT flotilla.set_ownership(0, 1, 'none', 2)",
        "UPDATE flotilla.ownership SET state = 'none'",
        "DELETE FROM flotilla.ledger",
        "UPDATE flotilla.ledger SET operator = 'somebody'",
        "INSERT INTO flotilla.ledger (login) VALUES ('postgres')",
        "DROP SCHEMA flotilla CASCADE",
        "SET ROLE flotilla",
    ] {
        denied(&fleet, "migrator", sql);
        denied(&fleet, "owner", sql);
    }
}

#[test]
fn nothing_is_for_everybody() {
    let fleet = fleet();
    // What has no list of rights has the built-in one, which for functions and databases names PUBLIC.
    let public = "
        SELECT string_agg(what, ', ') FROM (
            SELECT 'database ' || datname AS what, coalesce(datacl, acldefault('d', datdba)) AS acl
            FROM pg_database WHERE datname = 'app'
            UNION ALL
            SELECT 'schema ' || nspname, coalesce(nspacl, acldefault('n', nspowner))
            FROM pg_namespace WHERE nspname IN ('public', 'flotilla', 'flotilla_posture')
            UNION ALL
            SELECT c.oid::regclass::text, c.relacl
            FROM pg_class c WHERE relnamespace IN ('public'::regnamespace, 'flotilla'::regnamespace)
                AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
            UNION ALL
            SELECT p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner))
            FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
            WHERE nspname IN ('public', 'flotilla', 'flotilla_posture')
                AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
        ) AS everything
        WHERE EXISTS (SELECT FROM aclexplode(acl) WHERE grantee = 0)";
    assert_eq!(fleet.sql(0, public), "");
    fleet.sql(0, "CREATE ROLE stranger LOGIN");
    denied(&fleet, "stranger", "SELECT FROM public.notes");
    denied(&fleet, "stranger", "SELECT flotilla.bucket(1)");
    assert_eq!(fleet.sql(0, "SELECT has_database_privilege('stranger', 'app', 'CONNECT')"), "f");
}

/// Without superuser: a role that makes roles and owns the database, as managed services give it. What
/// it can't have is said, and everything else works.
#[test]
fn an_administrator_without_superuser_is_enough() {
    let mut fleet = Fleet::new().rule("local all dba trust").start();
    fleet.topology.rest += "\n[users]\nadmin = \"dba\"\n";
    fleet.write_topology();
    for at in 0..2 {
        fleet.sql(at, "CREATE ROLE dba LOGIN CREATEROLE; ALTER DATABASE app OWNER TO dba");
    }
    let outcome = fleet.shardctl(["init", "--all"]).run().ok();
    for line in outcome.lines() {
        let missing = line["missing"].to_string();
        assert!(missing.contains("verifiers: only a superuser"), "{}", outcome.transcript());
    }
    let again = fleet.shardctl(["init", "--all"]).run().ok();
    assert!(again.lines().iter().all(|line| line["changed"] == false), "{}", again.transcript());

    // The verifiers are set by hand, as the line says; then all roles do their work.
    for at in 0..2 {
        for (role, password) in flotilla_tests::PASSWORDS {
            fleet.sql(at, &format!("ALTER ROLE {role} PASSWORD '{password}'"));
        }
    }
    fleet.shardctl(["map"]).run().ok();
    let outcome = fleet
        .script(
            "shardctl sql --all --as migrator 'CREATE TABLE t (user_id bigint PRIMARY KEY)' >/dev/null
             shardctl sql --all --as migrator \"SELECT flotilla.protect('t', 'user_id')\" >/dev/null
             shardctl key new --user -n 100 | jq -c '{user_id: .id}' |
                 shardctl route --by key --field user_id | shardctl sql --copy t >/dev/null
             shardctl sql --all 'SELECT count(*) AS n FROM t' | jq -s 'map(select(.row).row.n | tonumber) | add'",
        )
        .run()
        .ok();
    assert_eq!(outcome.stdout.trim(), "100", "{}", outcome.transcript());
}

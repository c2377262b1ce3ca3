//! What `healthcheck probe` says of migrations.

use flotilla_tests::Fleet;
use serde_json::Value;

use super::{about, check};

/// The table as Flyway makes it.
const FLYWAY: &str = "\
CREATE TABLE public.flyway_schema_history (installed_rank INT NOT NULL, version VARCHAR(50), \
 description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INTEGER, \
 installed_by VARCHAR(100) NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT now(), execution_time INTEGER NOT NULL, \
 success BOOLEAN NOT NULL); \
ALTER TABLE public.flyway_schema_history ADD CONSTRAINT flyway_schema_history_pk PRIMARY KEY (installed_rank); \
CREATE INDEX flyway_schema_history_s_idx ON public.flyway_schema_history (success)";

/// A fleet whose topology names a folder of scripts, and these in it.
fn fleet(scripts: &[(&str, &str)]) -> Fleet {
    let mut fleet = Fleet::new().init().start();
    fleet.topology = fleet.topology.clone().rest("[migrate]\ndirs = [\"migrations\"]\n");
    fleet.write_topology();
    write(&fleet, scripts);
    fleet
}

fn write(fleet: &Fleet, scripts: &[(&str, &str)]) {
    for (name, sql) in scripts {
        fleet.file(format!("migrations/{name}"), sql);
    }
}

/// The line about one shard's migrations.
fn seen(fleet: &Fleet, shard: &str) -> Value {
    // What is proven here is no matter of time.
    let args = ["probe", "--component", "migration", "--timeout", "30s"];
    about(&fleet.tool("healthcheck", args).run(), "migration", shard)
}

/// Counts and states of pending, failed and changed.
fn judged(line: &Value) -> [(i64, String); 3] {
    ["migrations_pending", "migrations_failed", "migrations_changed"].map(|name| {
        let check = check(line, name);
        (check["observed"].as_i64().unwrap(), check["status"].as_str().unwrap().to_owned())
    })
}

fn well() -> [(i64, String); 3] {
    [(); 3].map(|()| (0, "pass".to_owned()))
}

#[test]
fn what_is_pending_on_one_shard_alone_is_counted_there_alone() {
    let fleet =
        fleet(&[("V1__a.sql", "CREATE TABLE a ();"), ("R__v.sql", "CREATE OR REPLACE VIEW v AS SELECT 1 AS x;")]);
    let new = seen(&fleet, "s0");
    assert_eq!(judged(&new)[0], (2, "warn".to_owned()), "without a history nothing is applied: {new}");
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    assert_eq!((judged(&seen(&fleet, "s0")), judged(&seen(&fleet, "s1"))), (well(), well()));

    write(&fleet, &[("V2__b.sql", "CREATE TABLE b ();"), ("V3__c.sql", "CREATE TABLE c ();")]);
    fleet.tool("migrate", ["apply", "-t", "s0"]).run().ok();
    let (done, lacks) = (seen(&fleet, "s0"), seen(&fleet, "s1"));
    assert_eq!(judged(&done), well());
    assert_eq!(judged(&lacks)[0], (2, "warn".to_owned()));
    assert_eq!((&lacks["health"], &lacks["status"]), (&"warn".into(), &"ok".into()));
    assert!(lacks["summary"].to_string().contains("not applied: V2__b.sql, V3__c.sql"), "{lacks}");
    // A repeatable script that has changed is to run again, which isn't drift.
    write(&fleet, &[("R__v.sql", "CREATE OR REPLACE VIEW v AS SELECT 2 AS x;")]);
    assert_eq!(judged(&seen(&fleet, "s0")), [(1, "warn".to_owned()), (0, "pass".to_owned()), (0, "pass".to_owned())]);
}

#[test]
fn limits_of_migrations_come_from_the_topology() {
    let mut fleet = fleet(&[("V1__a.sql", "CREATE TABLE a ();"), ("V2__b.sql", "CREATE TABLE b ();")]);
    fleet.topology =
        fleet.topology.clone().rest("[health]\nmigrations_pending_warn = 2\nmigrations_pending_fail = 5\n");
    fleet.write_topology();
    assert_eq!(judged(&seen(&fleet, "s0"))[0], (2, "pass".to_owned()));
    for at in 3..=6 {
        write(&fleet, &[(&format!("V{at}__x.sql"), "SELECT 1;")]);
    }
    let line = seen(&fleet, "s0");
    assert_eq!((judged(&line)[0].clone(), &line["health"]), ((6, "fail".to_owned()), &"fail".into()));
    assert!(line["summary"].to_string().contains("V1__a.sql, V2__b.sql, V3__x.sql and 3 more"), "{line}");
}

#[test]
fn a_script_that_isnt_what_was_applied_is_seen() {
    let fleet = fleet(&[("V1__a.sql", "CREATE TABLE a ();"), ("V2__b.sql", "CREATE TABLE b ();")]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    write(&fleet, &[("V1__a.sql", "CREATE TABLE a (x int);")]);
    let line = seen(&fleet, "s0");
    assert_eq!(judged(&line), [(0, "pass".to_owned()), (0, "pass".to_owned()), (1, "warn".to_owned())]);
    assert!(line["summary"].to_string().contains("not what was applied, or gone: V1__a.sql"), "{line}");
    std::fs::remove_file(fleet.path().join("migrations/V1__a.sql")).unwrap();
    assert_eq!(judged(&seen(&fleet, "s0"))[2], (1, "warn".to_owned()), "its script is gone");
    // One that comes too late to be applied by itself isn't applied, so it isn't well.
    write(&fleet, &[("V1__a.sql", "CREATE TABLE a ();"), ("V1.5__late.sql", "SELECT 1;")]);
    assert_eq!(judged(&seen(&fleet, "s0"))[0], (1, "warn".to_owned()));
}

#[test]
fn a_failed_migration_is_a_failure() {
    let script = "CREATE TABLE a (x int);\nINSERT INTO a VALUES (1), (1);";
    let fleet = fleet(&[("V1__a.sql", script), ("V2__i.sql", "CREATE UNIQUE INDEX CONCURRENTLY i ON a (x);")]);
    fleet.tool("migrate", ["apply", "-t", "s0"]).run();
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM flyway_schema_history WHERE NOT success"), "1");
    let line = seen(&fleet, "s0");
    assert_eq!(judged(&line)[1], (1, "fail".to_owned()));
    assert_eq!((&line["status"], &line["error"]["code"]), (&"error".into(), &"mismatch".into()));
    assert!(line["summary"].to_string().contains("failed: V2__i.sql"), "{line}");
}

/// By hand as Flyway makes it, by a role whose tables become `owner`'s.
#[test]
fn a_history_that_flyway_has_made_is_read_like_any_other() {
    let fleet = fleet(&[("V1__a.sql", "CREATE TABLE a ();"), ("V2__b.sql", "CREATE TABLE b ();")]);
    fleet.sql(0, &format!("SET ROLE owner; {FLYWAY}"));
    let row = |rank: i32, script: &str, checksum: &str| {
        let insert = format!(
            "INSERT INTO flyway_schema_history VALUES ({rank}, '{rank}', '{}', 'SQL', '{script}', {checksum}, 'flyway', now(), 1, true)",
            if rank == 1 { "a" } else { "b" }
        );
        fleet.sql(0, &format!("SET ROLE owner; {insert}"));
    };
    assert_eq!(judged(&seen(&fleet, "s0"))[0].0, 2);
    // What Flyway 11.8.2 stores for these texts: CRC-32 of their lines.
    fleet.tool("migrate", ["apply", "-t", "s1"]).run().ok();
    let stored =
        |version| fleet.sql(1, &format!("SELECT checksum FROM flyway_schema_history WHERE version = '{version}'"));
    row(1, "V1__a.sql", &stored(1));
    assert_eq!(judged(&seen(&fleet, "s0"))[0].0, 1);
    row(2, "V2__b.sql", &stored(2));
    assert_eq!(judged(&seen(&fleet, "s0")), well());
    fleet.sql(0, "UPDATE flyway_schema_history SET checksum = checksum + 1 WHERE version = '2'");
    assert_eq!(judged(&seen(&fleet, "s0"))[2], (1, "warn".to_owned()));
}

#[test]
fn the_monitor_reads_no_more_of_the_history_than_it_needs() {
    let fleet = fleet(&[("V1__a.sql", "CREATE TABLE a ();")]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    let run_as = |role: &str, sql: &str| {
        fleet.primary(0).sql_in("app", &format!("SET SESSION AUTHORIZATION {role}; {sql}")).map_err(|e| e.text("sql"))
    };
    let shown =
        run_as("monitor", "SELECT string_agg(k, ',') FROM flotilla.schema_history() h, json_object_keys(to_json(h)) k");
    assert_eq!(shown.unwrap(), "installed_rank,version,description,type,script,checksum,success");
    let denied = [
        ("monitor", "SELECT FROM flyway_schema_history"),
        ("monitor", "SELECT installed_by FROM flyway_schema_history"),
        ("monitor", "SELECT FROM a"),
        ("app", "SELECT FROM flotilla.schema_history()"),
        ("app_ro", "SELECT FROM flotilla.schema_history()"),
        ("migrator", "SELECT FROM flotilla.schema_history()"),
        ("owner", "SELECT FROM flotilla.schema_history()"),
    ];
    for (role, sql) in denied {
        let error = run_as(role, sql).expect_err(sql);
        assert!(error.contains("permission denied"), "{role}: {sql}: {error}");
    }
}

/// The function reads with the rights of `flotilla`: a table that could run something of `owner`'s is none that
/// it reads.
#[test]
fn an_owner_gains_no_rights_by_what_the_monitor_reads() {
    let fleet = fleet(&[("V1__a.sql", "CREATE TABLE a ();")]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    let trap = "CREATE SCHEMA trap; GRANT USAGE ON SCHEMA trap TO PUBLIC; \
                CREATE FUNCTION trap.spring(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN \
                IF current_user <> 'owner' THEN RAISE EXCEPTION 'sprung as %', current_user; END IF; RETURN $1; END $$; \
                GRANT EXECUTE ON FUNCTION trap.spring TO PUBLIC";
    fleet.sql(0, &format!("SET ROLE owner; {trap}"));
    let set_and_back = [
        ("CREATE INDEX trap ON flyway_schema_history (trap.spring(installed_rank))", "DROP INDEX trap"),
        ("CREATE INDEX trap ON flyway_schema_history (success) WHERE trap.spring(1) = 1", "DROP INDEX trap"),
        (
            "ALTER TABLE flyway_schema_history ADD CONSTRAINT trap CHECK (trap.spring(installed_rank) > 0)",
            "ALTER TABLE flyway_schema_history DROP CONSTRAINT trap",
        ),
        (
            "CREATE POLICY trap ON flyway_schema_history USING (trap.spring(1) = 1); ALTER TABLE flyway_schema_history FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE flyway_schema_history NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY; DROP POLICY trap ON flyway_schema_history",
        ),
        ("CREATE STATISTICS trap ON (trap.spring(installed_rank)) FROM flyway_schema_history", "DROP STATISTICS trap"),
        (
            "ALTER TABLE flyway_schema_history ALTER version TYPE text",
            "ALTER TABLE flyway_schema_history ALTER version TYPE varchar(50)",
        ),
        (
            "ALTER TABLE flyway_schema_history RENAME TO kept; CREATE VIEW flyway_schema_history AS SELECT * FROM kept WHERE trap.spring(1) = 1",
            "DROP VIEW flyway_schema_history; ALTER TABLE kept RENAME TO flyway_schema_history",
        ),
    ];
    for (set, back) in set_and_back {
        fleet.sql(0, &format!("SET ROLE owner; {set}"));
        let line = seen(&fleet, "s0");
        let check = check(&line, "migrations_pending");
        assert_eq!(check["status"], "unknown", "{set}: {line}");
        assert!(check["message"].to_string().contains("is not a table as Flyway makes it"), "{set}: {line}");
        fleet.sql(0, &format!("SET ROLE owner; {back}"));
        assert_eq!(judged(&seen(&fleet, "s0")), well(), "{back}");
    }
}

#[test]
fn what_cant_be_known_of_migrations_is_never_well() {
    let mut fleet = fleet(&[("V1__a.sql", "CREATE TABLE a ();")]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    let unknown = |fleet: &Fleet, said: &str| {
        let line = seen(fleet, "s0");
        assert_eq!((&line["status"], &line["health"]), (&"error".into(), &"unknown".into()), "{line}");
        assert!(line["summary"].to_string().contains(said), "{said}: {line}");
        line["error"]["hint"].to_string()
    };
    // Somebody else's table: not even flotilla reads it.
    fleet.sql(0, "CREATE ROLE other; ALTER TABLE flyway_schema_history OWNER TO other");
    let hint = unknown(&fleet, "permission denied for table flyway_schema_history");
    assert!(hint.contains("GRANT SELECT ON public.flyway_schema_history TO flotilla"), "{hint}");
    fleet.sql(0, "GRANT SELECT ON flyway_schema_history TO flotilla");
    assert_eq!(judged(&seen(&fleet, "s0")), well());
    fleet.sql(0, "ALTER TABLE flyway_schema_history OWNER TO owner");

    // Set up by an earlier release; a grant of the columns will do there.
    fleet.sql(0, "DROP FUNCTION flotilla.schema_history(), flotilla.history_table()");
    let hint = unknown(&fleet, "permission denied for table flyway_schema_history");
    assert!(hint.contains("shardctl init"), "{hint}");
    let columns = "installed_rank, version, description, type, script, checksum, success";
    fleet.sql(0, &format!("GRANT SELECT ({columns}) ON flyway_schema_history TO monitor"));
    assert_eq!(judged(&seen(&fleet, "s0")), well());
    fleet.sql(0, &format!("REVOKE SELECT ({columns}) ON flyway_schema_history FROM monitor"));
    fleet.sql(0, "DELETE FROM flotilla.version WHERE file = '012_history.sql'");
    fleet.shardctl(["init", "--all"]).run().ok();
    assert_eq!(judged(&seen(&fleet, "s0")), well());

    std::fs::rename(fleet.path().join("migrations"), fleet.path().join("elsewhere")).unwrap();
    unknown(&fleet, "there is no folder");
    std::fs::rename(fleet.path().join("elsewhere"), fleet.path().join("migrations")).unwrap();
    write(&fleet, &[("R__p.sql", "SELECT '${nobody_knows}';")]);
    unknown(&fleet, "no value provided for placeholder ${nobody_knows}");
    std::fs::remove_file(fleet.path().join("migrations/R__p.sql")).unwrap();

    // Another table than the one that the shard was set up for.
    fleet.topology.rest = fleet.topology.rest.replace("[migrate]\n", "[migrate]\nhistory_table = \"app.applied\"\n");
    fleet.write_topology();
    unknown(&fleet, "set up for the history public.flyway_schema_history, and the topology has app.applied");
    let again = fleet.shardctl(["init", "-t", "s0"]).run().ok();
    assert_eq!(again.line("s0")["applied"], serde_json::json!(["012_history.sql", "013_privileges.sql"]));
    assert_eq!(judged(&seen(&fleet, "s0"))[0], (1, "warn".to_owned()), "that one isn't there yet");
}

#[test]
fn without_a_folder_in_the_topology_nobody_asks() {
    let fleet = Fleet::new().shards(1).init().start();
    write(&fleet, &[("V1__a.sql", "CREATE TABLE a ();")]);
    fleet.tool("healthcheck", ["probe", "--component", "migration"]).run().ok().no_lines();
}

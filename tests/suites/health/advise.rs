//! `healthcheck advise`: each kind of advice is provoked, found, followed, and gone; a shard that is well gets none.

use flotilla_native::postgres::Shutdown;
use flotilla_tests::{Fleet, Outcome, until, until_replayed};
use serde_json::Value;

/// Small tables count, and an index is unused at once.
const EAGER: [&str; 5] = ["advise", "--least-mib", "1", "--least-window", "0s"];

fn advise(fleet: &Fleet, more: &[&str]) -> Outcome {
    fleet.tool("healthcheck", [&EAGER[..], more].concat()).run().ok()
}

/// The advice of a kind about an object.
fn find(outcome: &Outcome, kind: &str, object: &str) -> Option<Value> {
    outcome.lines().into_iter().find(|line| line["kind"] == kind && line["object"] == object)
}

#[track_caller]
fn found(outcome: &Outcome, kind: &str, object: &str) -> Value {
    find(outcome, kind, object).unwrap_or_else(|| panic!("no {kind} about {object}\n{}", outcome.transcript()))
}

/// Runs what it says, statement by statement, as it says.
#[track_caller]
fn follow(fleet: &Fleet, advice: &Value) {
    let sql = advice["sql"].as_array().unwrap();
    assert!(!sql.is_empty(), "{advice}");
    for statement in sql {
        fleet.sql(0, statement.as_str().unwrap());
    }
}

/// Finds it, follows it, and finds it gone.
#[track_caller]
fn mend(fleet: &Fleet, kind: &str, object: &str) -> Value {
    let advice = found(&advise(fleet, &[]), kind, object);
    assert!(advice["why"].is_string() && advice["remedy"].is_string(), "{advice}");
    follow(fleet, &advice);
    let after = advise(fleet, &[]);
    assert!(find(&after, kind, object).is_none(), "{kind} is still there\n{}", after.transcript());
    advice
}

fn end(outcome: &Outcome) -> Value {
    outcome.lines().into_iter().find(|line| line["schema"] == "healthcheck.advice_end/1").unwrap()
}

fn sql_of(advice: &Value) -> Vec<&str> {
    advice["sql"].as_array().unwrap().iter().map(|sql| sql.as_str().unwrap()).collect()
}

fn unseen(outcome: &Outcome, what: &str) -> Vec<String> {
    let end = end(outcome);
    let all = end["unseen"].as_array().unwrap();
    all.iter().filter(|one| one["what"] == what).map(|one| one["why"].as_str().unwrap().to_owned()).collect()
}

/// Statistics reach the shared memory when the session that made them ends, or soon after.
fn counted(fleet: &Fleet, condition: &str) {
    until("it is counted", || (fleet.sql(0, &format!("SELECT {condition}")) == "t").then_some(()));
}

/// Runs a statement as the application, as often as counts.
fn as_app(fleet: &Fleet, statement: &str) {
    as_app_times(fleet, statement, 12);
}

fn as_app_times(fleet: &Fleet, statement: &str, times: usize) {
    fleet.sql(0, &format!("SET SESSION AUTHORIZATION app; {}", format!("{statement}; ").repeat(times)));
}

const USERS: &str = "SET ROLE owner; CREATE TABLE users (id bigint PRIMARY KEY, name varchar NOT NULL, at timestamptz NOT NULL); \
                     INSERT INTO users SELECT n, 'name ' || n, timestamptz '2026-01-01' + n * interval '1 s' FROM generate_series(1, 60000) AS n; \
                     ANALYZE users";

#[test]
fn a_shard_that_is_well_gets_no_advice_and_is_not_touched() {
    let fleet = Fleet::new().shards(1).replicas(1).init().start();
    fleet.sql(0, USERS);
    as_app(&fleet, "SELECT name FROM users WHERE id = 77");
    let before = fleet.state();
    let outcome = advise(&fleet, &[]);
    assert_eq!(outcome.lines().len(), 1, "{}", outcome.transcript());
    let end = end(&outcome);
    assert_eq!((&end["advice_count"], &end["nodes"]), (&0.into(), &serde_json::json!(["s0-a", "s0-b"])));
    assert_eq!(fleet.state(), before);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'flotilla healthcheck%'";
    until("its sessions are gone", || (fleet.sql(0, sessions) == "0").then_some(()));
}

#[test]
fn indexes_that_repeat_each_other_are_dropped_and_rules_stay() {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.sql(0, USERS);
    fleet.sql(
        0,
        "CREATE INDEX one ON users (name, at); CREATE INDEX other ON users (name, at); CREATE INDEX beginning ON users (name); \
         CREATE INDEX of_some ON users (name) WHERE id > 5; CREATE INDEX of_patterns ON users (name varchar_pattern_ops); \
         CREATE INDEX downward ON users (name DESC, at); CREATE UNIQUE INDEX again ON users (id); \
         CREATE INDEX in_c ON users (name COLLATE \"C\", at)",
    );
    let advice = mend(&fleet, "duplicate_index", "public.other");
    assert_eq!(sql_of(&advice), ["DROP INDEX CONCURRENTLY public.other"]);
    let advice = mend(&fleet, "duplicate_index", "public.again");
    assert!(advice["why"].as_str().unwrap().contains("public.users_pkey"), "{advice}");
    mend(&fleet, "redundant_index", "public.beginning");
    let after = advise(&fleet, &[]);
    for kind in ["duplicate_index", "redundant_index"] {
        assert!(after.lines().iter().all(|line| line["kind"] != kind), "{}", after.transcript());
    }
}

#[test]
fn an_index_is_unused_only_when_no_node_has_used_it_for_long_enough() {
    let mut fleet = Fleet::new().shards(1).replicas(1).init().start();
    fleet.sql(0, USERS);
    fleet.sql(0, "CREATE INDEX by_name ON users (name); CREATE INDEX by_time ON users (at); CREATE UNIQUE INDEX by_both ON users (at, name)");
    until_replayed(fleet.primary(0), fleet.replica(0, 0));
    // The replica alone needs this one.
    until("it is counted", || {
        let replica = |sql| fleet.replica(0, 0).sql_in("app", sql).unwrap();
        replica("SET enable_seqscan = off; SELECT id FROM users WHERE name = 'name 7'");
        let used = "SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'by_name'";
        (replica(used) == "t").then_some(())
    });
    let outcome = advise(&fleet, &[]);
    let advice = found(&outcome, "unused_index", "public.by_time");
    assert!(advice["counted_since"].is_string() && advice["counted_seconds"].is_number(), "{advice}");
    assert!(advice["why"].as_str().unwrap().contains("s0-a, s0-b"), "{advice}");
    let unused = outcome.lines().into_iter().filter(|line| line["kind"] == "unused_index").count();
    assert_eq!(unused, 1, "neither what a replica uses nor what holds up a rule\n{}", outcome.transcript());

    // Too short a time says nothing, and neither do the other nodes when one is silent.
    let patient = fleet.tool("healthcheck", ["advise", "--least-mib", "1"]).run().ok();
    assert!(find(&patient, "unused_index", "public.by_time").is_none());
    assert!(
        unseen(&patient, "unused_index")[0].contains("an index has to go unused for 14.0 days"),
        "{}",
        patient.transcript()
    );
    fleet.shards[0].nodes[1].server.stop(Shutdown::Kill).unwrap();
    let alone = advise(&fleet, &[]);
    assert!(find(&alone, "unused_index", "public.by_time").is_none());
    assert!(unseen(&alone, "unused_index")[0].contains("s0-b doesn't answer"), "{}", alone.transcript());

    follow(&fleet, &advice);
    assert_eq!(fleet.sql(0, "SELECT to_regclass('by_time') IS NULL"), "t");
}

#[test]
fn an_index_that_was_never_finished_is_built() {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.sql(0, USERS);
    fleet.sql(0, "INSERT INTO users VALUES (0, 'name 1', now())");
    fleet.primary(0).sql_in("app", "CREATE UNIQUE INDEX CONCURRENTLY half ON users (name)").unwrap_err();
    fleet.sql(0, "DELETE FROM users WHERE id = 0");
    mend(&fleet, "invalid_index", "public.half");
}

#[test]
fn a_foreign_key_gets_its_index_also_over_partitions() {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.sql(0, USERS);
    fleet.sql(
        0,
        "SET ROLE owner; CREATE TABLE posts (id bigint PRIMARY KEY, author bigint CONSTRAINT by_author REFERENCES users); \
         INSERT INTO posts SELECT n, n % 60000 + 1 FROM generate_series(1, 50000) AS n; \
         CREATE TABLE likes (id bigint, liked_at date, liker bigint CONSTRAINT by_liker REFERENCES users) PARTITION BY RANGE (liked_at); \
         CREATE TABLE likes_1 PARTITION OF likes FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); \
         CREATE TABLE likes_2 PARTITION OF likes FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') PARTITION BY HASH (id); \
         CREATE TABLE likes_2_a PARTITION OF likes_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0); \
         CREATE TABLE likes_2_b PARTITION OF likes_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1); \
         INSERT INTO likes SELECT n, date '2026-01-01' + (n % 58)::int, n % 60000 + 1 FROM generate_series(1, 80000) AS n; \
         ANALYZE posts; ANALYZE likes",
    );
    let advice = mend(&fleet, "foreign_key_without_index", "by_author");
    assert_eq!(sql_of(&advice), ["CREATE INDEX CONCURRENTLY ON public.posts (author)"]);
    let advice = mend(&fleet, "foreign_key_without_index", "by_liker");
    let sql = sql_of(&advice);
    assert!(sql[0].starts_with("CREATE INDEX \"likes_liker_idx\" ON ONLY public.likes "), "{sql:?}");
    assert_eq!(sql.iter().filter(|sql| sql.contains("CONCURRENTLY")).count(), 3, "{sql:?}");
    assert_eq!(fleet.sql(0, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'likes_liker_idx'::regclass"), "t");
}

#[test]
fn a_statement_that_reads_a_table_for_a_few_rows_gets_an_index() {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.sql(0, USERS);
    as_app(&fleet, "SELECT id FROM users WHERE name = 'name 7' AND at > '2026-01-01'");
    let object = "public.users (name, at)";
    let advice = mend(&fleet, "sequential_scan", object);
    assert_eq!(sql_of(&advice), ["CREATE INDEX CONCURRENTLY ON public.users (name, at)"]);
    let statement = advice["statement"].as_str().unwrap();
    assert!(statement.contains("name = $1") && !statement.contains("name 7"), "{statement}");
    assert!(
        advice["seen"].as_array().unwrap().iter().any(|seen| seen["name"] == "calls" && seen["value"] == 12.0),
        "{advice}"
    );
}

#[test]
fn rows_that_are_compared_pair_by_pair_get_an_index() {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.sql(
        0,
        "SET ROLE owner; CREATE TABLE spans (low float8, high float8); CREATE TABLE spots (spot float8, what text); \
         INSERT INTO spans SELECT n * 10, n * 10 + 1 FROM generate_series(1, 300) AS n; \
         INSERT INTO spots SELECT n * 0.3, repeat('x', 60) FROM generate_series(1, 20000) AS n; ANALYZE spans; ANALYZE spots",
    );
    as_app(&fleet, "SELECT count(*) FROM spans JOIN spots ON spot BETWEEN low AND high");
    mend(&fleet, "nested_loop", "public.spots (spot)");
}

#[test]
fn a_statement_that_sorts_on_disk_gets_memory() {
    let fleet = Fleet::new().shards(1).set("work_mem", "256kB").init().start();
    fleet.sql(0, USERS);
    as_app(&fleet, "SELECT count(*) FROM (SELECT name, at FROM users ORDER BY at DESC, name OFFSET 0) AS sorted");
    let outcome = advise(&fleet, &[]);
    let advice = outcome.lines().into_iter().find(|line| line["kind"] == "temporary_files");
    let advice = advice.unwrap_or_else(|| panic!("{}", outcome.transcript()));
    let sql = sql_of(&advice)[0];
    assert!(sql.starts_with("ALTER ROLE app IN DATABASE app SET work_mem = '"), "{advice}");
    follow(&fleet, &advice);
    let after = advise(&fleet, &[]);
    assert!(after.lines().iter().all(|line| line["kind"] != "temporary_files"), "{}", after.transcript());
    // And it is enough.
    let written = "SELECT sum(temp_blks_written) FROM pg_stat_statements";
    let before = fleet.sql(0, written);
    let setting = sql.rsplit_once(" SET ").unwrap().1;
    fleet.sql(
        0,
        &format!(
            "SET {setting}; SELECT count(*) FROM (SELECT name, at FROM users ORDER BY at DESC, name OFFSET 0) AS sorted"
        ),
    );
    assert_eq!(fleet.sql(0, written), before);
}

/// What only the application can mend: kind by kind, each found alone, and gone when it isn't counted any more.
#[test]
fn statements_that_cost_too_much_are_named_with_what_is_wrong() {
    const KINDS: [&str; 4] = ["low_cache_hit", "unsteady_statement", "frequent_statement", "slow_statement"];
    let fleet = Fleet::new().shards(1).set("shared_buffers", "1MB").init().start();
    fleet.sql(0, USERS);
    let again = |statement: &str, times| as_app_times(&fleet, statement, times);
    let sleeper = |seconds: f64| format!("SELECT name FROM users WHERE id = 77 AND pg_sleep({seconds:.2}) IS NOT NULL");
    let provoke = |kind: &str| match kind {
        "low_cache_hit" => again("SELECT count(*) FROM users", 12),
        "unsteady_statement" => {
            again(&sleeper(0.0), 24);
            again(&sleeper(0.5), 1);
        }
        "frequent_statement" => (0..10).for_each(|_| again("SELECT name FROM users WHERE id = 77", 1_000)),
        _ => again(&sleeper(0.15), 12),
    };
    for kind in KINDS {
        fleet.sql(0, "SELECT pg_stat_statements_reset()");
        provoke(kind);
        let outcome = advise(&fleet, &[]);
        let lines = outcome.lines();
        let said: Vec<&Value> = lines.iter().filter(|line| KINDS.iter().any(|kind| line["kind"] == **kind)).collect();
        let [advice] = said.as_slice() else { panic!("{kind}\n{}", outcome.transcript()) };
        assert_eq!(advice["kind"], kind, "{advice}");
        assert!(advice["why"].is_string() && advice["remedy"].is_string(), "{advice}");
        assert!(sql_of(advice).is_empty(), "nothing that the server could do: {advice}");
        let statement = advice["statement"].as_str().unwrap();
        assert!(statement.contains("FROM users") && !statement.contains("77"), "{statement}");
    }
    fleet.sql(0, "SELECT pg_stat_statements_reset()");
    let outcome = advise(&fleet, &[]);
    assert!(
        outcome.lines().iter().all(|line| KINDS.iter().all(|kind| line["kind"] != *kind)),
        "{}",
        outcome.transcript()
    );
}

#[test]
fn unused_room_is_found_by_estimate_and_by_measure() {
    for measured in [false, true] {
        let fleet = Fleet::new().shards(1).init().start();
        if measured {
            fleet.sql(0, "CREATE EXTENSION pgstattuple");
        }
        fleet.sql(0, USERS);
        fleet.sql(0, "ALTER TABLE users SET (autovacuum_enabled = off); DELETE FROM users WHERE id % 10 <> 0");
        counted(&fleet, "n_dead_tup > 50000 FROM pg_stat_user_tables WHERE relname = 'users'");
        let advice = mend(&fleet, "dead_rows", "public.users");
        assert_eq!(sql_of(&advice), ["VACUUM (ANALYZE) public.users"]);
        let index = mend(&fleet, "bloated_index", "public.users_pkey");
        assert_eq!(sql_of(&index), ["REINDEX INDEX CONCURRENTLY public.users_pkey"]);
        let table = mend(&fleet, "bloated_table", "public.users");
        for advice in [index, table] {
            let how = advice["formula"].as_str().unwrap();
            assert!(how.starts_with(if measured { "measured by pgstat" } else { "estimated by pg_stats" }), "{how}");
        }
    }
}

#[test]
fn big_tables_are_vacuumed_in_time_and_known_to_the_planner() {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.sql(
        0,
        "CREATE TABLE big (id bigint, what text); ALTER TABLE big SET (autovacuum_enabled = off); \
         ALTER TABLE big ALTER what SET STORAGE PLAIN; \
         INSERT INTO big SELECT n, repeat('x', 3500) FROM generate_series(1, 27000) AS n",
    );
    fleet.sql(0, "VACUUM big");
    counted(&fleet, "n_live_tup > 20000 FROM pg_stat_user_tables WHERE relname = 'big'");
    mend(&fleet, "missing_statistics", "public.big");
    let advice = mend(&fleet, "autovacuum_scale", "public.big");
    assert!(advice["formula"].as_str().unwrap().contains("0.2 × "), "{advice}");
}

/// The machine's memory is told by the topology, as for a node on another one.
fn on_a_machine(fleet: &mut Fleet, lines: &str) {
    let text = fleet.topology.to_string().replacen("  port = ", &format!("  {lines}\n  port = "), 1);
    fleet.topology(text);
}

#[test]
fn settings_are_held_against_the_machine_and_the_load() {
    let mut fleet = Fleet::new()
        .shards(1)
        .set("shared_buffers", "1MB")
        .set("effective_cache_size", "4MB")
        .set("maintenance_work_mem", "1MB")
        .set("work_mem", "64MB")
        .set("max_wal_size", "32MB")
        .set("checkpoint_timeout", "1h")
        .set("autovacuum", "off")
        .init()
        .start();
    fleet.sql(0, USERS);
    on_a_machine(&mut fleet, "memory_bytes = 1073741824\n  disk = \"solid-state\"");
    fleet.sql(0, "CREATE TABLE filler (what text)");
    until("checkpoints were asked for", || {
        fleet.sql(0, "INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 30000); TRUNCATE filler");
        (fleet.sql(0, "SELECT checkpoints_req >= 6 FROM pg_stat_bgwriter") == "t").then_some(())
    });
    let outcome = advise(&fleet, &[]);
    let names = [
        "shared_buffers",
        "effective_cache_size",
        "maintenance_work_mem",
        "work_mem",
        "max_wal_size",
        "random_page_cost",
        "autovacuum",
    ];
    for name in names {
        let advice = found(&outcome, "setting", name);
        assert_eq!(advice["nodes"], serde_json::json!(["s0-a"]), "{advice}");
        assert!(sql_of(&advice)[0].starts_with(&format!("ALTER SYSTEM SET {name} = ")), "{advice}");
        follow(&fleet, &advice);
    }
    assert_eq!(sql_of(&found(&outcome, "setting", "shared_buffers"))[0], "ALTER SYSTEM SET shared_buffers = '256MB'");
    let buffers = &found(&outcome, "setting", "shared_buffers")["formula"];
    assert!(buffers.as_str().unwrap().contains("memory / 4 = 1073741824 / 4"), "{buffers}");
    fleet.shards[0].nodes[0].server.restart().unwrap();
    // What was counted before the settings isn't held against them.
    fleet.sql(0, "SELECT pg_stat_reset_shared('bgwriter')");
    let after = advise(&fleet, &[]);
    assert!(after.lines().iter().all(|line| line["kind"] != "setting"), "{}", after.transcript());
}

#[test]
fn patroni_keeps_the_settings_where_it_runs_and_what_nobody_knows_is_named() {
    let mut fleet = Fleet::new().shards(1).set("autovacuum", "off").init().start();
    on_a_machine(&mut fleet, "patroni = \"http://127.0.0.1:1\"");
    let outcome = advise(&fleet, &[]);
    let advice = found(&outcome, "setting", "autovacuum");
    assert_eq!(advice["commands"], serde_json::json!(["patronictl edit-config s0 --force --pg autovacuum=on"]));
    assert!(sql_of(&advice).is_empty(), "{advice}");

    let passwords = fleet.file("few", "*:*:*:monitor:planted-Zx81-monitor\n");
    fleet.set("PGPASSFILE", passwords.display().to_string());
    fleet.sql(0, "DROP EXTENSION pg_stat_statements");
    let outcome = advise(&fleet, &[]);
    assert!(unseen(&outcome, "plans")[0].contains("role \"app\" is not let in"), "{}", outcome.transcript());
    assert!(
        unseen(&outcome, "statements")[0].contains("pg_stat_statements is not installed"),
        "{}",
        outcome.transcript()
    );
}

/// A plan is made of the statement, and nothing of it runs; also not what its text could be taken for.
#[test]
fn no_statement_is_run_to_see_its_plan() {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.sql(0, USERS);
    as_app(&fleet, "DELETE FROM users WHERE name = 'nobody' AND pg_sleep(0) IS NOT NULL");
    fleet.sql(0, "ALTER SYSTEM SET log_statement = 'all'");
    fleet.sql(0, "SELECT pg_reload_conf()");
    until("it logs", || (fleet.sql(0, "SHOW log_statement") == "all").then_some(()));
    let count = fleet.sql(0, "SELECT count(*) FROM users");
    let outcome = advise(&fleet, &[]);
    found(&outcome, "sequential_scan", "public.users (name)");
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM users"), count);
    let log = fleet.primary(0).log();
    let explained = log.matches("EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE flotilla_advise").count();
    assert!(explained > 0, "it was explained");
    assert_eq!(log.matches("EXECUTE flotilla_advise").count(), explained, "and not run");
}

#[test]
fn a_node_stands_for_its_shard_and_others_have_no_tables() {
    let fleet = Fleet::new().shards(1).replicas(1).init().start();
    let outcome = fleet.tool("healthcheck", ["advise", "-t", "s0-b", "-t", "s0-a"]).run().ok();
    assert_eq!(outcome.lines().len(), 1, "{}", outcome.transcript());
    assert_eq!(outcome.line("s0-b")["shard"], "s0");
}

//! `lint --live`: the locks that are foreseen are those that the server takes.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use flotilla_tests::{Blocker, Fleet, until};

const BASE: &str = "\
CREATE TABLE users (user_id bigint PRIMARY KEY, name text, age int, code varchar(10), at timestamp,
    CONSTRAINT named CHECK (name IS NOT NULL));
ALTER TABLE users ADD CONSTRAINT aged CHECK (age > 0) NOT VALID;
CREATE TABLE orders (user_id bigint NOT NULL, id bigint NOT NULL, PRIMARY KEY (user_id, id));
ALTER TABLE orders ADD CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users NOT VALID;
CREATE TABLE events (user_id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE events_3 (user_id bigint NOT NULL, at date NOT NULL);
CREATE TABLE logs (user_id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE logs_rest PARTITION OF logs DEFAULT;
CREATE INDEX users_age ON users (age);
CREATE UNIQUE INDEX users_code ON users (code, user_id);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER watched BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE VIEW names AS SELECT user_id FROM users;
CREATE MATERIALIZED VIEW ages AS SELECT user_id FROM users;
";

/// Each kind of statement that can be in a transaction.
const TRANSACTIONAL: &[&str] = &[
    "ALTER TABLE users ADD COLUMN x text",
    "ALTER TABLE users ADD COLUMN x text DEFAULT 'a' NOT NULL",
    "ALTER TABLE users ADD COLUMN x timestamptz DEFAULT now()",
    "ALTER TABLE users ADD COLUMN x uuid DEFAULT gen_random_uuid()",
    "ALTER TABLE users ADD COLUMN x bigint GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE users ADD COLUMN x bigint GENERATED ALWAYS AS (user_id + 1) STORED",
    "ALTER TABLE users ADD COLUMN x bigserial",
    "ALTER TABLE orders ADD COLUMN x bigint REFERENCES users",
    "ALTER TABLE users DROP COLUMN age",
    "ALTER TABLE users ALTER COLUMN age SET DEFAULT 1",
    "ALTER TABLE users ALTER COLUMN age DROP DEFAULT",
    "ALTER TABLE users ALTER COLUMN age SET NOT NULL",
    "ALTER TABLE users ALTER COLUMN name SET NOT NULL",
    "ALTER TABLE orders ALTER COLUMN id SET STATISTICS 100",
    "ALTER TABLE users ALTER COLUMN name SET STORAGE EXTERNAL",
    "ALTER TABLE users ALTER COLUMN age SET (n_distinct = 5)",
    "ALTER TABLE users ALTER COLUMN age TYPE bigint",
    "ALTER TABLE users ALTER COLUMN code TYPE varchar(20)",
    "ALTER TABLE users ALTER COLUMN code TYPE varchar(5)",
    "ALTER TABLE users ALTER COLUMN code TYPE text",
    "ALTER TABLE users ALTER COLUMN at TYPE timestamptz USING at AT TIME ZONE 'Europe/Berlin'",
    "ALTER TABLE users ADD CONSTRAINT x CHECK (age < 200)",
    "ALTER TABLE users ADD CONSTRAINT x CHECK (age < 200) NOT VALID",
    "ALTER TABLE users ADD CONSTRAINT x UNIQUE (user_id, age)",
    "ALTER TABLE users ADD CONSTRAINT x UNIQUE USING INDEX users_code",
    "ALTER TABLE orders ADD CONSTRAINT x FOREIGN KEY (id) REFERENCES users",
    "ALTER TABLE orders ADD CONSTRAINT x FOREIGN KEY (id) REFERENCES users NOT VALID",
    "ALTER TABLE users VALIDATE CONSTRAINT aged",
    "ALTER TABLE orders VALIDATE CONSTRAINT orders_user",
    "ALTER TABLE users DROP CONSTRAINT aged",
    "ALTER TABLE orders DROP CONSTRAINT orders_user",
    "ALTER TABLE users SET (fillfactor = 80)",
    "ALTER TABLE orders SET UNLOGGED",
    "ALTER TABLE users DISABLE TRIGGER watched",
    "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE users REPLICA IDENTITY FULL",
    "ALTER TABLE users CLUSTER ON users_age",
    "ALTER TABLE users OWNER TO owner",
    "ALTER TABLE events ATTACH PARTITION events_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
    "ALTER TABLE logs ATTACH PARTITION events_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
    "ALTER TABLE events DETACH PARTITION events_1",
    "ALTER TABLE logs DETACH PARTITION logs_1",
    "ALTER TABLE events ADD COLUMN x text",
    "ALTER TABLE users RENAME TO people",
    "ALTER TABLE users RENAME COLUMN age TO years",
    "ALTER TABLE users RENAME CONSTRAINT aged TO grown",
    "ALTER TABLE users SET SCHEMA flotilla_elsewhere",
    "CREATE INDEX x ON users (name)",
    "CREATE INDEX x ON events (at)",
    "CREATE INDEX x ON ONLY events (at)",
    "DROP INDEX users_age",
    "REINDEX TABLE users",
    "REINDEX INDEX users_age",
    "CREATE TABLE x (user_id bigint REFERENCES users)",
    "CREATE TABLE x PARTITION OF events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
    "CREATE TABLE x PARTITION OF logs FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
    "CREATE TABLE x AS SELECT * FROM users",
    "CREATE TRIGGER x BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION nothing()",
    "DROP TRIGGER watched ON users",
    "CREATE POLICY x ON users USING (true)",
    "CREATE STATISTICS x ON name, age FROM users",
    "CREATE VIEW x AS SELECT * FROM users",
    "DROP VIEW names",
    "REFRESH MATERIALIZED VIEW ages",
    "COMMENT ON TABLE users IS 'x'",
    "COMMENT ON COLUMN users.age IS 'x'",
    "GRANT SELECT ON users TO app_ro",
    "DROP TABLE orders",
    "TRUNCATE orders",
    "CLUSTER users USING users_age",
    "ANALYZE users",
    "LOCK TABLE users IN SHARE MODE",
    "LOCK TABLE users",
    "INSERT INTO users (user_id, name) VALUES (900, 'x')",
    "UPDATE users SET age = 3",
    "DELETE FROM orders WHERE id = 1",
    "SELECT * FROM users WHERE user_id = 1 FOR UPDATE",
    "SELECT flotilla.protect('users', 'user_id')",
    "SELECT flotilla.declare_table('users', 'local')",
];

/// Each kind that can't, and the table on which it has to wait.
const ALONE: &[(&str, &str)] = &[
    ("CREATE INDEX CONCURRENTLY later ON users (name)", "users"),
    ("DROP INDEX CONCURRENTLY users_age", "users"),
    ("REINDEX TABLE CONCURRENTLY users", "users"),
    ("REINDEX INDEX CONCURRENTLY users_code", "users"),
    ("VACUUM users", "users"),
    ("VACUUM (FULL) users", "users"),
    ("ALTER TABLE events DETACH PARTITION events_2 CONCURRENTLY", "events"),
];

/// A table's lock, by PostgreSQL's name of it.
type Locks = BTreeMap<String, String>;

fn based() -> Fleet {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.file("base/V1__base.sql", BASE);
    fleet.tool("migrate", ["apply", "--all", "--dir", "base"]).run().ok();
    fleet.sql(0, "CREATE SCHEMA flotilla_elsewhere; GRANT ALL ON SCHEMA flotilla_elsewhere TO owner");
    fleet.sql(
        0,
        "INSERT INTO users (user_id, name, age, code) SELECT n, 'name ' || n, n, n FROM generate_series(1, 100) n",
    );
    fleet.sql(0, "INSERT INTO orders SELECT n, n FROM generate_series(1, 100) n");
    fleet
}

/// What the tool foresees of one statement: each table's lock, and which tables are written again.
fn foreseen(fleet: &Fleet, sql: &str) -> (Locks, Vec<String>) {
    fleet.file("case/V1__base.sql", BASE);
    fleet.file("case/V2__case.sql", format!("{sql};\n"));
    let outcome = fleet.tool("migrate", ["lint", "--live", "--dir", "case", "--max-block", "1h"]).run().ok();
    let (mut locks, mut rewritten) = (Locks::new(), Vec::new());
    for line in outcome.lines().iter().filter(|line| line["schema"] == "migrate.lock/1") {
        let (Some(relation), Some(mode)) = (line["relation"].as_str(), line["mode"].as_str()) else { continue };
        let words = mode.split('_').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..]));
        locks.insert(relation.to_owned(), format!("{}Lock", words.collect::<String>()));
        if line["work"] == "rewrite" {
            rewritten.push(relation.to_owned());
        }
    }
    (locks, rewritten)
}

/// What the server does: the strongest lock on each table that was there before, and which files are others.
fn observed(fleet: &Fleet, sql: &str) -> Result<(Locks, Vec<String>), String> {
    let strength = "array_position('{AccessShareLock,RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,\
                    ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}', mode)";
    let script = format!(
        "BEGIN; CREATE TEMPORARY TABLE before AS SELECT oid, relname, relfilenode FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm'); \
         {sql}; \
         SELECT DISTINCT ON (relname) 'lock ' || relname || ' ' || mode FROM pg_locks JOIN before ON oid = relation \
         WHERE pid = pg_backend_pid() AND mode <> 'AccessShareLock' ORDER BY relname, {strength} DESC; \
         SELECT 'file ' || relname FROM before WHERE relfilenode <> 0 AND pg_relation_filenode(oid) IS DISTINCT FROM relfilenode \
           AND oid IN (SELECT oid FROM pg_class) ORDER BY 1; \
         ROLLBACK"
    );
    let (mut locks, mut files) = (Locks::new(), Vec::new());
    let seen = fleet.primary(0).sql_in("app", &script).map_err(|e| format!("{sql}: {}", e.text("sql")))?;
    for line in seen.lines() {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["lock", table, mode] => drop(locks.insert((*table).to_owned(), (*mode).to_owned())),
            ["file", table] => files.push((*table).to_owned()),
            _ => {}
        }
    }
    Ok((locks, files))
}

/// Partitions are locked with the table that they are a part of.
fn whole(table: &str) -> &str {
    match table {
        "events_1" | "events_2" => "events",
        "logs_1" | "logs_rest" => "logs",
        other => other,
    }
}

#[test]
fn the_locks_that_are_foreseen_are_those_that_the_server_takes() {
    let fleet = based();
    let mut wrong = Vec::new();
    for sql in TRANSACTIONAL {
        let (ours, rewritten) = foreseen(&fleet, sql);
        let (theirs, files) = match observed(&fleet, sql) {
            Ok(seen) => seen,
            Err(why) => {
                wrong.push(why);
                continue;
            }
        };
        for (table, mode) in &theirs {
            let named = ours.get(table).or_else(|| ours.get(whole(table)));
            if named != Some(mode) {
                wrong.push(format!("{sql}: {table} is locked by {mode}, foreseen {named:?}"));
            }
        }
        for (table, mode) in ours.iter().filter(|(table, _)| !theirs.contains_key(*table)) {
            wrong.push(format!("{sql}: {table} isn't locked, foreseen {mode}"));
        }
        // TRUNCATE and a materialized view take new files; rows that are changed stay in the old one.
        if (sql.starts_with("ALTER TABLE") || sql.starts_with("CLUSTER")) && rewritten != files {
            wrong.push(format!("{sql}: {files:?} were written again, foreseen {rewritten:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Held up by another session, such a statement shows which lock it wants.
#[test]
fn locks_outside_of_transactions_are_foreseen_too() {
    let fleet = based();
    let server = fleet.primary(0);
    for (sql, table) in ALONE {
        let (ours, _) = foreseen(&fleet, sql);
        let blocker = Blocker::hold(server, "app", table, "SHARE UPDATE EXCLUSIVE");
        thread::scope(|scope| {
            let running = scope.spawn(|| fleet.sql(0, sql));
            let wanted = format!(
                "SELECT mode FROM pg_locks WHERE relation = '{table}'::regclass AND NOT granted AND pid <> pg_backend_pid()"
            );
            let mode = until("the statement waits", || {
                let mode = fleet.sql(0, &wanted);
                (!mode.is_empty()).then_some(mode)
            });
            assert_eq!(ours.get(*table), Some(&mode), "{sql}");
            drop(blocker);
            running.join().expect("the statement ends");
        });
    }
}

#[test]
fn a_lock_that_blocks_traffic_for_long_is_a_finding() {
    let fleet = based();
    fleet.sql(
        0,
        "INSERT INTO users (user_id, name, age) SELECT n, repeat('x', 200), n FROM generate_series(101, 20000) n",
    );
    let stats = "SELECT n_tup_ins > 20 FROM pg_stat_user_tables WHERE relname = 'users'";
    until("the server has counted", || (fleet.sql(0, stats) == "t").then_some(()));
    fleet.sql(0, "ANALYZE users");
    let before = fleet.state();
    fleet.file(
        "base/V2__type.sql",
        "ALTER TABLE orders ADD COLUMN x int;\nALTER TABLE users ALTER COLUMN age TYPE bigint;\n",
    );
    let live = |more: &[&str]| fleet.tool("migrate", [&["lint", "--live", "--dir", "base"], more].concat()).run();
    let slow = ["--rewrite-rate", "1", "--max-block", "500ms"];
    let found = live(&slow).code_is(1).lines();
    let about = |table: &str| found.iter().find(|line| line["relation"] == table).unwrap();
    let users = about("users");
    assert_eq!((&users["rule"], &users["status"]), (&"blocks-reads-too-long".into(), &"error".into()), "{users}");
    assert_eq!(
        (&users["mode"], &users["work"], &users["line"]),
        (&"access_exclusive".into(), &"rewrite".into(), &2.into())
    );
    let size = "SELECT pg_total_relation_size('users')";
    assert_eq!(users["bytes"].to_string(), fleet.sql(0, size));
    assert_eq!(users["estimated_ms"].as_u64(), users["bytes"].as_u64().map(|bytes| bytes / 1000));
    assert_eq!(users["rows"], 20000);
    // The first statement takes no time, but its lock is held until the second is done.
    assert_eq!((&about("orders")["estimated_ms"], &about("orders")["held_ms"]), (&0.into(), &users["held_ms"]));
    live(&["--rewrite-rate", "1", "--max-block", "1h"]).ok();
    fs::remove_file(fleet.path().join("base/V2__type.sql")).unwrap();
    let pattern = [
        "new",
        "--dir",
        "base",
        "--pattern",
        "change-type",
        "-p",
        "table=users",
        "-p",
        "column=age",
        "-p",
        "type=bigint",
    ];
    fleet.tool("migrate", pattern).run().ok();
    let summary = live(&slow).ok().lines().pop().unwrap();
    assert_eq!((&summary["schema"], &summary["finding_count"]), (&"migrate.live/1".into(), &0.into()), "{summary}");
    assert_eq!(summary["unknown_count"], 1, "the block that fills can't be foreseen: {summary}");
    assert_eq!(fleet.state(), before, "nothing was changed");
}

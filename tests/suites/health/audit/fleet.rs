//! Real servers, made weak one way after another.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use flotilla_native::account::Account;
use flotilla_native::postgres::{Shutdown, program};
use flotilla_tests::tls::Identity;
use flotilla_tests::{Fleet, Outcome, Run, until};
use serde_json::Value;

use super::{audit, found, of, set};

/// A shard that is safe as far as a socket goes, with a log that the server keeps itself.
fn safe() -> flotilla_tests::Builder {
    Fleet::new()
        .shards(1)
        .set("logging_collector", "on")
        .set("log_connections", "on")
        .set("log_disconnections", "on")
        .set("log_replication_commands", "on")
        .set("log_line_prefix", "%m [%p] %q%u@%d %h ")
        .set("log_parameter_max_length", "0")
        .set("max_slot_wal_keep_size", "1GB")
        .set("unix_socket_permissions", "0700")
}

fn postgresql(fleet: &Fleet) -> Run {
    audit(fleet, ["--component", "postgresql"])
}

/// How a server is made weak, how safe again, and which rules find it.
struct Weakness {
    on: &'static [&'static str],
    off: &'static [&'static str],
    rules: &'static [&'static str],
}

const fn one(on: &'static [&'static str], off: &'static [&'static str], rules: &'static [&'static str]) -> Weakness {
    Weakness { on, off, rules }
}

/// What a superuser can do to a server that runs.
const BY_SQL: &[Weakness] = &[
    one(
        &["SET password_encryption = 'md5'; ALTER ROLE app_ro PASSWORD 'planted-Zx81-reader'"],
        &["ALTER ROLE app_ro PASSWORD 'planted-Zx81-reader'"],
        &["postgresql-md5-password"],
    ),
    one(&["CREATE ROLE idle LOGIN"], &["DROP ROLE idle"], &["postgresql-no-password"]),
    one(&["CREATE ROLE boss SUPERUSER"], &["DROP ROLE boss"], &["postgresql-superuser"]),
    one(&["ALTER ROLE app CREATEDB"], &["ALTER ROLE app NOCREATEDB"], &["postgresql-role-attribute"]),
    one(&["ALTER ROLE monitor BYPASSRLS"], &["ALTER ROLE monitor NOBYPASSRLS"], &["postgresql-role-attribute"]),
    one(
        &["GRANT pg_read_server_files TO analytics"],
        &["REVOKE pg_read_server_files FROM analytics"],
        &["postgresql-role-membership"],
    ),
    one(
        &["GRANT CREATE ON SCHEMA public TO PUBLIC"],
        &["REVOKE CREATE ON SCHEMA public FROM PUBLIC"],
        &["postgresql-public-schema"],
    ),
    one(
        &["GRANT TEMPORARY ON DATABASE app TO PUBLIC"],
        &["REVOKE TEMPORARY ON DATABASE app FROM PUBLIC"],
        &["postgresql-public-database"],
    ),
    one(
        &["CREATE TABLE open (x int)", "GRANT SELECT ON open TO PUBLIC"],
        &["DROP TABLE open"],
        &["postgresql-public-table"],
    ),
    one(
        &["CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1"],
        &["DROP FUNCTION f()"],
        &["postgresql-definer-path"],
    ),
    one(
        &["SET allow_system_table_mods = on; UPDATE pg_language SET lanpltrusted = false WHERE lanname = 'plpgsql'"],
        &["SET allow_system_table_mods = on; UPDATE pg_language SET lanpltrusted = true WHERE lanname = 'plpgsql'"],
        &["postgresql-untrusted-language"],
    ),
    one(
        &["UPDATE pg_extension SET extversion = '1.2' WHERE extname = 'amcheck'"],
        &["UPDATE pg_extension SET extversion = '1.3' WHERE extname = 'amcheck'"],
        &["postgresql-old-extension"],
    ),
    one(
        &["ALTER DATABASE app SET pgaudit.log = 'role'"],
        &["ALTER DATABASE app SET pgaudit.log = 'ddl, role'"],
        &["postgresql-audit-scope"],
    ),
];

/// Settings that are taken on reloading.
const BY_SETTING: &[(&str, &str, &[&str])] = &[
    ("ssl_min_protocol_version", "TLSv1.1", &["postgresql-tls-old"]),
    ("password_encryption", "md5", &["postgresql-password-encryption"]),
    // A line that has to be there and isn't: lines of this level are left out of the log.
    ("log_min_messages", "fatal", &["postgresql-audit-unwritten"]),
    ("log_disconnections", "off", &["postgresql-log-sessions"]),
    ("log_replication_commands", "off", &["postgresql-log-sessions"]),
    ("log_line_prefix", "%m [%p] ", &["postgresql-log-prefix"]),
    ("log_parameter_max_length_on_error", "-1", &["postgresql-log-parameters"]),
    ("authentication_timeout", "5min", &["postgresql-login-timeout"]),
];

/// Lines before all others of `pg_hba.conf`.
const BY_HBA: &[(&str, &[&str])] = &[
    ("local nowhere nobody trust", &["postgresql-weak-hba"]),
    ("local app app trust", &["postgresql-weak-hba", "postgresql-open-login", "postgresql-wrong-password"]),
    ("local app app password", &["postgresql-weak-hba", "postgresql-open-login"]),
    ("host app app 10.0.0.0/8 scram-sha-256", &["postgresql-plaintext-hba"]),
    ("local all all nonsense", &["postgresql-broken-hba"]),
];

/// What has come or gone since.
fn changed(before: &BTreeSet<String>, outcome: &Outcome) -> BTreeSet<String> {
    found(outcome).symmetric_difference(before).cloned().collect()
}

fn expected(rules: &[&str]) -> BTreeSet<String> {
    rules.iter().map(|rule| format!("{rule} s0-a")).collect()
}

#[test]
fn each_weakness_is_found_by_its_rule_and_no_other() {
    let fleet = safe().init().start();
    let outcome = postgresql(&fleet).run().ok();
    let before = found(&outcome);
    assert_eq!(before, BTreeSet::new(), "{}", outcome.transcript());
    assert!(outcome.lines().len() >= 30, "{}", outcome.transcript());
    for Weakness { on, off, rules } in BY_SQL {
        on.iter().for_each(|sql| drop(fleet.sql(0, sql)));
        assert_eq!(changed(&before, &postgresql(&fleet).run()), expected(rules), "{on:?}");
        off.iter().for_each(|sql| drop(fleet.sql(0, sql)));
    }
    for (name, value, rules) in BY_SETTING {
        let was = fleet.sql(0, &format!("SHOW {name}"));
        fleet.sql(0, &format!("ALTER SYSTEM SET {name} = '{value}'"));
        reload(&fleet, name, |now| now != was);
        assert_eq!(changed(&before, &postgresql(&fleet).run()), expected(rules), "{name} = {value}");
        fleet.sql(0, &format!("ALTER SYSTEM RESET {name}"));
        reload(&fleet, name, |now| now == was);
    }
    assert_eq!(found(&postgresql(&fleet).run().ok()), before, "it is safe again");
}

/// A session of its own sees what new ones get.
fn reload(fleet: &Fleet, name: &str, is_taken: impl Fn(&str) -> bool) {
    fleet.sql(0, "SELECT pg_reload_conf()");
    until("the setting is taken", || is_taken(&fleet.sql(0, &format!("SHOW {name}"))).then_some(()));
}

#[test]
fn each_careless_line_of_pg_hba_conf_is_found() {
    let fleet = safe().init().start();
    let before = found(&postgresql(&fleet).run().ok());
    let path = fleet.primary(0).data().join("pg_hba.conf");
    let good = fs::read_to_string(&path).unwrap();
    for (line, rules) in BY_HBA {
        write_hba(&fleet, &format!("{line}\n{good}"));
        assert_eq!(changed(&before, &postgresql(&fleet).run().code_is(1)), expected(rules), "{line}");
    }
    write_hba(&fleet, &good);
    assert_eq!(found(&postgresql(&fleet).run().ok()), before);
}

/// The file as it is now, read by the server; one that is broken is told of in its log.
fn write_hba(fleet: &Fleet, text: &str) {
    fs::write(fleet.primary(0).data().join("pg_hba.conf"), text).unwrap();
    let before = fleet.sql(0, "SELECT pg_conf_load_time()");
    fleet.sql(0, "SELECT pg_reload_conf()");
    until("the file is read", || (fleet.sql(0, "SELECT pg_conf_load_time()") != before).then_some(()));
}

#[test]
fn what_takes_a_restart_is_found() {
    let mut fleet = safe().init().start();
    let steps: [(&str, &str, &[&str]); 5] = [
        ("unix_socket_permissions", "0777", &["postgresql-socket-open"]),
        ("unix_socket_permissions", "0700", &[]),
        ("shared_preload_libraries", "pg_stat_statements", &["postgresql-audit-off"]),
        ("shared_preload_libraries", "pgaudit", &[]),
        ("max_slot_wal_keep_size", "-1", &[]),
    ];
    for (name, value, rules) in steps {
        let server = &mut fleet.shards[0].nodes[0].server;
        server.set(name, value).unwrap();
        server.restart().unwrap();
        assert_eq!(found(&postgresql(&fleet).run()), expected(rules), "{name} = {value}");
    }
    let server = &mut fleet.shards[0].nodes[0].server;
    server.stop(Shutdown::Fast).unwrap();
    checksums(&server.data(), "--disable");
    server.launch().unwrap();
    assert_eq!(found(&postgresql(&fleet).run()), expected(&["postgresql-checksums-off"]));
    let server = &mut fleet.shards[0].nodes[0].server;
    server.stop(Shutdown::Fast).unwrap();
    checksums(&server.data(), "--enable");
    server.launch().unwrap();
    fleet.sql(0, "SELECT pg_create_physical_replication_slot('left_behind')");
    assert_eq!(found(&postgresql(&fleet).run().ok()), expected(&["postgresql-slot-limit"]), "a warning");
    postgresql(&fleet).args(["--fail-on", "warn"]).run().code_is(1);
}

/// Of a server that is down.
fn checksums(data: &Path, order: &str) {
    let mut command = Command::new(program("pg_checksums"));
    command.args([order, "--no-sync", "--pgdata"]).arg(data).current_dir("/");
    let output = Account::server().unwrap().run(&mut command).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn without_tls_both_what_is_sent_and_who_asks_for_it_are_found() {
    let fleet = Fleet::new().shards(1).tls(Identity::valid()).rule("hostnossl all all all reject").init().start();
    let before = found(&postgresql(&fleet).run());
    for rule in ["plaintext-login", "plaintext-session", "plaintext-hba", "tls-off", "tls-old"] {
        assert!(!before.contains(&format!("postgresql-{rule} s0-a")), "{before:?}");
    }
    // The harness lets its own superuser in by his address: exactly that is a weakness.
    assert!(before.is_superset(&expected(&["postgresql-weak-hba", "postgresql-open-login"])), "{before:?}");
    let good = fs::read_to_string(fleet.primary(0).data().join("pg_hba.conf")).unwrap();
    write_hba(&fleet, &good.replace("hostnossl all all all reject", ""));
    let outcome = postgresql(&fleet).run();
    assert_eq!(changed(&before, &outcome), expected(&["postgresql-plaintext-login"]));
    let said = of(&outcome, "postgresql-plaintext-login", "s0-a")["observed"].to_string();
    assert!(said.contains("is asked for its password"), "{said}");
    let psql = program("psql");
    let line = format!("exec {} -XAtqc \"SELECT 'here'\" -c 'SELECT pg_sleep(300)'", psql.display());
    let session = fleet.script(&line).env("PGHOST", "127.0.0.1").env("PGPORT", fleet.primary(0).port().to_string());
    let session = session.env("PGUSER", "app").env("PGDATABASE", "app").env("PGSSLMODE", "disable").start();
    until("the session is there", || session.stdout_so_far().contains("here").then_some(()));
    let both = expected(&["postgresql-plaintext-login", "postgresql-plaintext-session"]);
    assert_eq!(changed(&before, &postgresql(&fleet).run()), both);
    drop(session);
    // The server hasn't noticed yet.
    let others = "FROM pg_stat_activity WHERE client_addr IS NOT NULL";
    fleet.sql(0, &format!("SELECT pg_terminate_backend(pid) {others}"));
    until("the session is gone", || (fleet.sql(0, &format!("SELECT count(*) {others}")) == "0").then_some(()));
    write_hba(&fleet, &format!("hostssl app app all scram-sha-256\n{good}"));
    assert_eq!(changed(&before, &postgresql(&fleet).run()), BTreeSet::new(), "one database, one role");
    write_hba(&fleet, &format!("hostssl all app all scram-sha-256\n{good}"));
    assert_eq!(changed(&before, &postgresql(&fleet).run()), expected(&["postgresql-wide-hba"]));
}

/// The tools want TLS, and the server speaks none: what it says to others is found all the same.
#[test]
fn a_server_that_has_lost_its_tls_is_found_by_what_strangers_get() {
    let fleet = Fleet::new().shards(1).tls(Identity::valid()).init().start();
    fleet.sql(0, "ALTER SYSTEM SET ssl = off");
    reload(&fleet, "ssl", |now| now == "off");
    let outcome = postgresql(&fleet).run().code_is(1);
    assert_eq!(of(&outcome, "postgresql-plaintext-login", "s0-a")["state"], "fail");
    assert_eq!(of(&outcome, "postgresql-tls-off", "s0-a")["state"], "unknown");
}

#[test]
fn a_server_that_listens_without_tls_is_found() {
    let fleet = safe().listening().init().start();
    assert_eq!(found(&postgresql(&fleet).run().code_is(1)), expected(&["postgresql-tls-off"]));
}

#[test]
fn a_replica_is_held_to_what_concerns_it() {
    let fleet = safe().replicas(1).init().start();
    let outcome = until("the replica has replayed all", || {
        let outcome = postgresql(&fleet).run();
        outcome.status.success().then_some(outcome)
    });
    let rules = |instance: &str| -> BTreeSet<String> {
        let lines = outcome.lines();
        let of = lines.iter().filter(|line| line["instance"] == instance);
        of.map(|line| line["rule"].as_str().unwrap().to_owned()).collect()
    };
    let only: BTreeSet<String> = rules("s0-a").symmetric_difference(&rules("s0-b")).cloned().collect();
    assert_eq!(only, set(&["postgresql-audit-unwritten", "postgresql-stored-password"]));
    let replica = fleet.replica(0, 0);
    replica
        .sql("ALTER SYSTEM SET primary_conninfo = 'host=/nowhere user=postgres password = planted-Zx81-secret'")
        .unwrap();
    replica.sql("SELECT pg_reload_conf()").unwrap();
    until("the setting is taken", || {
        replica.sql("SHOW primary_conninfo").is_ok_and(|now| now.contains("nowhere")).then_some(())
    });
    let outcome = postgresql(&fleet).run().code_is(1);
    assert_eq!(found(&outcome), set(&["postgresql-stored-password s0-b"]));
    assert!(!outcome.transcript().contains("planted-Zx81-secret"));
}

#[test]
fn what_the_role_may_not_see_is_unknown_and_says_what_it_takes() {
    let fleet = safe().init().start();
    fleet.sql(0, "DROP SCHEMA flotilla_posture CASCADE");
    fleet.sql(0, "REVOKE ALL ON pg_hba_file_rules FROM monitor");
    let outcome = postgresql(&fleet).run().code_is(1);
    let line = of(&outcome, "postgresql-weak-hba", "s0-a");
    assert_eq!((&line["state"], &line["status"]), (&Value::from("unknown"), &Value::from("error")));
    assert!(line["hint"].to_string().contains("shardctl init lets it look by 106_posture.sql"), "{line}");
    let hba = ["weak", "wide", "plaintext", "broken"].map(|kind| format!("postgresql-{kind}-hba"));
    let others = ["md5-password", "no-password", "audit-unwritten"].map(|name| format!("postgresql-{name}"));
    let unknown: Vec<&str> = hba.iter().chain(&others).map(String::as_str).collect();
    assert_eq!(found(&outcome), expected(&unknown));
    fleet.sql(0, "REVOKE pg_monitor FROM monitor");
    let outcome = postgresql(&fleet).run().code_is(1);
    for rule in ["postgresql-plaintext-session", "postgresql-audit-off", "postgresql-socket-open"] {
        assert_eq!(of(&outcome, rule, "s0-a")["state"], "unknown", "{rule}");
    }
}

/// The log that somebody else keeps, as the topology names it.
#[test]
fn the_line_of_the_audit_trail_is_looked_for_in_the_file_that_the_topology_names() {
    let mut fleet = Fleet::new().shards(1).init().start();
    let rule = "postgresql-audit-unwritten";
    let line = of(&postgresql(&fleet).run(), rule, "s0-a");
    assert_eq!((&line["state"], &line["proof"]), (&Value::from("unknown"), &Value::from(true)), "{line}");
    let log = fleet.primary(0).folder().join("log");
    let node = format!("  name = \"s0-a\"\n  log = \"{}\"\n", log.display());
    let text = fleet.topology.to_string().replacen("  name = \"s0-a\"\n", &node, 1);
    fleet.topology(text);
    assert_eq!(of(&postgresql(&fleet).run(), rule, "s0-a")["state"], "pass");
    fleet.sql(0, "ALTER SYSTEM SET log_min_messages = fatal");
    reload(&fleet, "log_min_messages", |now| now == "fatal");
    assert_eq!(of(&postgresql(&fleet).run(), rule, "s0-a")["state"], "fail");
}

#[test]
fn an_audit_leaves_nothing_behind() {
    let fleet = safe().init().start();
    let settings = "SELECT count(*) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole \
                    WHERE array_to_string(s.setconfig, ',') LIKE '%application_name%'";
    let before = fleet.state();
    postgresql(&fleet).run().ok();
    assert_eq!((fleet.state(), fleet.sql(0, settings)), (before, "0".to_owned()));
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'flotilla healthcheck%'";
    until("its sessions are gone", || (fleet.sql(0, sessions) == "0").then_some(()));
}

#[test]
fn a_server_that_is_gone_is_unknown_by_every_rule() {
    let mut fleet = safe().init().start();
    let rules = postgresql(&fleet).run().ok().lines().len();
    fleet.shards[0].nodes[0].server.stop(Shutdown::Kill).unwrap();
    let outcome = postgresql(&fleet).run().code_is(75);
    let lines = outcome.lines();
    assert!(lines.len() >= rules);
    assert!(lines.iter().all(|line| line["state"] == "unknown" && line["error"]["code"] == "unreachable"));
}

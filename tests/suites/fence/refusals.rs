//! Tables that can't be protected: each is refused with what to change.

use flotilla::pg::Session;
use flotilla_tests::Fleet;

use super::{connect, fleet, outcome, run};

/// Makes `r` and protects it by `id`; the SQLSTATE and a part of the message.
async fn refuse(session: &Session, ddl: &str, sqlstate: &str, says: &str) {
    run(session, "BEGIN").await;
    run(session, ddl).await;
    let Err(error) = session.simple("SELECT flotilla.protect('r', 'id')").await else { panic!("protected: {ddl}") };
    assert_eq!(error.state(), Some(sqlstate), "{ddl}: {}", error.text("protect"));
    assert!(error.message().contains(says), "{ddl}: {}", error.text("protect"));
    assert!(error.record().hint.is_some() || sqlstate == "42703", "{ddl}: no hint");
    run(session, "ROLLBACK").await;
}

#[tokio::test]
async fn tables_that_cannot_be_protected_are_refused() {
    let fleet = fleet(1);
    let admin = connect(&fleet, 0, "postgres").await;
    run(&admin, "CREATE EXTENSION IF NOT EXISTS btree_gist").await;
    run(&admin, "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w").await;
    for (ddl, sqlstate, says) in [
        ("CREATE TABLE r (id bigint)", "42P16", "not in the primary key"),
        ("CREATE TABLE r (id bigint, n int PRIMARY KEY)", "42P16", "not in the primary key"),
        ("CREATE TABLE r (id bigint, n int, PRIMARY KEY (n) INCLUDE (id))", "42P16", "not in the primary key"),
        ("CREATE TABLE r (id bigint PRIMARY KEY, n int UNIQUE)", "42P16", "r_n_key of table"),
        (
            "CREATE TABLE r (id bigint PRIMARY KEY, n int); CREATE UNIQUE INDEX u ON r (n) INCLUDE (id)",
            "42P16",
            "u of table",
        ),
        (
            "CREATE TABLE r (id bigint PRIMARY KEY, n int, EXCLUDE USING gist (n WITH =))",
            "42P16",
            "exclusion constraint",
        ),
        ("CREATE TABLE r (id text PRIMARY KEY)", "42804", "has type text"),
        ("CREATE TABLE r (n bigint PRIMARY KEY)", "42703", "does not exist"),
        ("CREATE TABLE r (n int, id bigint GENERATED ALWAYS AS (n) STORED PRIMARY KEY)", "42P16", "is generated"),
        ("CREATE TABLE r (id bigint PRIMARY KEY); ALTER TABLE r REPLICA IDENTITY NOTHING", "42P16", "replica identity"),
        (
            "CREATE TABLE p (id bigint PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE r PARTITION OF p DEFAULT",
            "42809",
            "is a partition",
        ),
        ("CREATE TABLE r (id bigint PRIMARY KEY); CREATE TABLE c () INHERITS (r)", "42809", "inheritance"),
        ("CREATE TEMPORARY TABLE r (id bigint PRIMARY KEY)", "42809", "not a permanent table"),
        ("CREATE FOREIGN TABLE r (id bigint) SERVER s", "42809", "not a permanent table"),
    ] {
        refuse(&admin, ddl, sqlstate, says).await;
    }
}

#[tokio::test]
async fn a_key_with_a_nondeterministic_collation_is_refused() {
    flotilla::tls::install();
    let fleet = Fleet::new().shards(1).key_type("text").trusting().init().start();
    let admin = connect(&fleet, 0, "postgres").await;
    let ddl = "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
               CREATE TABLE r (id text COLLATE nocase PRIMARY KEY)";
    refuse(&admin, ddl, "42P21", "nondeterministic collation").await;
}

#[tokio::test]
async fn only_the_owner_protects_and_once_is_enough() {
    let fleet = fleet(1);
    let admin = connect(&fleet, 0, "postgres").await;
    run(&admin, "SET ROLE owner; CREATE TABLE r (id bigint PRIMARY KEY); RESET ROLE").await;
    let app = connect(&fleet, 0, "app").await;
    assert_eq!(outcome(&app, "SELECT flotilla.protect('r', 'id')").await, "42501");
    let protect = "SELECT flotilla.protect('r', 'id')";
    assert_eq!(admin.value(protect).await.ok().flatten().as_deref(), Some("t"));
    assert_eq!(admin.value(protect).await.ok().flatten().as_deref(), Some("f"));
}

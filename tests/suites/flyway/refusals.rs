//! What both refuse, and leave nothing of.

use super::cases::File;
use super::sides::{FLYWAY, MIGRATE, Sides};

/// What is wrong with a set of scripts, and the set.
type Wrong = (&'static str, &'static [(&'static str, &'static [u8])]);

fn files(scripts: &[(&str, &[u8])]) -> Vec<File> {
    scripts.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
}

#[test]
fn what_one_refuses_the_other_does_too() {
    const INDEX: &[u8] = b"CREATE INDEX CONCURRENTLY i ON base.ground (x);";
    let cases: &[Wrong] = &[
        ("a version twice", &[("V1__a.sql", b"SELECT 1;"), ("V01.0__b.sql", b"SELECT 1;")]),
        ("a repeatable script twice", &[("R__a.sql", b"SELECT 1;"), ("x/R__a.sql", b"SELECT 1;")]),
        ("a baseline twice", &[("B1__a.sql", b"SELECT 1;"), ("B1_0__b.sql", b"SELECT 1;")]),
        (
            "statements with and without a transaction",
            &[("V1__a.sql", b"CREATE TABLE a (x int);\nCREATE INDEX CONCURRENTLY i ON base.ground (x);")],
        ),
        ("a placeholder without a value", &[("V1__a.sql", b"SELECT '${nowhere}';")]),
        ("a placeholder without an end", &[("R__a.sql", b"SELECT '${nowhere';")]),
        ("no UTF-8", &[("V1__a.sql", b"SELECT 'na\xefve';")]),
        ("an unknown option", &[("V1__a.sql", b"SELECT 1;"), ("V1__a.sql.conf", b"inTransaction=false")]),
        ("a paid option", &[("V1__a.sql", b"SELECT 1;"), ("V1__a.sql.conf", b"shouldExecute=true")]),
        ("an option that can't be", &[("V1__a.sql", INDEX), ("V1__a.sql.conf", b"executeInTransaction=true")]),
        ("a script that ends in a string", &[("V1__a.sql", b"SELECT 1;\nSELECT 'open;")]),
    ];
    let sides = Sides::new();
    for (what, scripts) in cases {
        sides.scripts(&files(scripts));
        let (answer, outcome) = (sides.flyway(&["migrate"]), sides.migrate(&["apply"]));
        assert!(!answer.is_ok(), "{what}\n{}", answer.text());
        assert!(matches!(outcome.code(), Some(1..=3)), "{what}\n{}", outcome.transcript());
        assert_eq!((sides.rows(FLYWAY), sides.rows(MIGRATE)), (String::new(), String::new()), "{what}");
    }
}

#[test]
fn tables_without_a_history_are_refused() {
    let sides = Sides::new();
    sides.scripts(&files(&[("V1__a.sql", b"SELECT 1;")]));
    for shard in [FLYWAY, MIGRATE] {
        sides.fleet.sql(shard, "CREATE TABLE public.old (x int)");
    }
    let answer = sides.flyway(&["migrate"]);
    assert!(!answer.is_ok(), "{}", answer.text());
    sides.migrate(&["apply"]).code_is(3);
    assert_eq!((sides.rows(FLYWAY), sides.rows(MIGRATE)), (String::new(), String::new()));
}

#[test]
fn a_corrupt_history_is_refused() {
    let sides = Sides::new();
    sides.scripts(&files(&[("V1__a.sql", b"SELECT 1;")]));
    assert!(sides.flyway(&["migrate"]).is_ok());
    sides.migrate(&["apply"]).ok();
    for shard in [FLYWAY, MIGRATE] {
        sides.fleet.sql(
            shard,
            "INSERT INTO flyway_schema_history SELECT installed_rank + n, version, description, 'DELETE', script, checksum, \
             installed_by, now(), 0, true FROM flyway_schema_history, generate_series(1, 2) AS n",
        );
    }
    let answer = sides.flyway(&["info"]);
    assert!(!answer.is_ok() && answer.text().contains("multiple delete entries"), "{}", answer.text());
    let outcome = sides.migrate(&["info"]).code_is(1);
    assert!(outcome.stdout.contains("more than one DELETE row"), "{}", outcome.transcript());
}

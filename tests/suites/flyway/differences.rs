//! Where `migrate` differs from Flyway on purpose: the table of docs/decisions/008-migrate.md, row by row.

use super::cases::File;
use super::sides::{FLYWAY, MIGRATE, Sides};

fn files(scripts: &[(&str, &str)]) -> Vec<File> {
    scripts.iter().map(|(name, sql)| ((*name).to_owned(), sql.as_bytes().to_vec())).collect()
}

fn state_of(shown: &[super::sides::Shown], version: &str) -> String {
    shown.iter().find(|shown| shown.0 == version).map(|shown| shown.3.clone()).unwrap_or_default()
}

#[test]
fn migrate_names_the_login_and_flyway_the_role() {
    let sides = Sides::new();
    sides.scripts(&files(&[("V1__a.sql", "CREATE TABLE a (x int);")]));
    sides.fleet.flyway(FLYWAY, ["migrate"]).without("FLYWAY_INSTALLED_BY").run().ok();
    sides.migrate(&["apply"]).ok();
    let by = |shard: usize| sides.fleet.sql(shard, "SELECT installed_by FROM flyway_schema_history");
    assert_eq!((by(FLYWAY).as_str(), by(MIGRATE).as_str()), ("owner", "migrator"));
    let owner = |shard: usize| sides.fleet.sql(shard, "SELECT relowner::regrole FROM pg_class WHERE relname = 'a'");
    assert_eq!((owner(FLYWAY).as_str(), owner(MIGRATE).as_str()), ("owner", "owner"));
}

#[test]
fn migrate_says_that_a_script_has_changed_and_flyway_shows_success() {
    let sides = Sides::new();
    sides.scripts(&files(&[("V1__a.sql", "CREATE TABLE a (x int);")]));
    sides.migrate(&["apply"]).ok();
    sides.scripts(&files(&[("V1__a.sql", "CREATE TABLE a (x bigint);")]));
    let answer = sides.flyway_on(MIGRATE, &["info", "validate"]);
    assert_eq!(state_of(&answer.shown(), "1"), "success");
    assert_eq!(answer.findings(), [("checksum_mismatch".to_owned(), "1".to_owned())]);
    let outcome = sides.migrate(&["info"]).ok();
    assert_eq!((&outcome.lines()[0]["state"], &outcome.lines()[0]["drifted"]), (&"success".into(), &true.into()));
}

#[test]
fn migrate_makes_no_history_where_it_has_nothing_to_write() {
    let sides = Sides::new();
    sides.scripts(&[]);
    assert!(sides.flyway(&["migrate"]).is_ok());
    sides.migrate(&["apply"]).ok();
    let there = |shard: usize| sides.fleet.sql(shard, "SELECT to_regclass('flyway_schema_history') IS NOT NULL");
    assert_eq!((there(FLYWAY).as_str(), there(MIGRATE).as_str()), ("t", "f"));
}

#[test]
fn migrate_knows_every_statement_that_cant_be_in_a_transaction() {
    let sides = Sides::new();
    let partitioned = "CREATE TABLE p (x int) PARTITION BY RANGE (x);\n\
                       CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);";
    let scripts = [
        ("V1__p.sql", partitioned),
        ("V2__detach.sql", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;"),
        ("V3__again.sql", "REINDEX TABLE CONCURRENTLY base.ground;"),
    ];
    for version in [2, 3] {
        sides.reset();
        sides.scripts(&files(&[scripts[0], scripts[version - 1]]));
        let answer = sides.flyway(&["migrate"]);
        assert!(
            !answer.is_ok() && answer.text().contains("cannot run inside a transaction block"),
            "{}",
            answer.text()
        );
        sides.migrate(&["apply"]).ok();
        let answer = sides.flyway_on(MIGRATE, &["validate"]);
        assert!(answer.is_ok(), "{}", answer.text());
    }
    // With the word of the script's options, it is the same for both.
    sides.reset();
    let mut all = files(&scripts);
    all.extend(files(&[
        ("V2__detach.sql.conf", "executeInTransaction=false"),
        ("V3__again.sql.conf", "executeInTransaction=false"),
    ]));
    sides.scripts(&all);
    let answer = sides.flyway(&["migrate"]);
    assert!(answer.is_ok(), "{}", answer.text());
    sides.migrate(&["apply"]).ok();
    assert_eq!(sides.rows(FLYWAY), sides.rows(MIGRATE));
}

#[test]
fn migrate_goes_on_with_what_it_began_and_flyway_stops_before_it() {
    let sides = Sides::new();
    sides.scripts(&files(&[("V1__i.sql", "CREATE UNIQUE INDEX CONCURRENTLY u ON base.ground (same);")]));
    assert!(!sides.flyway(&["migrate"]).is_ok());
    sides.migrate(&["apply"]).code_is(1);
    assert_eq!(sides.rows(FLYWAY), sides.rows(MIGRATE));
    for shard in [FLYWAY, MIGRATE] {
        sides.fleet.sql(shard, "DELETE FROM base.ground WHERE x > 1");
    }
    let answer = sides.flyway_on(MIGRATE, &["migrate"]);
    assert!(!answer.is_ok() && answer.text().contains("failed migration"), "{}", answer.text());
    sides.migrate(&["apply"]).ok();
    let answer = sides.flyway_on(MIGRATE, &["validate"]);
    assert!(answer.is_ok(), "{}", answer.text());
    // Nobody knows how far Flyway came.
    let refused = sides.migrate_on(FLYWAY, &["apply"]).code_is(1);
    assert!(refused.stdout.contains("in a way that can't be resumed"), "{}", refused.transcript());
}

#[test]
fn migrate_repairs_where_a_description_is_longer_than_its_column() {
    let sides = Sides::new();
    let name = format!("V1__{}.sql", "long_".repeat(45));
    sides.scripts(&files(&[(&name, "CREATE TABLE a (x int);")]));
    assert!(sides.flyway(&["migrate", "validate"]).is_ok());
    sides.migrate(&["apply"]).ok();
    assert_eq!(sides.rows(FLYWAY), sides.rows(MIGRATE));
    let answer = sides.flyway(&["repair"]);
    assert!(!answer.is_ok() && answer.text().contains("value too long"), "{}", answer.text());
    let repaired = sides.migrate(&["repair"]).ok();
    assert_eq!(repaired.lines()[0]["changed"], false, "{}", repaired.transcript());
}

#[test]
fn migrate_shows_as_pending_only_what_a_run_to_the_next_would_apply() {
    let sides = Sides::new();
    sides.scripts(&files(&[("V1__a.sql", "SELECT 1;"), ("V2__b.sql", "SELECT 1;"), ("R__r.sql", "SELECT 1;")]));
    let answer = sides.flyway(&["info", "-target=next"]);
    let migrate = sides.shown_by_migrate(MIGRATE, &["--to=next"]);
    for (version, flyway_says, migrate_says) in
        [("1", "pending", "pending"), ("2", "above_target", "above_target"), ("", "pending", "above_target")]
    {
        assert_eq!(state_of(&answer.shown(), version), flyway_says, "{version}");
        assert_eq!(state_of(&migrate, version), migrate_says, "{version}");
    }
    assert!(sides.flyway(&["migrate", "-target=next"]).is_ok());
    sides.migrate(&["apply", "--to", "next"]).ok();
    assert_eq!(sides.rows(FLYWAY), sides.rows(MIGRATE));
}

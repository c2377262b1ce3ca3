//! Locks: traffic behind a migration waits no longer than it was told to.

use std::thread;

use flotilla_tests::{Blocker, until};

use super::{fleet, write};

#[test]
fn behind_a_long_reader_it_tries_again_until_the_reader_ends() {
    let fleet = fleet(&[("V1__t.sql", "CREATE TABLE t (x int);")]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    write(&fleet, &[("V2__c.sql", "ALTER TABLE t ADD COLUMN y int;")]);
    let reader = Blocker::read(fleet.primary(0), "app", "t");
    let run = fleet.tool("migrate", ["apply", "-t", "s0", "--lock-timeout", "300ms", "--retry-for", "60s"]).start();
    thread::scope(|scope| {
        // Queries that come after it wait behind it for its lock_timeout, then go on: none is refused.
        let traffic = scope.spawn(|| {
            for _ in 0..20 {
                fleet.sql(0, "SET statement_timeout = '5s'; SELECT count(*) FROM t");
            }
        });
        traffic.join().expect("no query waited for long");
    });
    until("it isn't tried again", || run.stderr_so_far().contains("trying again").then_some(()));
    drop(reader);
    let outcome = run.finish().ok();
    assert!(outcome.lines()[0]["applied"][0]["retries"].as_u64().unwrap() > 0, "{}", outcome.transcript());
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'y'"), "1");
}

#[test]
fn the_hard_end_names_who_was_in_the_way() {
    let fleet = fleet(&[("V1__t.sql", "CREATE TABLE t (x int);")]);
    fleet.tool("migrate", ["apply", "--all"]).run().ok();
    write(&fleet, &[("V2__c.sql", "ALTER TABLE t ADD COLUMN y int;")]);
    let reader = Blocker::read(fleet.primary(0), "app", "t");
    let outcome =
        fleet.tool("migrate", ["apply", "-t", "s0", "--lock-timeout", "300ms", "--retry-for", "2s"]).run().code_is(1);
    let line = &outcome.lines()[0];
    assert_eq!((&line["error"]["code"], &line["error"]["sqlstate"]), (&"lock_timeout".into(), &"55P03".into()));
    let message = line["error"]["message"].as_str().unwrap();
    for part in ["V2__c.sql:1", "blocked by process ", "SELECT 'held'", "idle in transaction"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    drop(reader);
    fleet.tool("migrate", ["apply", "-t", "s0"]).run().ok();
}

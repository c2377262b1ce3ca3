//! Restores that are killed: what they leave is never taken for a cluster, and the next run says so or
//! begins anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use flotilla_native::account::Account;
use flotilla_native::postgres::program;
use flotilla_tests::{Fleet, Run};
use serde_json::Value;

use super::source::{self, content, is_sound, objects};
use super::walg::LAYOUTS;

/// A full backup and a delta of a cluster with a tablespace.
fn chain() -> (Fleet, String, String) {
    let fleet = source::fleet(LAYOUTS[0], true);
    let push = |kind: &str| -> Value {
        fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--type", kind]).run().ok().line("s0")
    };
    push("full");
    source::change(&fleet, 1);
    let delta = push("delta")["backup"].as_str().unwrap().to_owned();
    let oid = fleet.sql(0, "SELECT oid FROM pg_tablespace WHERE spcname = 'space'");
    (fleet, delta, oid)
}

fn fetch(fleet: &Fleet, backup: &str, into: &Path, oid: &str, space: &Path) -> Run {
    let tablespace = format!("{oid}={}", space.display());
    let into = into.to_str().unwrap();
    fleet.as_operator("walg-wrap", ["fetch", "-t", "s0", backup, "--into", into, "--tablespace", &tablespace])
}

/// PostgreSQL itself must not begin to run there.
#[track_caller]
fn no_server_starts(data: &Path) {
    let mut postgres = Command::new(program("postgres"));
    postgres.arg("-D").arg(data).current_dir("/");
    let ended = Account::server().unwrap().run(&mut postgres).output().unwrap();
    assert!(!ended.status.success());
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!said.contains("starting PostgreSQL"), "{said}");
}

#[test]
fn a_fetch_that_is_killed_leaves_nothing_that_starts_and_is_done_anew() {
    let (fleet, delta, oid) = chain();
    let (data, space) = (fleet.path().join("restored/data"), fleet.path().join("restored/space"));
    for place in ["prepared", "file", "file@400", "part", "level", "level@2", "label", "linked", "synced"] {
        let run = fetch(&fleet, &delta, &data, &oid, &space).env("FLOTILLA_FAILPOINT", format!("fetch.{place}"));
        let outcome = run.run();
        assert_eq!(outcome.signal(), Some(9), "killed at fetch.{place}: {}", outcome.transcript());
        assert!(data.join(".flotilla-restore").exists(), "killed at fetch.{place}");
        assert!(!data.join("global/pg_control").exists(), "killed at fetch.{place}");
        no_server_starts(&data);
    }
    // What the last one has left is cleared away, and the whole of it is restored.
    let expected = content(fleet.primary(0));
    fleet.archived(0);
    fetch(&fleet, &delta, &data, &oid, &space).run().ok();
    let again = fetch(&fleet, &delta, &data, &oid, &space).run().code_is(3);
    assert!(again.stdout.contains("is not empty; nothing was touched"), "{}", again.transcript());
    // A server on it recovers; the harness starts its own in a folder that it names.
    let restored = fleet.recovered(0, |into| {
        let inner = into.with_file_name("space");
        let killed = fetch(&fleet, &delta, into, &oid, &inner).env("FLOTILLA_FAILPOINT", "fetch.file@200").run();
        assert_eq!(killed.signal(), Some(9), "{}", killed.transcript());
        fetch(&fleet, &delta, into, &oid, &inner).run().ok();
    });
    is_sound(restored, &expected);
}

#[test]
fn a_fetch_that_is_killed_at_its_very_end_has_restored_a_cluster_that_nobody_clears_away() {
    let (fleet, delta, oid) = chain();
    for (at, place) in ["control", "unmarked"].into_iter().enumerate() {
        let data = fleet.path().join(format!("restored/data-{at}"));
        let space = fleet.path().join(format!("restored/space-{at}"));
        let run = fetch(&fleet, &delta, &data, &oid, &space).env("FLOTILLA_FAILPOINT", format!("fetch.{place}"));
        let outcome = run.run();
        assert_eq!(outcome.signal(), Some(9), "killed at fetch.{place}: {}", outcome.transcript());
        assert!(data.join("global/pg_control").exists() && space.join(".flotilla-restore").exists());
        let (before, before_space) = (objects(&data), objects(&space));
        let refused = |data: &Path, why: &str| {
            let outcome = fetch(&fleet, &delta, data, &oid, &space).run().code_is(3);
            assert!(outcome.stdout.contains(why), "{}", outcome.transcript());
        };
        let why = if place == "control" { "that was restored whole" } else { "is not empty" };
        refused(&data, &format!("{why}; nothing was touched"));
        // The tablespace's folder has a mark still, and rows that the cluster needs.
        refused(&fleet.path().join(format!("restored/other-{at}")), "that was restored whole; nothing was touched");
        assert_eq!((objects(&data), objects(&space)), (before, before_space));
        fs::remove_dir_all(&data).unwrap();
    }
}

//! Backups that WAL-G made, restored by `walg-wrap fetch`.

use std::fs;

use flotilla_native::account::Account;
use flotilla_tests::Fleet;

use super::source::{self, Load, change, content, is_sound, listed};
use super::walg::{self, LAYOUTS, Layout};

/// Empty where there is none.
fn space_oid(fleet: &Fleet) -> String {
    fleet.sql(0, "SELECT oid FROM pg_tablespace WHERE spcname = 'space'")
}

/// Restores a backup, recovers to the archive's end and compares.
pub(super) fn restores(fleet: &Fleet, backup: &str, expected: &str) {
    let oid = space_oid(fleet);
    let restored = fleet.recovered(0, |data| {
        let space = data.with_file_name("space");
        let tablespace = format!("{oid}={}", space.display());
        let mut args = vec!["fetch", "-t", "s0", backup, "--into", data.to_str().unwrap()];
        if !oid.is_empty() {
            args.extend(["--tablespace", &tablespace]);
        }
        let line = fleet.as_operator("walg-wrap", args).run().ok().line("s0");
        assert!(line["files"].as_u64().unwrap() > 900, "{line}");
        assert!(!data.join("tablespace_map").exists() && !data.join(".flotilla-restore").exists());
        if !oid.is_empty() {
            let points_to = fs::read_link(data.join("pg_tblspc").join(&oid)).unwrap();
            assert_eq!(points_to, space, "a link never leads to the original");
        }
    });
    is_sound(restored, expected);
}

fn chains_of_wal_g(layout: Layout, deltas: u32) {
    if walg::program().is_none() {
        return;
    }
    let fleet = source::fleet(layout, true);
    let data = fleet.primary(0).data();
    let push = ["backup-push", data.to_str().unwrap()];
    let load = Load::on(&fleet);
    walg::run(&fleet, 0, layout, &push).run().ok();
    for round in 1..=deltas {
        change(&fleet, round);
        walg::run(&fleet, 0, layout, &push).run().ok();
    }
    drop(load);
    let expected = content(fleet.primary(0));
    fleet.archived(0);
    let made = listed(&fleet);
    assert_eq!(made.len(), 1 + deltas as usize, "{made:?}");
    for backup in &made {
        restores(&fleet, backup, &expected);
    }
}

#[test]
fn chains_of_wal_g_packed_by_lz4_are_restored() {
    chains_of_wal_g(LAYOUTS[0], 4);
}

#[test]
fn chains_of_wal_g_packed_by_lz4_and_encrypted_are_restored() {
    chains_of_wal_g(LAYOUTS[1], 1);
}

#[test]
fn chains_of_wal_g_packed_by_zstd_are_restored() {
    chains_of_wal_g(LAYOUTS[2], 1);
}

#[test]
fn chains_of_wal_g_packed_by_zstd_and_encrypted_are_restored() {
    chains_of_wal_g(LAYOUTS[3], 2);
}

#[test]
fn a_restore_that_cant_be_touches_nothing() {
    if walg::program().is_none() {
        return;
    }
    let layout = LAYOUTS[0];
    let fleet = source::fleet(layout, true);
    let space = source::space(&fleet);
    let fetch = |args: &[&str]| fleet.as_operator("walg-wrap", [&["fetch", "-t", "s0"], args].concat()).run();
    let refused = |args: &[&str], code: i32, why: &str| {
        let outcome = fetch(args).code_is(code);
        let said = if code == 2 { outcome.stderr } else { outcome.line("s0")["error"]["message"].to_string() };
        assert!(said.contains(why), "{said}");
    };
    let into = fleet.path().join("restored/a");
    let into = into.to_str().unwrap();
    refused(&["--into", into], 1, "there is no backup");
    let data = fleet.primary(0).data();
    walg::run(&fleet, 0, layout, &["backup-push", data.to_str().unwrap()]).run().ok();

    refused(&["--into", into], 2, &format!("(which was at {})", space.display()));
    let oid = space_oid(&fleet);
    let other = fleet.path().join("restored/b");
    let tablespace = format!("{oid}={}", other.display());
    let inside = format!("{oid}={into}");
    refused(&["--into", into, "--tablespace", &inside], 2, "lie in one another");
    refused(&["--into", into, "--tablespace", &tablespace, "--tablespace", "1=/x"], 2, "no tablespace 1");
    refused(&["base_000000010000000000000099", "--into", into], 1, "there is no backup base_");
    refused(&["latest", "--into", into], 2, "is no name of a backup");
    refused(&["--into", data.to_str().unwrap(), "--tablespace", &tablespace], 3, "is not empty");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("file"), "").unwrap();
    refused(&["--into", into, "--tablespace", &tablespace], 3, "is not empty");
    fs::remove_file(other.join("file")).unwrap();
    Account::server().unwrap().own(&other).unwrap();
    let planned = fetch(&["--into", into, "--tablespace", &tablespace, "--dry-run"]).ok().line("s0");
    assert_eq!(planned["status"], "planned");
    assert!(!fleet.path().join("restored/a").exists(), "nothing was touched");
    fetch(&["--into", into, "--tablespace", &tablespace]).ok();
    refused(&["--into", into, "--tablespace", &tablespace], 3, "is not empty");
}

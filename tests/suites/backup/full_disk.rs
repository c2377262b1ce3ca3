//! Restores to a disk that becomes full meanwhile: a clear error, and nothing half-started.

use std::fs;

use flotilla_tests::{Fleet, Outcome, SmallDisk};
use serde_json::Value;

use super::source;
use super::walg::LAYOUTS;

/// A backup of a cluster, and how many bytes it is restored to.
fn backed_up() -> (Fleet, u64) {
    let fleet = source::fleet(LAYOUTS[0], false);
    fleet.as_operator("walg-wrap", ["push", "-t", "s0"]).run().ok();
    fleet.archived(0);
    let folder = fs::read_dir(fleet.path().join("archive/s0/basebackups_005")).unwrap();
    let sentinel = folder.map(|entry| entry.unwrap().path()).find(|path| path.is_file()).unwrap();
    let sentinel: Value = serde_json::from_slice(&fs::read(sentinel).unwrap()).unwrap();
    let bytes = sentinel["DataCatalogSize"].as_u64().unwrap();
    (fleet, bytes)
}

#[track_caller]
fn is_full(outcome: &Outcome) {
    let line = outcome.line("s0");
    assert_eq!((&line["status"], &line["error"]["code"]), (&"error".into(), &"io".into()), "{line}");
    let told = line["error"].to_string().to_lowercase();
    assert!(told.contains("no space left on device") || told.contains("the disk is full"), "{line}");
}

#[test]
fn a_fetch_to_a_disk_that_becomes_full_says_so_and_the_next_one_begins_anew() {
    let (fleet, bytes) = backed_up();
    // Too small from the start: nothing is touched.
    let disk = SmallDisk::mount(&fleet, &format!("size={}", bytes / 2));
    let into = disk.path().join("data");
    let into = into.to_str().unwrap();
    let fetch = || disk.as_operator(&fleet, "walg-wrap", &["fetch", "-t", "s0", "--into", into]).run();
    let refused = fetch().code_is(3);
    assert!(refused.stdout.contains("are free; nothing was touched"), "{}", refused.transcript());
    assert!(!disk.seen("data").exists());
    // Room for the bytes, and not for as many files.
    disk.remount("size=1g,nr_inodes=300");
    let full = fetch().code_is(1);
    is_full(&full);
    assert!(full.stdout.contains("could not write \\\"/"), "{}", full.transcript());
    assert!(!disk.seen("data/global/pg_control").exists() && disk.seen("data/.flotilla-restore").exists());
    // What is left of the first one makes way for the second.
    disk.remount(&format!("size={},nr_inodes=100000", bytes + (4 << 20)));
    fetch().ok();
    assert!(disk.seen("data/global/pg_control").exists() && !disk.seen("data/.flotilla-restore").exists());
}

#[test]
fn a_fetch_that_runs_out_of_bytes_at_its_end_leaves_no_cluster() {
    let (fleet, bytes) = backed_up();
    let disk = SmallDisk::mount(&fleet, &format!("size={}", bytes.next_multiple_of(4096)));
    let into = disk.path().join("data");
    let full = disk.as_operator(&fleet, "walg-wrap", &["fetch", "-t", "s0", "--into", into.to_str().unwrap()]).run();
    is_full(&full.clone().code_is(1));
    assert!(!disk.seen("data/global/pg_control").exists(), "{}", full.transcript());
}

#[test]
fn a_dump_that_finds_no_room_to_be_laid_out_is_not_restored() {
    let fleet = source::fleet(LAYOUTS[0], false);
    let logical = ["push", "-t", "s0", "--type", "logical"];
    fleet.as_operator("walg-wrap", logical).run().ok();
    fleet.primary(0).sql("CREATE DATABASE elsewhere TEMPLATE template0").unwrap();
    let disk = SmallDisk::mount(&fleet, "size=1g,nr_inodes=12");
    let spool = disk.path().to_str().unwrap();
    let args = ["fetch", "-t", "s0", "--type", "logical", "--into", "elsewhere", "--spool", spool];
    let full = disk.as_operator(&fleet, "walg-wrap", &args).run().code_is(1);
    is_full(&full);
    let mark = fleet.primary(0).sql_in("elsewhere", "SELECT current_setting('flotilla.restoring', true)").unwrap();
    assert!(mark.starts_with("20"), "the database is marked as being restored: {mark}");
    disk.remount("nr_inodes=10000");
    let done = disk.as_operator(&fleet, "walg-wrap", &args).run().ok().line("s0");
    assert_eq!(done["cleared"], true, "{done}");
    let mark = fleet.primary(0).sql_in("elsewhere", "SELECT current_setting('flotilla.restoring', true)").unwrap();
    assert!(!mark.starts_with("20"), "{mark}");
}

#[test]
fn a_restore_to_a_point_on_a_disk_that_becomes_full_leaves_no_server_and_no_restored_shard() {
    let (fleet, bytes) = backed_up();
    for (options, stage) in [
        ("size=1g,nr_inodes=300".to_owned(), "fetching"),
        // The backup fits, and the log that recovery asks for doesn't.
        (format!("size={}", bytes + (12 << 20)), "recovering"),
    ] {
        let disk = SmallDisk::mount(&fleet, &options);
        let into = disk.path().to_str().unwrap();
        let restore = || disk.as_operator(&fleet, "pitr", &["restore", "-t", "s0", "--latest", "--into", into]).run();
        let full = restore().code_is(1);
        let line = full.line("s0");
        let told = line["error"].to_string().to_lowercase();
        assert!(told.contains("no space left on device") || told.contains("disk is full"), "{line}");
        let note: Value = serde_json::from_slice(&fs::read(disk.seen("s0/restore.json")).unwrap()).unwrap();
        assert_eq!(note["stage"], stage, "{}", full.transcript());
        assert!(!disk.seen("s0/data/postmaster.pid").exists(), "{}", full.transcript());
        let again = restore().code_is(3);
        assert!(again.stdout.contains("holds a restore that was cut off"), "{}", again.transcript());
    }
}

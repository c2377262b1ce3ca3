//! Backups whose files are read from the data folder: what of it counts, and what can't be read so.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use flotilla_native::account::Account;
use flotilla_native::postgres::Shutdown;
use flotilla_tests::{Fleet, Outcome, Run};
use serde_json::Value;

use super::source;
use super::walg::LAYOUTS;

fn push(fleet: &Fleet, args: &[&str]) -> Run {
    fleet.as_operator("walg-wrap", [&["push", "-t", "s0"], args].concat())
}

fn small() -> Fleet {
    source::small("", LAYOUTS[0])
}

fn file_of(fleet: &Fleet, table: &str) -> PathBuf {
    fleet.primary(0).data().join(fleet.sql(0, &format!("SELECT pg_relation_filepath('{table}')")))
}

/// The error of the one shard, and that nothing is listed.
#[track_caller]
fn refused(fleet: &Fleet, outcome: &Outcome) -> String {
    assert_eq!(source::listed(fleet).len(), 0, "{}", outcome.transcript());
    outcome.line("s0")["error"].to_string()
}

#[test]
fn a_damaged_page_is_named_and_such_a_backup_is_none() {
    let mut fleet = small();
    let file = file_of(&fleet, "spaced");
    let name = format!("/{}", fleet.sql(0, "SELECT pg_relation_filepath('spaced')"));
    fleet.shards[0].nodes[0].server.stop(Shutdown::Fast).unwrap();
    let good = fs::read(&file).unwrap();
    let mut bytes = good.clone();
    for block in [2, 5] {
        bytes[block * 8192 + 4000] ^= 0x40;
    }
    fs::write(&file, bytes).unwrap();
    fleet.shards[0].nodes[0].server.launch().unwrap();
    let error = refused(&fleet, &push(&fleet, &["--read", "folder"]).run().code_is(1));
    assert!(error.contains(&format!("2 pages are damaged: block 2 of {name}, block 5 of {name}")), "{error}");
    // The server finds as much.
    let error = refused(&fleet, &push(&fleet, &["--read", "stream"]).run().code_is(1));
    assert!(error.contains("checksum"), "{error}");

    fleet.shards[0].nodes[0].server.stop(Shutdown::Fast).unwrap();
    fs::write(&file, good).unwrap();
    fleet.shards[0].nodes[0].server.launch().unwrap();
    push(&fleet, &["--read", "folder"]).run().ok();
}

#[test]
fn of_a_table_that_isnt_logged_only_that_it_is_empty_is_backed_up() {
    let fleet = small();
    fleet.sql(0, "CREATE UNLOGGED TABLE unlogged AS SELECT generate_series(1, 50000) AS n");
    fleet.sql(0, "CHECKPOINT");
    fleet.sql(0, "CREATE INDEX unlogged_n ON unlogged (n)");
    fleet.sql(0, "VACUUM unlogged");
    let with = push(&fleet, &["--read", "folder"]).run().ok().line("s0");
    let streamed = push(&fleet, &["--read", "stream"]).run().ok().line("s0");
    // As the server does.
    let members = |line: &Value| line["members"].as_u64().unwrap();
    assert_eq!(members(&with), members(&streamed), "{with} {streamed}");
    fleet.archived(0);
    let restored = fleet.recovered(0, |data| {
        let into = data.display().to_string();
        fleet
            .as_operator("walg-wrap", ["fetch", "-t", "s0", with["backup"].as_str().unwrap(), "--into", &into])
            .run()
            .ok();
    });
    assert_eq!(restored.sql_in("app", "SELECT count(*) FROM unlogged").unwrap(), "0");
    assert_eq!(restored.sql_in("app", "SELECT count(*) FROM spaced").unwrap(), "3000");
}

#[test]
fn a_link_that_would_leave_data_behind_is_refused() {
    let fleet = small();
    let data = fleet.primary(0).data();
    // A file of the configuration may be one; it is the machine's own.
    symlink("/etc/hostname", data.join("beside.conf")).unwrap();
    push(&fleet, &["--read", "folder", "--dry-run"]).run().ok();
    let away = fleet.primary(0).folder().join("away");
    Account::server().unwrap().private_folder(&away).unwrap();
    symlink(&away, data.join("base/99999")).unwrap();
    let error = refused(&fleet, &push(&fleet, &["--read", "folder"]).run().code_is(1));
    assert!(error.contains("base/99999 is a link, and what is behind it would be missing"), "{error}");
    fs::remove_file(data.join("base/99999")).unwrap();
    push(&fleet, &["--read", "folder"]).run().ok();
}

#[test]
fn a_folder_that_cant_be_read_is_no_hindrance_unless_it_is_asked_for() {
    let fleet = small();
    let pid = fleet.primary(0).data().join("postmaster.pid");
    let mode = |mode| fs::set_permissions(&pid, fs::Permissions::from_mode(mode)).unwrap();
    mode(0);
    let planned = push(&fleet, &["--dry-run"]).run().ok().line("s0");
    assert_eq!(planned["read"], "stream", "{planned}");
    let error = refused(&fleet, &push(&fleet, &["--read", "folder"]).run().code_is(1));
    assert!(error.contains("is not at hand: Permission denied") && error.contains("leave --read out"), "{error}");
    let line = push(&fleet, &[]).run().ok().line("s0");
    assert_eq!(line["read"], "stream", "{line}");
    assert!(line["read_because"].as_str().unwrap().contains("Permission denied"), "{line}");
    mode(0o600);
    // A role that may not begin one by SQL.
    fleet.sql(0, "REVOKE EXECUTE ON FUNCTION pg_backup_start(text, boolean) FROM backup");
    // The grant counts in the database that the tools log in to.
    let error = push(&fleet, &["--read", "folder"]).run().code_is(1).line("s0")["error"].to_string();
    assert!(error.contains("shardctl init lets it; nothing was touched"), "{error}");
    let line = push(&fleet, &[]).run().ok().line("s0");
    assert_eq!(line["read"], "stream", "{line}");
    assert!(line["read_because"].as_str().unwrap().contains("shardctl init lets it"), "{line}");
}

//! Memory: it has a bound, however large a database or its archive is.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flotilla_native::account::Account;
use flotilla_native::postgres::{Shutdown, program};
use flotilla_tests::Fleet;
use serde_json::Value;

use super::source;
use super::walg::LAYOUTS;

/// What no run may hold, in bytes.
const MOST: u64 = 256 << 20;
/// Longer than any of these takes, also in a debug build on a busy machine.
const LIMIT: Duration = Duration::from_mins(15);

/// Runs it, and compares its memory with the bound; the line of the shard.
#[expect(clippy::print_stderr, reason = "figures for whoever asks for them")]
#[track_caller]
fn bounded(fleet: &Fleet, tool: &str, args: &[&str]) -> Value {
    let (outcome, peak) = fleet.as_operator(tool, args).run_watched(LIMIT);
    eprintln!("{} {}: {} MiB, {:.1} s", tool, args.join(" "), peak >> 20, outcome.took.as_secs_f64());
    assert!(peak > 0 && peak <= MOST, "{} MiB\n{}", peak >> 20, outcome.transcript());
    let outcome = outcome.ok();
    let all = outcome.lines();
    all.last().cloned().unwrap_or_default()
}

/// Pushes, verifies and fetches.
fn back_and_forth(fleet: &Fleet) -> Value {
    let pushed = bounded(fleet, "walg-wrap", &["push", "-t", "s0"]);
    bounded(fleet, "walg-wrap", &["verify", "-t", "s0"]);
    let into = fleet.path().join("restored/data");
    bounded(fleet, "walg-wrap", &["fetch", "-t", "s0", "--into", into.to_str().unwrap()]);
    fs::remove_dir_all(&into).unwrap();
    pushed
}

#[test]
fn ten_thousand_small_tables_are_backed_up_verified_and_restored_in_little_memory() {
    let fleet = source::fleet(LAYOUTS[0], false);
    for some in 0..20 {
        let make = |n: u32| format!("CREATE TABLE small_{n} AS SELECT {n} AS n;");
        fleet.sql(0, &(some * 500..(some + 1) * 500).map(make).collect::<String>());
    }
    let pushed = back_and_forth(&fleet);
    assert!(pushed["members"].as_u64().unwrap() > 10_000, "{pushed}");
}

#[test]
#[ignore = "writes some gigabytes; on demand: --run-ignored=only"]
fn a_database_of_two_gigabytes_is_backed_up_verified_and_restored_in_little_memory() {
    let fleet = source::fleet(LAYOUTS[0], false);
    source::bench(&fleet, &["-i", "-q", "-s", "140"]);
    let pushed = back_and_forth(&fleet);
    assert!(pushed["content_bytes"].as_u64().unwrap() > 2 << 30, "{pushed}");
}

/// A backup whose log begins behind so many segments, and names of all of these with their sums.
fn long(segments: u64) -> Fleet {
    let mut fleet = source::fleet(LAYOUTS[0], false);
    let server = &mut fleet.shards[0].nodes[0].server;
    server.stop(Shutdown::Fast).unwrap();
    let name = |number: u64| format!("00000001{:08X}{:08X}", number / 256, number % 256);
    let mut reset = Command::new(program("pg_resetwal"));
    reset.args(["-f", "-l", &name(segments + 16), "-D"]).arg(server.data()).current_dir("/");
    let done = Account::server().unwrap().run(&mut reset).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    server.launch().unwrap();
    fleet.archived(0);
    fleet.as_operator("walg-wrap", ["push", "-t", "s0"]).run().ok();
    fleet.archived(0);
    let archive = fleet.path().join("archive/s0");
    let account = Account::server().unwrap();
    let put = |path: &Path| {
        if !path.exists() {
            fs::write(path, "x").unwrap();
            account.own(path).unwrap();
        }
    };
    for number in 1..segments + 16 {
        let name = name(number);
        put(&archive.join(format!("wal_005/{name}.lz4")));
        let (timeline, place) = name.split_at(8);
        let (upper, lower) = place.split_at(8);
        put(&archive.join(format!("flotilla/sums/wal_005/{timeline}-{upper}-{lower}.lz4.json")));
    }
    fleet
}

fn listed_in_little_memory(segments: u64) {
    let fleet = long(segments);
    let listed = bounded(&fleet, "walg-wrap", &["ls", "-q", "-t", "s0", "--wal"]);
    assert_eq!(listed, Value::Null, "nothing is told of what is well");
    let listed = bounded(&fleet, "walg-wrap", &["ls", "-t", "s0"]);
    assert!(listed["segments"].as_u64().unwrap() >= segments, "{listed}");
    let plan = bounded(&fleet, "walg-wrap", &["retain", "-t", "s0", "--full", "1", "--dry-run"]);
    assert!(plan["wal_files"].as_u64().unwrap() >= segments, "{plan}");
    let covered = bounded(&fleet, "pitr", &["coverage", "-t", "s0"]);
    assert_eq!(covered["hole_count"], 0, "{covered}");
    let unread = bounded(&fleet, "walg-wrap", &["verify", "-q", "-t", "s0", "--dry-run"]);
    assert_eq!(unread, Value::Null);
    bounded(&fleet, "walg-wrap", &["push", "-t", "s0", "--type", "delta"]);
    let gone = bounded(&fleet, "walg-wrap", &["retain", "-t", "s0", "--full", "1", "--yes"]);
    assert!(gone["wal_files"].as_u64().unwrap() >= segments, "{gone}");
}

#[test]
fn an_archive_of_twenty_thousand_segments_is_listed_in_little_memory() {
    listed_in_little_memory(20_000);
}

#[test]
#[ignore = "makes a million files; on demand: --run-ignored=only"]
fn an_archive_of_half_a_million_segments_is_listed_in_little_memory() {
    listed_in_little_memory(500_000);
}

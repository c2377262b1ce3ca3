//! Backups that `walg-wrap push` made, restored here and by WAL-G.

use flotilla_native::account::Account;
use flotilla_native::postgres::Shutdown;
use flotilla_tests::{Fleet, ObjectStore};
use serde_json::Value;

use super::fetch::restores;
use super::source::{self, Load, change, content, is_sound};
use super::walg::{self, LAYOUTS, Layout};

fn push(fleet: &Fleet, args: &[&str]) -> Value {
    fleet.as_operator("walg-wrap", [&["push", "-t", "s0"], args].concat()).run().ok().line("s0")
}

/// Restores by WAL-G, in place of ours.
fn wal_g_restores(fleet: &Fleet, layout: Layout, backup: &str, expected: &str) {
    let restored = fleet.recovered(0, |data| {
        Account::server().unwrap().private_folder(data).unwrap();
        walg::run(fleet, 0, layout, &["backup-fetch", data.to_str().unwrap(), backup]).run().ok();
    });
    is_sound(restored, expected);
}

/// Makes a full backup and deltas under load, whose files are read in one of the two ways, and restores each by both
/// sides.
fn chains(layout: Layout, deltas: u32, read: &str) {
    let fleet = source::fleet(layout, false);
    let load = Load::on(&fleet);
    let full = push(&fleet, &["--type", "full", "--read", read]);
    assert_eq!((&full["kind"], &full["parent"]), (&Value::from("full"), &Value::Null), "{full}");
    assert_eq!((&full["read"], &full["read_because"]), (&Value::from(read), &Value::Null), "{full}");
    let mut made = vec![full["backup"].as_str().unwrap().to_owned()];
    for round in 1..=deltas {
        change(&fleet, round);
        let delta = push(&fleet, &["--type", "delta", "--read", read]);
        assert_eq!(
            (&delta["kind"], &delta["parent"]),
            (&Value::from("delta"), &Value::from(made.last().unwrap().as_str())),
            "{delta}"
        );
        assert!(delta["content_bytes"].as_u64() < full["content_bytes"].as_u64(), "{delta}");
        made.push(delta["backup"].as_str().unwrap().to_owned());
    }
    drop(load);
    let expected = content(fleet.primary(0));
    fleet.archived(0);
    for backup in &made {
        restores(&fleet, backup, &expected);
    }
    if walg::program().is_some() {
        wal_g_restores(&fleet, layout, &made[0], &expected);
        wal_g_restores(&fleet, layout, made.last().unwrap(), &expected);
    }
}

#[test]
fn chains_packed_by_lz4_are_restored_by_both_sides() {
    chains(LAYOUTS[0], 4, "folder");
}

#[test]
fn chains_packed_by_lz4_and_encrypted_are_restored_by_both_sides() {
    chains(LAYOUTS[1], 2, "stream");
}

#[test]
fn chains_packed_by_zstd_are_restored_by_both_sides() {
    chains(LAYOUTS[2], 1, "stream");
}

#[test]
fn chains_packed_by_zstd_and_encrypted_are_restored_by_both_sides() {
    chains(LAYOUTS[3], 2, "folder");
}

/// Nothing but the pushes makes checkpoints here, and a standby begins a backup at the last one.
#[test]
fn a_standby_is_backed_up_to_s3_again_and_again() {
    let service = ObjectStore::start();
    let mut fleet = source::replicated(&service);
    let load = Load::on(&fleet);
    let mut made = Vec::new();
    for kind in ["full", "full", "delta", "delta"] {
        let pushed = push(&fleet, &["--type", kind]);
        assert_eq!((&pushed["kind"], &pushed["node"]), (&Value::from(kind), &Value::from("s0-b")), "{pushed}");
        assert_eq!(pushed["read"], "folder", "{pushed}");
        made.push(pushed["backup"].as_str().unwrap().to_owned());
        change(&fleet, u32::try_from(made.len()).unwrap());
    }
    drop(load);
    let expected = content(fleet.primary(0));
    fleet.archived(0);
    for backup in &made {
        restores(&fleet, backup, &expected);
    }

    fleet.replica(0, 0).sql("SELECT pg_wal_replay_pause()").unwrap();
    let late = fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--wal-timeout", "1s"]).run().code_is(1).line("s0");
    assert!(late["error"]["message"].as_str().unwrap().contains("hasn't replayed the WAL"), "{late}");
    let primary = push(&fleet, &["--from", "primary"]);
    assert_eq!(primary["node"], "s0-a", "{primary}");
    fleet.shards[0].nodes[1].server.stop(Shutdown::Immediate).unwrap();
    let alone = push(&fleet, &["--type", "delta"]);
    assert_eq!((&alone["node"], &alone["kind"]), (&Value::from("s0-a"), &Value::from("delta")), "{alone}");
    fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--from", "standby"]).run().code_is(75);
}

#[test]
fn a_push_that_is_killed_lists_nothing_that_cant_be_restored() {
    let fleet = source::fleet(LAYOUTS[0], true);
    let sentinels = || source::listed(&fleet).len();
    for place in
        ["begun", "sorted", "parts", "pg_control", "backup_label", "wal", "metadata", "files_metadata", "sentinel"]
    {
        // What comes after the parts is the same.
        let ways = if ["begun", "sorted", "parts"].contains(&place) { &["folder", "stream"][..] } else { &["auto"] };
        for read in ways {
            let run = fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--read", read]);
            let outcome = run.env("FLOTILLA_FAILPOINT", format!("push.{place}")).run();
            assert_eq!(outcome.signal(), Some(9), "{}", outcome.transcript());
            assert_eq!(sentinels(), usize::from(place == "sentinel"), "killed at push.{place}, {read}");
        }
    }
    let delta = push(&fleet, &["--type", "delta", "--user-data", "{\"why\": 1}"]);
    assert_eq!(delta["kind"], "delta", "{delta}");
    let full = push(&fleet, &["--type", "delta", "--max-deltas", "1"]);
    assert!(full["full_because"].as_str().unwrap().contains("has 1 deltas already"), "{full}");
    assert_eq!(sentinels(), 3);
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM flotilla.ledger WHERE tool = 'walg-wrap'"), "2");
    let expected = content(fleet.primary(0));
    fleet.archived(0);
    restores(&fleet, delta["backup"].as_str().unwrap(), &expected);
}

#[test]
fn a_push_whose_wal_never_arrives_says_why_and_lists_nothing() {
    let mut fleet = source::fleet(LAYOUTS[0], false);
    let server = &mut fleet.shards[0].nodes[0].server;
    server.set("archive_command", "false").unwrap();
    server.reload();
    let outcome = fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--wal-timeout", "3s"]).run().code_is(1);
    let line = outcome.line("s0");
    assert!(line["error"]["message"].as_str().unwrap().contains("archive_command fails on 0000"), "{line}");
    fleet.as_operator("walg-wrap", ["fetch", "-t", "s0", "--into", "nowhere"]).run().code_is(1);
}

//! `walg-wrap ls`: what an archive holds, whoever wrote it.

use std::fs;

use flotilla_native::account::Account;
use flotilla_tests::{Fleet, Outcome};
use serde_json::Value;

use super::source;
use super::walg::{self, LAYOUTS};

fn ls(fleet: &Fleet, more: &[&str]) -> Outcome {
    fleet.as_operator("walg-wrap", [&["ls", "-t", "s0"], more].concat()).run()
}

fn of_kind(outcome: &Outcome, kind: &str) -> Vec<Value> {
    let schema = format!("walg-wrap.{kind}/1");
    outcome.lines().into_iter().filter(|line| line["schema"] == schema.as_str()).collect()
}

fn push(fleet: &Fleet, args: &[&str]) -> Value {
    fleet.as_operator("walg-wrap", [&["push", "-t", "s0"], args].concat()).run().ok().line("s0")
}

#[test]
fn backups_are_listed_with_their_chains_and_when_they_were_verified() {
    let fleet = source::fleet(LAYOUTS[1], false);
    let empty = ls(&fleet, &[]).ok();
    assert!(of_kind(&empty, "backup").is_empty(), "{}", empty.transcript());
    assert!(
        empty.line("s0")["warnings"].to_string().contains("no backup that can be restored"),
        "{}",
        empty.transcript()
    );

    let full = push(&fleet, &["--permanent"]);
    let ordinary = push(&fleet, &["--type", "full"]);
    fleet.as_operator("walg-wrap", ["verify", "-t", "s0"]).run().ok();
    let delta = push(&fleet, &["--type", "delta"]);
    let listed = ls(&fleet, &[]).ok();
    let backups = of_kind(&listed, "backup");
    assert_eq!(backups.len(), 3, "{}", listed.transcript());
    for (line, pushed) in backups.iter().zip([&full, &ordinary, &delta]) {
        for key in ["backup", "kind", "parent", "start_lsn", "finish_lsn", "parts", "content_bytes", "permanent"] {
            assert_eq!(line[key], pushed[key], "{key}: {line} {pushed}");
        }
        assert_eq!(
            (&line["state"], &line["reason"], &line["has_wal"]),
            (&"finished".into(), &Value::Null, &true.into())
        );
        assert!(line["stored_bytes"].as_u64() >= pushed["stored_bytes"].as_u64(), "{line}");
    }
    assert_eq!(backups[2]["chain"], serde_json::json!([ordinary["backup"], delta["backup"]]));
    let verified: Vec<bool> = backups.iter().map(|line| line["verified_at"].is_string()).collect();
    assert_eq!(verified, [true, true, false]);
    let end = listed.lines().pop().unwrap();
    assert_eq!((&end["backups"], &end["others"], &end["gaps"]), (&3.into(), &0.into(), &0.into()), "{end}");
    assert!(end["warnings"].to_string().contains("key_escrow"), "{end}");
    assert_eq!(end["newest_finished_at"], backups[2]["finished_at"]);
    assert_eq!(ls(&fleet, &["-q"]).ok().stdout, "");
}

#[test]
fn what_is_no_good_backup_is_named_as_what_it_is() {
    let fleet = source::fleet(LAYOUTS[0], false);
    let names: Vec<String> = [["--type", "full"], ["--type", "delta"], ["--type", "full"], ["--type", "full"]]
        .iter()
        .map(|args| push(&fleet, args)["backup"].as_str().unwrap().to_owned())
        .collect();
    let folder = fleet.path().join("archive/s0/basebackups_005");
    let sentinel = |at: usize| folder.join(format!("{}_backup_stop_sentinel.json", names[at]));
    // The full one below the delta has lost its sentinel; one is cut, and one another cluster's.
    fs::remove_file(sentinel(0)).unwrap();
    let cut = fs::read(sentinel(2)).unwrap();
    fs::write(sentinel(2), &cut[..cut.len() / 2]).unwrap();
    let foreign = fs::read_to_string(sentinel(3)).unwrap();
    let system = fleet.sql(0, "SELECT system_identifier FROM pg_control_system()");
    fs::write(sentinel(3), foreign.replace(&system, "7000000000000000001")).unwrap();
    fs::remove_dir_all(fleet.path().join("archive/s0/flotilla/sums/basebackups_005")).unwrap();
    let stray = folder.join("notes.txt");
    fs::write(&stray, "nobody knows").unwrap();
    for path in [sentinel(2), sentinel(3), stray] {
        Account::server().unwrap().own(&path).unwrap();
    }
    let listed = ls(&fleet, &[]).ok();
    let states: std::collections::BTreeMap<String, (String, bool)> = of_kind(&listed, "backup")
        .iter()
        .map(|line| {
            let state = line["state"].as_str().unwrap().to_owned();
            (line["backup"].as_str().unwrap().to_owned(), (state, line["reason"].is_string()))
        })
        .collect();
    let state = |name: &str| states.get(name).cloned().unwrap_or_else(|| panic!("{}", listed.transcript()));
    for (name, expected) in names.iter().zip(["unfinished", "broken", "unreadable", "foreign"]) {
        assert_eq!(state(name), (expected.to_owned(), true), "{}", listed.transcript());
    }
    assert_eq!(state("basebackups_005/notes.txt"), ("unknown".to_owned(), true));
    let end = listed.lines().pop().unwrap();
    assert_eq!((&end["backups"], &end["others"]), (&0.into(), &5.into()), "{end}");
    assert_eq!(end["newest_finished_at"], Value::Null, "{end}");
}

#[test]
fn wal_is_listed_in_ranges_with_its_gaps() {
    let fleet = source::fleet(LAYOUTS[0], false);
    push(&fleet, &["--type", "full"]);
    for _ in 0..4 {
        fleet.archived(0);
    }
    let whole = ls(&fleet, &["--wal"]).ok();
    let ranges = of_kind(&whole, "wal_range");
    assert_eq!(ranges.len(), 1, "{}", whole.transcript());
    let [count, last] = [&ranges[0]["segments"], &ranges[0]["last_segment"]];
    assert_eq!(whole.lines().pop().unwrap()["segments"], *count);
    let last = last.as_str().unwrap();
    let number = u64::from_str_radix(&last[16..], 16).unwrap();
    let gone = format!("{}{:08X}", &last[..16], number - 1);
    fs::remove_file(fleet.path().join(format!("archive/s0/wal_005/{gone}.lz4"))).unwrap();
    let holed = ls(&fleet, &["--wal"]).ok();
    let ranges = of_kind(&holed, "wal_range");
    let presence: Vec<_> = ranges.iter().map(|range| range["presence"].as_str().unwrap()).collect();
    assert_eq!(presence, ["archived", "gap", "archived"], "{}", holed.transcript());
    assert_eq!((&ranges[1]["first_segment"], &ranges[1]["needed"]), (&gone.as_str().into(), &true.into()));
    assert_eq!(ranges[1]["to_lsn"], ranges[2]["from_lsn"]);
    assert_eq!(holed.lines().pop().unwrap()["gaps"], 1);
    let table = ls(&fleet, &["--wal", "-o", "table"]).ok().stdout;
    assert!(table.contains("gap") && table.contains("full"), "{table}");
}

#[test]
fn backups_of_wal_g_are_listed_as_wal_g_lists_them() {
    if walg::program().is_none() {
        return;
    }
    let fleet = source::fleet(LAYOUTS[2], true);
    let data = fleet.primary(0).data();
    let push = ["backup-push", data.to_str().unwrap()];
    for (round, more) in (1..).zip([&["--permanent"][..], &["--full"], &[]]) {
        walg::run(&fleet, 0, LAYOUTS[2], &[&push[..], more].concat()).run().ok();
        source::change(&fleet, round);
    }
    fleet.archived(0);
    let theirs = walg::run(&fleet, 0, LAYOUTS[2], &["backup-list", "--detail", "--json"]).run().ok().stdout;
    let theirs: Vec<Value> = serde_json::from_str(&theirs).unwrap();
    let listed = ls(&fleet, &[]).ok();
    let ours = of_kind(&listed, "backup");
    assert_eq!((ours.len(), theirs.len()), (3, 3), "{}", listed.transcript());
    let lsn = |value: &Value| {
        let at = value.as_u64().unwrap();
        Value::from(format!("{:X}/{:X}", at >> 32, at & 0xFFFF_FFFF))
    };
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours["backup"], theirs["backup_name"]);
        assert_eq!(ours["permanent"], theirs["is_permanent"]);
        assert_eq!(ours["start_lsn"], lsn(&theirs["start_lsn"]));
        assert_eq!(ours["finish_lsn"], lsn(&theirs["finish_lsn"]));
        assert_eq!(ours["content_bytes"], theirs["uncompressed_size"]);
        assert_eq!(ours["pg_version"], theirs["pg_version"]);
        assert_eq!(ours["host"], theirs["hostname"]);
        assert_eq!(ours["first_segment"], theirs["wal_file_name"]);
    }
}

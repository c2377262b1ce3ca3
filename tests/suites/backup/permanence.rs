//! `wal-g backup-mark`: WAL-G rewrites a document of ours, and may change one thing in it.

use std::fmt::Write as _;
use std::fs;

use flotilla_tests::{Fleet, Run};
use serde_json::Value;

use super::fetch::restores;
use super::source::{self, LONG, content, private};
use super::walg::{self, LAYOUTS};

fn walg_wrap(fleet: &Fleet, args: &[&str]) -> Run {
    fleet.as_operator("walg-wrap", [&args[..1], &["-t", "s0"], &args[1..]].concat())
}

fn push(fleet: &Fleet, args: &[&str]) -> String {
    let line = walg_wrap(fleet, &[&["push"], args].concat()).run().ok().line("s0");
    line["backup"].as_str().unwrap().to_owned()
}

/// State and permanence of each backup, by the store.
fn listed(fleet: &Fleet, more: &[&str]) -> Vec<(String, bool)> {
    let lines = walg_wrap(fleet, &[&["ls", "--type", "base"], more].concat()).run().ok().lines();
    let backups = lines.iter().filter(|line| line["backup"].is_string());
    backups.map(|line| (line["state"].as_str().unwrap().to_owned(), line["permanent"] == true)).collect()
}

#[test]
fn a_backup_that_wal_g_marks_stays_readable_and_its_mark_counts() {
    if walg::program().is_none() {
        return;
    }
    let layout = LAYOUTS[0];
    let mut fleet = source::small("", layout);
    let west = fleet.path().join("west");
    flotilla_native::account::Account::server().unwrap().private_folder(&west).unwrap();
    // Writing to a string doesn't fail.
    let _ = write!(fleet.topology.rest, "\n[[archive.stores]]\nname = \"west\"\nurl = \"file://{}\"\n", west.display());
    fleet.share_topology();
    let full = push(&fleet, &["--user-data", "{\"release\": [1, 2.5, \"x\"]}"]);
    let delta = push(&fleet, &["--type", "delta"]);
    push(&fleet, &[]);
    let mark = |backup: &str, more: &[&str]| {
        walg::run(&fleet, 0, layout, &[&["backup-mark", backup], more].concat()).run().ok();
    };
    let finished = |permanent: [bool; 3]| permanent.map(|permanent| ("finished".to_owned(), permanent)).to_vec();
    let copy = || walg_wrap(&fleet, &["copy", "--to", "west"]).run().ok().line("s0");
    copy();
    // Marking a delta marks what it stands on.
    mark(&delta, &[]);
    assert_eq!(listed(&fleet, &[]), finished([true, true, false]));
    walg_wrap(&fleet, &["verify"]).run_within(LONG).ok();
    let kept = walg_wrap(&fleet, &["retain", "--full", "1", "--dry-run"]).run().ok().lines();
    let reasons: Vec<&Value> =
        kept.iter().filter(|line| line["action"] == "keep").map(|line| &line["reason"]).collect();
    assert_eq!(reasons, ["permanent", "permanent", "count"]);
    assert!(kept.iter().all(|line| line["kind"] != "full" || line["action"] != "delete"), "{kept:?}");
    // The copy follows, and only in this.
    assert_eq!(copy()["objects"], 2);
    assert_eq!(listed(&fleet, &["--store", "west"]), finished([true, true, false]));
    assert_eq!(copy()["changed"], false);
    walg_wrap(&fleet, &["verify", "--store", "west"]).run_within(LONG).ok();

    mark(&delta, &["--impermanent"]);
    mark(&full, &["--impermanent"]);
    assert_eq!(listed(&fleet, &[]), finished([false, false, false]));
    walg_wrap(&fleet, &["verify", "--recheck"]).run_within(LONG).ok();
    let gone = walg_wrap(&fleet, &["retain", "--full", "1", "--dry-run"]).run().ok().lines().pop().unwrap();
    assert_eq!(gone["backups"], 2, "{gone}");
    let expected = content(fleet.primary(0));
    fleet.archived(0);
    restores(&fleet, &delta, &expected);

    // Anything else that changes there is damage.
    let document = fleet.path().join(format!("archive/s0/basebackups_005/{full}/metadata.json"));
    let text = fs::read_to_string(&document).unwrap();
    for (from, to) in [("\"is_permanent\":false", "\"is_permanent\":false,\"more\":1"), ("2.5", "2.6")] {
        assert!(text.contains(from), "{text}");
        fs::write(&document, text.replace(from, to)).unwrap();
        private(&document);
        let states: Vec<String> = listed(&fleet, &[]).into_iter().map(|(state, _)| state).collect();
        assert!(states.contains(&"unreadable".to_owned()), "{to}: {states:?}");
        walg_wrap(&fleet, &["verify"]).run_within(LONG).code_is(1);
    }
}

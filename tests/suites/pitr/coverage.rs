//! Which times can be restored.

use std::fs;

use super::{archived, back_up, fail_over, line, mark, moved, objects, pitr, switch, table};

const RANGE: &str = "pitr.coverage/1";
const END: &str = "pitr.coverage_end/1";

#[test]
fn every_time_is_in_a_range_or_in_a_gap_with_a_name() {
    let fleet = archived(1, 0);
    table(&fleet, 0);
    let early = mark(&fleet, 0, 1);
    switch(&fleet, 0);
    let outcome = pitr(&fleet, ["coverage"]).code_is(1);
    assert_eq!(line(&outcome, RANGE, "s0")["reason"], "there is no backup with the WAL that it needs");

    back_up(&fleet, 0);
    let first = mark(&fleet, 0, 2);
    switch(&fleet, 0);
    let last = mark(&fleet, 0, 3);
    switch(&fleet, 0);
    let outcome = pitr(&fleet, ["coverage"]).ok();
    let ranges: Vec<_> = outcome.lines().into_iter().filter(|l| l["schema"] == RANGE && l["target"] == "s0").collect();
    let kinds: Vec<_> = ranges.iter().map(|range| range["coverage"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["gap", "restorable", "gap"]);
    assert_eq!((&ranges[0]["from"], &ranges[0]["reason"]), (&serde_json::Value::Null, &"no backup before".into()));
    assert_eq!((&ranges[2]["to"], &ranges[2]["reason"]), (&serde_json::Value::Null, &"not in the archive yet".into()));
    assert_eq!((&ranges[0]["to"], &ranges[1]["to"]), (&ranges[1]["from"], &ranges[2]["from"]));
    assert_eq!(ranges[1]["to"], *last);
    for scope in ["s0", ""] {
        let end = line(&outcome, END, scope);
        assert_eq!((&end["latest"], &end["hole_count"]), (&last.as_str().into(), &0.into()), "{end}");
    }

    for (at, code, says) in [
        (early.as_str(), 1, "no backup before"),
        (&first, 0, ""),
        (&last, 0, ""),
        (&moved(&last, 1), 1, "not in the archive yet"),
        ("2001-01-01 00:00:00+02", 1, "no backup before"),
    ] {
        let outcome = pitr(&fleet, ["coverage", "--to", at]).code_is(code);
        let end = line(&outcome, END, "");
        assert_eq!(end["restorable"], code == 0, "{at}: {end}");
        assert!(outcome.stdout.contains(says), "{at}: {}", outcome.transcript());
        assert_eq!(outcome.lines().iter().filter(|line| line["schema"] == RANGE).count(), 2);
    }
    // Without an offset it is UTC, and said to be.
    let plain = first.replace('T', " ").replace('Z', "");
    pitr(&fleet, ["coverage", "--to", &plain]).ok().says(&format!("is read as UTC: {first}"));
    pitr(&fleet, ["coverage", "--to", &format!("{plain} Europe/Berlin")]).code_is(2).no_lines().says("offset");
}

#[test]
fn a_missing_or_damaged_segment_is_a_hole_until_the_next_backup() {
    let fleet = archived(1, 0);
    table(&fleet, 0);
    back_up(&fleet, 0);
    let before = mark(&fleet, 0, 1);
    switch(&fleet, 0);
    let within = mark(&fleet, 0, 2);
    let lost = switch(&fleet, 0);
    let behind = mark(&fleet, 0, 3);
    switch(&fleet, 0);
    pitr(&fleet, ["coverage", "--to", &within]).ok();
    let path = super::store(&fleet).join(format!("s0/wal_005/{lost}.lz4"));
    let kept = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let missing = format!("missing segment {lost}, and no backup since");
    for at in [&within, &behind] {
        let outcome = pitr(&fleet, ["coverage", "--to", at]).code_is(1);
        assert!(line(&outcome, END, "s0")["error"]["message"].as_str().unwrap().ends_with(&missing));
    }
    pitr(&fleet, ["coverage", "--to", &before]).ok();

    back_up(&fleet, 0);
    let after = mark(&fleet, 0, 4);
    switch(&fleet, 0);
    let outcome = pitr(&fleet, ["coverage"]).code_is(1);
    let hole = outcome.lines().into_iter().find(|line| line["missing_segment"] == *lost).unwrap();
    assert_eq!((&hole["coverage"], &hole["reason"]), (&"gap".into(), &format!("missing segment {lost}").into()));
    assert_eq!(line(&outcome, END, "s0")["hole_count"], 1);
    for (at, code) in [(&before, 0), (&within, 1), (&behind, 1), (&after, 0)] {
        pitr(&fleet, ["coverage", "--to", at]).code_is(code);
    }

    // A segment in which the end of a range lies is read; damage is a hole too.
    fs::write(&path, &kept[..kept.len() / 2]).unwrap();
    let newest = objects(&fleet, 0, "wal_005").into_iter().rfind(|p| !p.to_string_lossy().contains("backup")).unwrap();
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    let outcome = pitr(&fleet, ["coverage", "--to", &after]).code_is(1);
    assert!(!outcome.stdout.contains("panic"), "{}", outcome.transcript());
}

#[test]
fn a_timeline_without_its_history_can_not_be_reached() {
    let mut fleet = archived(1, 1);
    table(&fleet, 0);
    back_up(&fleet, 0);
    let before = mark(&fleet, 0, 1);
    switch(&fleet, 0);
    fail_over(&mut fleet, 0);
    let after = mark(&fleet, 0, 2);
    switch(&fleet, 0);
    let history = super::store(&fleet).join("s0/wal_005/00000002.history.lz4");
    flotilla_tests::until("the history is archived", || history.exists().then_some(()));
    for at in [&before, &after] {
        pitr(&fleet, ["coverage", "--to", at]).ok();
    }
    let range = line(&pitr(&fleet, ["coverage", "--to", &after]), RANGE, "s0");
    assert_eq!((&range["timeline"], &range["coverage"]), (&2.into(), &"restorable".into()));
    fs::remove_file(&history).unwrap();
    let outcome = pitr(&fleet, ["coverage", "--to", &after]).code_is(1);
    assert!(outcome.stdout.contains("timeline 2 can't be reached: 00000002.history is not in the archive"));
    pitr(&fleet, ["coverage", "--to", &before]).ok();
    let outcome = pitr(&fleet, ["coverage", "--timeline", "2"]).code_is(1);
    assert!(outcome.stdout.contains("there is no way to timeline 2"), "{}", outcome.transcript());
}

#[test]
fn the_cluster_has_what_every_shard_has() {
    let fleet = archived(2, 0);
    for shard in 0..2 {
        table(&fleet, shard);
        back_up(&fleet, shard);
    }
    let both = mark(&fleet, 0, 1);
    mark(&fleet, 1, 1);
    switch(&fleet, 1);
    let one = mark(&fleet, 0, 2);
    switch(&fleet, 0);
    pitr(&fleet, ["coverage", "--to", &both]).ok();
    let outcome = pitr(&fleet, ["coverage", "--to", &one]).code_is(1);
    assert_eq!(line(&outcome, END, "s0")["restorable"], true);
    assert_eq!(line(&outcome, END, "s1")["restorable"], false);
    assert_eq!(line(&outcome, END, "")["restorable"], false);
    assert_eq!(line(&outcome, RANGE, "")["reason"], "not in every shard's archive yet");
    pitr(&fleet, ["coverage", "-t", "s0", "--to", &one]).ok();
}

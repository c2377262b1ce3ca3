//! Backups that WAL-G made for a push that was cut off: nothing takes them for backups until they are proven.

use std::fs;
use std::time::{Duration, SystemTime};

use flotilla_tests::{Fleet, Outcome, Run};
use serde_json::Value;

use super::fetch::restores;
use super::source::{self, LONG, content, objects};
use super::walg::{self, LAYOUTS};

fn fleet() -> Fleet {
    source::small("engine = \"wal-g\"\n", LAYOUTS[1])
}

fn walg_wrap(fleet: &Fleet, args: &[&str]) -> Run {
    fleet.as_operator("walg-wrap", [&args[..1], &["-t", "s0"], &args[1..]].concat())
}

/// Pushes until WAL-G's backup has come so far, and dies there.
fn killed(fleet: &Fleet, place: &str) {
    let outcome = walg_wrap(fleet, &["push"]).env("FLOTILLA_FAILPOINT", format!("walg.{place}")).run_within(LONG);
    assert_eq!(outcome.signal(), Some(9), "walg.{place}: {}", outcome.transcript());
}

/// Every backup that is listed, and its state.
fn listed(fleet: &Fleet) -> Vec<(String, String)> {
    let lines = walg_wrap(fleet, &["ls", "--type", "base"]).run().ok().lines();
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let backups = lines.iter().filter(|line| line["backup"].is_string());
    backups.map(|line| (text(line, "backup"), text(line, "state"))).collect()
}

fn of_state(fleet: &Fleet, state: &str) -> Vec<String> {
    listed(fleet).into_iter().filter(|(_, is)| is == state).map(|(backup, _)| backup).collect()
}

fn rules(outcome: &Outcome) -> Vec<(String, String)> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let findings = outcome.lines().into_iter().filter(|line| line["rule"].is_string());
    findings.map(|line| (text(&line, "rule"), text(&line, "severity"))).collect()
}

/// What was written long ago isn't being made any more.
fn age(fleet: &Fleet) {
    let then = SystemTime::now() - Duration::from_hours(1);
    for path in objects(&fleet.path().join("archive")) {
        fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
}

/// Nothing restores it, counts on it or copies it.
fn is_no_backup(fleet: &Fleet, unproven: &str) {
    let refused = walg_wrap(fleet, &["fetch", unproven, "--into", "nowhere", "--dry-run"]).run().code_is(1);
    let said = refused.line("s0")["error"].to_string();
    assert!(said.contains("nobody has read it back") && said.contains("verify --prove"), "{said}");
    let latest = walg_wrap(fleet, &["fetch", "--into", "nowhere", "--dry-run"]).run().ok().line("s0");
    assert_ne!(latest["backup"], unproven, "{latest}");
    let plan = fleet.as_operator("pitr", ["plan", "-t", "s0", "--latest"]).run().ok().line("s0");
    assert_ne!(plan["backup"], unproven, "{plan}");
    let kept = walg_wrap(fleet, &["retain", "--full", "1", "--dry-run"]).run().ok().lines();
    let kept: Vec<&Value> = kept.iter().filter(|line| line["action"] == "keep").collect();
    let reason = |backup: &str| kept.iter().find(|line| line["object"] == backup).map(|line| line["reason"].clone());
    assert_eq!(reason(unproven), Some("unproven".into()), "{kept:?}");
    assert!(kept.iter().any(|line| line["reason"] == "count" && line["object"] != unproven), "{kept:?}");
}

#[test]
fn whatever_is_listed_after_a_push_by_wal_g_that_was_killed_can_be_restored() {
    if walg::program().is_none() {
        return;
    }
    let fleet = fleet();
    walg_wrap(&fleet, &["push"]).run_within(LONG).ok();
    let mut finished = 1;
    for place in ["noted", "pushed", "wal", "part", "read", "sums", "proven"] {
        let is_unproven = ["pushed", "wal", "part", "read"].contains(&place);
        let is_made = is_unproven || ["sums", "proven"].contains(&place);
        // Twice in one of them: the second time it dies while it proves what the first has left.
        for _ in 0..if place == "part" { 2 } else { 1 } {
            killed(&fleet, place);
            let unproven = of_state(&fleet, "unproven");
            let expected = (finished + usize::from(is_made && !is_unproven), usize::from(is_unproven));
            assert_eq!((of_state(&fleet, "finished").len(), unproven.len()), expected, "killed at walg.{place}");
            for unproven in &unproven {
                is_no_backup(&fleet, unproven);
            }
        }
        let left = of_state(&fleet, "unproven");
        let pushed = walg_wrap(&fleet, &["push"]).run_within(LONG).ok().line("s0");
        assert_eq!(pushed["proven"], serde_json::json!(left), "{pushed}");
        finished += 1 + usize::from(is_made);
        assert_eq!(of_state(&fleet, "finished").len(), finished, "after walg.{place}");
        assert!(!fleet.path().join("archive/s0/flotilla/coming.json").exists());
    }
    fleet.sql(0, "UPDATE spaced SET text = 'x' WHERE id % 10 = 0");
    killed(&fleet, "pushed");
    let left = of_state(&fleet, "unproven");
    let done = walg_wrap(&fleet, &["push", "--type", "delta"]).run_within(LONG).ok().line("s0");
    assert_eq!(done["proven"], serde_json::json!(left), "{done}");
    assert_eq!(done["parent"].as_str(), left.first().map(String::as_str), "{done}");
    assert!(listed(&fleet).iter().all(|(_, state)| state == "finished"));
    let expected = content(fleet.primary(0));
    fleet.archived(0);
    restores(&fleet, &left[0], &expected);
    restores(&fleet, done["backup"].as_str().unwrap(), &expected);
}

#[test]
fn verify_proves_what_is_sound_and_nothing_else() {
    if walg::program().is_none() {
        return;
    }
    let fleet = fleet();
    walg_wrap(&fleet, &["push"]).run_within(LONG).ok();
    killed(&fleet, "pushed");
    fleet.archived(0);
    let [unproven] = <[String; 1]>::try_from(of_state(&fleet, "unproven")).unwrap();
    let young = walg_wrap(&fleet, &["verify"]).run_within(LONG).ok();
    assert!(rules(&young).contains(&("unproven".into(), "info".into())), "{}", young.transcript());
    age(&fleet);
    let old = walg_wrap(&fleet, &["verify"]).run_within(LONG).code_is(1);
    assert_eq!(rules(&old), [("unproven".to_owned(), "warning".to_owned())], "{}", old.transcript());

    // Damaged, it isn't proven, and WAL-G's own word for it changes nothing.
    let part = fleet.path().join(format!("archive/s0/basebackups_005/{unproven}/tar_partitions/part_001.tar.lz4"));
    let whole = fs::read(&part).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&part, flipped).unwrap();
    let damaged = walg_wrap(&fleet, &["verify", "--prove"]).run_within(LONG).code_is(1);
    assert_eq!(damaged.line("s0")["changed"], false, "{}", damaged.transcript());
    assert!(rules(&damaged).contains(&("unproven".into(), "warning".into())), "{}", damaged.transcript());
    let pushed = walg_wrap(&fleet, &["push"]).run_within(LONG).ok().line("s0");
    assert!(pushed["warnings"].to_string().contains("is not proven"), "{pushed}");
    assert_eq!(of_state(&fleet, "unproven"), *std::slice::from_ref(&unproven));
    is_no_backup(&fleet, &unproven);

    fs::write(&part, whole).unwrap();
    let planned = walg_wrap(&fleet, &["verify", "--prove", "--dry-run"]).run_within(LONG).ok();
    assert!(planned.stdout.contains(&unproven) && of_state(&fleet, "unproven").len() == 1);
    let proven = walg_wrap(&fleet, &["verify", "--prove"]).run_within(LONG).ok();
    let end = proven.lines().pop().unwrap();
    assert_eq!((&end["proven"], &end["changed"]), (&1.into(), &true.into()), "{}", proven.transcript());
    assert_eq!(of_state(&fleet, "unproven"), Vec::<String>::new());
    let again = walg_wrap(&fleet, &["verify", "--prove"]).run_within(LONG).ok().lines().pop().unwrap();
    assert_eq!((&again["proven"], &again["changed"]), (&0.into(), &false.into()), "{again}");
    let expected = content(fleet.primary(0));
    fleet.archived(0);
    restores(&fleet, &unproven, &expected);
}

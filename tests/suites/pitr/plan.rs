//! How a point would be restored.

use std::fs;

use super::{archived, back_up, fail_over, line, mark, moved, pitr, switch, table};

const PLAN: &str = "pitr.plan/1";

#[test]
fn a_time_becomes_the_record_before_which_recovery_stops() {
    let fleet = archived(1, 0);
    table(&fleet, 0);
    back_up(&fleet, 0);
    let times: Vec<String> = (0..6).map(|n| mark(&fleet, 0, n)).collect();
    let xid = fleet.sql(0, "SELECT xmin FROM marks WHERE n = 3");
    fleet.sql(0, "SELECT pg_create_restore_point('here')");
    switch(&fleet, 0);
    let at = |args: &[&str]| line(&pitr(&fleet, [&["plan"], args].concat()).ok(), PLAN, "s0");
    let third = at(&["--to", &times[3]]);
    assert_eq!((&third["last_commit"], &third["stop_inclusive"]), (&times[3].as_str().into(), &false.into()));
    assert_eq!(at(&["--to", &moved(&times[4], -1)])["plan"], third["plan"]);
    assert_eq!(at(&["--to", &times[4], "--exclusive"])["plan"], third["plan"]);
    let by_xid = at(&["--xid", &xid]);
    assert_eq!((&by_xid["last_commit"], &by_xid["stop_inclusive"]), (&times[3].as_str().into(), &true.into()));
    assert_eq!(at(&["--xid", &xid, "--exclusive"])["stop_inclusive"], false);
    for args in [&["--name", "here"][..], &["--latest"], &["--lsn", by_xid["stop_lsn"].as_str().unwrap()]] {
        let plan = at(args);
        assert_eq!(plan["precision"], "exact");
        assert!(plan["download_bytes"].as_u64().unwrap() > plan["backup_bytes"].as_u64().unwrap());
        assert!(plan["segment_count"].as_u64().unwrap() >= 1 && plan["estimate_seconds"].as_u64().unwrap() > 0);
        assert_eq!(plan["chain"].as_array().unwrap().len(), 1);
    }
    for (args, says) in [
        (&["--to", "2001-01-01T00:00:00Z"][..], "no backup before"),
        (&["--to", &moved(&times[5], 60_000_000)], "not in the archive yet"),
        (&["--name", "nowhere"], "restore point \"nowhere\" can't be restored: it is not in the archive"),
        (&["--xid", "2000000000"], "its end is not in the archive"),
        (&["--lsn", "FF/0"], "no usable stretch of WAL holds segment"),
        (&["--lsn", "0/1"], "no usable stretch of WAL holds segment"),
    ] {
        let outcome = pitr(&fleet, [&["plan"], args].concat()).code_is(1);
        assert!(outcome.stdout.contains(&says.replace('"', "\\\"")), "{}", outcome.transcript());
    }
    pitr(&fleet, ["plan"]).code_is(2).no_lines().says("no point was named");
    pitr(&fleet, ["plan", "--latest", "--xid", "5"]).code_is(2).no_lines().says("cannot be used with");
}

#[test]
fn a_plan_takes_the_newest_backup_before_the_point_and_names_what_is_missing() {
    let mut fleet = archived(1, 1);
    table(&fleet, 0);
    back_up(&fleet, 0);
    let first = mark(&fleet, 0, 1);
    mark(&fleet, 0, 10);
    switch(&fleet, 0);
    back_up(&fleet, 0);
    let second = mark(&fleet, 0, 2);
    let lost = switch(&fleet, 0);
    fail_over(&mut fleet, 0);
    let third = mark(&fleet, 0, 3);
    switch(&fleet, 0);
    let history = super::store(&fleet).join("s0/wal_005/00000002.history.lz4");
    flotilla_tests::until("the history is archived", || history.exists().then_some(()));
    let at = |time: &str| line(&pitr(&fleet, ["plan", "--to", time]).ok(), PLAN, "s0");
    let (old, new, newest) = (at(&first), at(&second), at(&third));
    assert!(old["backup"].as_str() < new["backup"].as_str(), "{old} {new}");
    assert_eq!(new["backup"], newest["backup"]);
    let path = |plan: &serde_json::Value| -> Vec<u64> {
        plan["path"].as_array().unwrap().iter().map(|step| step["timeline"].as_u64().unwrap()).collect()
    };
    assert_eq!((path(&old), path(&newest)), (vec![1], vec![1, 2]));
    fs::remove_file(super::store(&fleet).join(format!("s0/wal_005/{lost}.lz4"))).unwrap();
    let outcome = pitr(&fleet, ["plan", "--to", &third]).code_is(1);
    assert!(outcome.stdout.contains(&format!("missing segment {lost}")), "{}", outcome.transcript());
    pitr(&fleet, ["plan", "--to", &first]).ok();
}

#[test]
fn a_time_over_several_shards_is_as_exact_as_their_clocks() {
    let fleet = archived(2, 0);
    for shard in 0..2 {
        table(&fleet, shard);
        back_up(&fleet, shard);
    }
    let time = mark(&fleet, 0, 1);
    for shard in 0..2 {
        mark(&fleet, shard, 2);
        switch(&fleet, shard);
    }
    for plan in pitr(&fleet, ["plan", "--to", &time]).ok().lines() {
        assert_eq!((&plan["precision"], &plan["status"]), (&"± clock skew".into(), &"planned".into()));
    }
    assert_eq!(line(&pitr(&fleet, ["plan", "--latest"]).ok(), PLAN, "s1")["precision"], "exact");
}

#[test]
fn a_plan_looks_for_every_part_that_a_restore_would_read() {
    let fleet = archived(1, 0);
    table(&fleet, 0);
    // By our engine, which keeps the sizes of what it wrote.
    fleet.archived(0);
    fleet.as_operator("walg-wrap", ["push", "-t", "s0"]).run().ok();
    fleet.sql(0, "UPDATE marks SET note = 'x'");
    fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--type", "delta"]).run().ok();
    mark(&fleet, 0, 1);
    switch(&fleet, 0);
    let plan = line(&pitr(&fleet, ["plan", "--latest"]).ok(), PLAN, "s0");
    let chain: Vec<&str> = plan["chain"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(chain.len(), 2, "{plan}");
    let full = super::store(&fleet).join(format!("s0/basebackups_005/{}/tar_partitions", chain[0]));
    let part = full.join("part_001.tar.lz4");
    let whole = fs::read(&part).unwrap();
    let into = super::restore::destination(&fleet, "restored");
    let folder = into.display().to_string();
    let refused = |why: &str| {
        let outcome = pitr(&fleet, ["plan", "--latest"]).code_is(1);
        assert!(outcome.stdout.contains(why) && outcome.stdout.contains(chain[0]), "{}", outcome.transcript());
        pitr(&fleet, ["restore", "-t", "s0", "--latest", "--into", &folder]).code_is(1);
        assert_eq!(fs::read_dir(&into).unwrap().count(), 0, "nothing was written");
    };
    fs::write(&part, &whole[..whole.len() - 1]).unwrap();
    refused("bytes, and");
    fs::write(&part, "").unwrap();
    refused("is empty");
    fs::remove_file(&part).unwrap();
    refused("isn't there any more");
    fs::remove_file(full.join("pg_control.tar.lz4")).unwrap();
    refused("isn't there any more");
    fs::write(&part, &whole).unwrap();
    refused("pg_control");
}

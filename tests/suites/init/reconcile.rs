//! `map --reconcile`: what is proven is settled, what isn't is refused.

use flotilla_tests::{Blocker, Fleet, Outcome};
use rustix::process::Signal;

/// Two shards with a protected table of 300 users' rows.
fn fleet() -> Fleet {
    let fleet = Fleet::new().init().start();
    fleet
        .script(
            "shardctl sql --all --as migrator 'CREATE TABLE t (user_id bigint PRIMARY KEY)' >/dev/null
             shardctl sql --all --as migrator \"SELECT flotilla.protect('t', 'user_id')\" >/dev/null
             shardctl key new --user -n 300 | jq -c '{user_id: .id}' |
                 shardctl route --by key --field user_id | shardctl sql --copy t >/dev/null",
        )
        .run()
        .ok();
    fleet
}

/// What ownership is on all shards, fences and epochs included.
fn standing(fleet: &Fleet) -> String {
    let fences = "SELECT flotilla.epoch(), (SELECT string_agg(f::text, ',' ORDER BY f::text) FROM flotilla.fences f)";
    format!("{}\n{}\n{}", fleet.state(), fleet.sql(0, fences), fleet.sql(1, fences))
}

/// Says how it would be settled without a touch, then settles it; afterwards the map is whole, writes go
/// through on both shards, and there is nothing left to settle.
#[track_caller]
fn settle(fleet: &Fleet) -> Outcome {
    fleet.shardctl(["map"]).run().code_is(1);
    let before = standing(fleet);
    let planned = fleet.shardctl(["map", "--reconcile", "--dry-run"]).run().ok();
    assert!(!planned.stdout.is_empty(), "{}", planned.transcript());
    assert!(planned.lines().iter().all(|line| line["status"] == "planned"), "{}", planned.transcript());
    assert_eq!(standing(fleet), before, "a dry run touched something");

    let outcome = fleet.shardctl(["map", "--reconcile"]).run().ok();
    assert_eq!(outcome.lines().len(), planned.lines().len(), "{}", outcome.transcript());
    let map = fleet.shardctl(["map"]).run().ok();
    let epochs: Vec<String> = (0..2).map(|at| fleet.sql(at, "SELECT flotilla.epoch()")).collect();
    assert_eq!(epochs[0], epochs[1], "{}", outcome.transcript());
    assert!(map.lines().iter().all(|line| line["epoch"] == epochs[0].as_str()), "{}", map.transcript());
    writes_go_through(fleet);
    let after = standing(fleet);
    fleet.shardctl(["map", "--reconcile"]).run().ok().no_lines();
    assert_eq!(standing(fleet), after);
    outcome
}

/// 300 more users, whose rows are taken where the map says they belong.
#[track_caller]
fn writes_go_through(fleet: &Fleet) {
    fleet
        .script(
            "shardctl key new --user -n 300 | jq -c '{user_id: .id}' |
                 shardctl route --by key --field user_id | shardctl sql --copy t >/dev/null",
        )
        .run()
        .ok();
}

/// Its ownership as ranges.
fn owned(fleet: &Fleet, shard: usize) -> String {
    fleet.sql(
        shard,
        "SELECT range_agg(int4range(first_bucket, last_bucket, '[]')) FROM flotilla.ownership WHERE state = 'owned'",
    )
}

#[test]
fn a_shard_behind_the_epoch_follows() {
    let fleet = fleet();
    fleet.sql(1, "SELECT flotilla.advance_epoch(5)");
    settle(&fleet);
    assert_eq!(fleet.sql(0, "SELECT flotilla.epoch()"), "6");
    assert_eq!((owned(&fleet, 0).as_str(), owned(&fleet, 1).as_str()), ("{[0,512)}", "{[512,1024)}"));
}

/// As after a restore: the shard holds its rows, and owns nothing until it has been compared.
#[test]
fn a_restored_shard_gets_back_what_it_holds() {
    let fleet = fleet();
    fleet.sql(1, "SELECT flotilla.set_ownership(0, 1023, 'none', 2)");
    fleet.sql(1, "CALL flotilla.swap_fences()");
    settle(&fleet);
    assert_eq!((owned(&fleet, 0).as_str(), owned(&fleet, 1).as_str()), ("{[0,512)}", "{[512,1024)}"));
}

/// The same without a row to prove anything: the shard whose claim changed last had them.
#[test]
fn a_restored_shard_without_rows_gets_back_what_it_had() {
    let fleet = fleet();
    fleet.sql(0, "TRUNCATE t");
    fleet.sql(1, "TRUNCATE t");
    fleet.sql(1, "SELECT flotilla.set_ownership(512, 1023, 'none', 2)");
    fleet.sql(1, "CALL flotilla.swap_fences()");
    settle(&fleet);
    assert_eq!((owned(&fleet, 0).as_str(), owned(&fleet, 1).as_str()), ("{[0,512)}", "{[512,1024)}"));
}

/// A failover that lost the revoke: both claim, but one at a later epoch.
#[test]
fn the_later_of_two_claims_wins() {
    let fleet = fleet();
    fleet.sql(1, "DELETE FROM t WHERE flotilla.bucket(user_id) BETWEEN 512 AND 600");
    fleet.sql(0, "SELECT flotilla.set_ownership(512, 600, 'owned', 2)");
    fleet.sql(0, "CALL flotilla.swap_fences()");
    let outcome = settle(&fleet);
    assert_eq!(outcome.line("s1")["because"].as_str().map(|text| text.contains("epoch 2")), Some(true));
    assert_eq!((owned(&fleet, 0).as_str(), owned(&fleet, 1).as_str()), ("{[0,601)}", "{[601,1024)}"));
}

#[test]
fn two_claims_of_one_epoch_are_refused() {
    let fleet = fleet();
    fleet.sql(0, "SELECT flotilla.set_ownership(512, 600, 'owned', 1)");
    let before = standing(&fleet);
    for args in [&["map", "--reconcile", "--dry-run"][..], &["map", "--reconcile"]] {
        let outcome = fleet.shardctl(args).run().code_is(3).no_lines().says("nothing was touched");
        assert!(outcome.stderr.contains("512-600"), "{}", outcome.transcript());
        assert_eq!(standing(&fleet), before);
    }
}

/// Rows of a bucket on two shards, and nobody owns it: a person must look.
#[test]
fn rows_on_two_shards_are_refused() {
    let fleet = fleet();
    let key = fleet.sql(1, "SELECT user_id FROM t LIMIT 1");
    fleet.sql(0, "SELECT flotilla.set_ownership(0, 1023, 'owned', 1)");
    fleet.sql(0, "CALL flotilla.swap_fences()");
    fleet.sql(0, &format!("INSERT INTO t VALUES ({key})"));
    for at in 0..2 {
        fleet.sql(at, "SELECT flotilla.set_ownership(512, 1023, 'none', 2)");
        fleet.sql(at, "CALL flotilla.swap_fences()");
    }
    let before = standing(&fleet);
    fleet.shardctl(["map", "--reconcile"]).run().code_is(3).no_lines().says("two shards hold rows");
    assert_eq!(standing(&fleet), before);
}

/// A silent shard may own what the others lack.
#[test]
fn a_silent_shard_is_waited_for() {
    let mut fleet = fleet();
    fleet.sql(0, "SELECT flotilla.advance_epoch(5)");
    fleet.shards[1].nodes[0].server.stop(flotilla_native::postgres::Shutdown::Immediate).expect("it stops");
    let outcome = fleet.shardctl(["map", "--reconcile"]).run().code_is(3).no_lines();
    assert!(outcome.stderr.contains("s1"), "{}", outcome.transcript());
    assert_eq!(fleet.sql(0, "SELECT flotilla.epoch()"), "5");
}

/// How many fences of a shard don't follow its ownership.
const STALE: &str = "SELECT count(*) FROM flotilla.fences WHERE NOT current";

/// Killed after ownership was committed and before the fence followed: nothing is left to decide, but the
/// fence. The next run says so, swaps it, and the one after that has nothing to do.
#[test]
fn a_run_that_was_killed_before_the_fence_is_finished_by_the_next() {
    let fleet = fleet();
    fleet.sql(1, "SELECT flotilla.set_ownership(0, 1023, 'none', 2)");
    fleet.sql(1, "CALL flotilla.swap_fences()");
    let blocker = Blocker::read(fleet.primary(1), "app", "t");
    let run = fleet.shardctl(["map", "--reconcile"]).start();
    Blocker::wait_for_victim(fleet.primary(1));
    run.signal(Signal::KILL);
    assert_eq!(run.finish().signal(), Some(9));
    Blocker::end_tools(fleet.primary(1));
    drop(blocker);
    assert_eq!((owned(&fleet, 1).as_str(), fleet.sql(1, STALE).as_str()), ("{[512,1024)}", "1"));
    fleet.shardctl(["map"]).run().ok();

    let before = standing(&fleet);
    let planned = fleet.shardctl(["map", "--reconcile", "--dry-run"]).run().ok();
    let line = planned.line("s1");
    assert_eq!((&line["status"], &line["changed"]), (&"planned".into(), &false.into()), "{line}");
    assert_eq!(line["fences"], serde_json::json!(["t"]), "{line}");
    assert_eq!(standing(&fleet), before, "a dry run touched something");
    let swapped = fleet.shardctl(["map", "--reconcile"]).run().ok();
    let line = swapped.line("s1");
    assert_eq!((&line["changed"], &line["fences"]), (&true.into(), &serde_json::json!(["t"])), "{line}");
    assert_eq!(swapped.lines().len(), 1, "{}", swapped.transcript());
    assert_eq!(fleet.sql(1, STALE), "0");
    assert_eq!(fleet.sql(1, "SELECT detail->'fences' FROM flotilla.ledger ORDER BY line DESC LIMIT 1"), r#"["t"]"#);
    writes_go_through(&fleet);
    fleet.shardctl(["map", "--reconcile"]).run().ok().no_lines();
}

/// A shard that has lost buckets but whose fence still lets them through: nobody is granted them before
/// that fence is swapped, however long it takes.
#[test]
fn nothing_is_granted_before_stale_fences_refuse_it() {
    let fleet = fleet();
    fleet.sql(1, "DELETE FROM t WHERE flotilla.bucket(user_id) BETWEEN 512 AND 600");
    fleet.sql(1, "SELECT flotilla.set_ownership(512, 600, 'none', 2)");
    fleet.sql(0, "SELECT flotilla.set_ownership(512, 600, 'none', 3)");
    assert_eq!(fleet.sql(1, STALE), "1");
    let blocker = Blocker::read(fleet.primary(1), "app", "t");
    let run = fleet.shardctl(["map", "--reconcile"]).start();
    Blocker::wait_for_victim(fleet.primary(1));
    assert_eq!(owned(&fleet, 0), "{[0,512)}");
    drop(blocker);
    run.finish().ok();
    assert_eq!((owned(&fleet, 0).as_str(), fleet.sql(1, STALE).as_str()), ("{[0,601)}", "0"));
    writes_go_through(&fleet);
    fleet.shardctl(["map", "--reconcile"]).run().ok().no_lines();
}

/// Killed between swapping and proving: the fence holds, and the next run proves it. Rows of others that
/// are still there keep it unproved, which is nothing to be done.
#[test]
fn a_fence_that_can_be_proved_is_proved() {
    let fleet = fleet();
    for at in 0..2 {
        fleet.sql(at, "SELECT flotilla.set_ownership(0, 1023, 'none', 2)");
        fleet.sql(at, &format!("SELECT flotilla.set_ownership({}, {}, 'owned', 2)", at * 512, at * 512 + 511));
        fleet.sql(at, "SELECT flotilla.swap_fence('t')");
    }
    let unproved = "SELECT count(*) FROM flotilla.fences WHERE NOT validated";
    fleet.sql(1, "SELECT flotilla.set_ownership(512, 512, 'none', 2)");
    fleet.sql(1, "SELECT flotilla.swap_fence('t')");
    fleet.sql(1, "SELECT flotilla.set_ownership(512, 512, 'owned', 2)");
    fleet.sql(1, "SELECT flotilla.swap_fence('t')");
    assert_eq!(fleet.sql(1, unproved), "1");
    assert_eq!(fleet.shardctl(["map", "--reconcile", "--dry-run"]).run().ok().line("s1")["status"], "planned");
    assert_eq!(fleet.shardctl(["map", "--reconcile"]).run().ok().line("s1")["changed"], true);
    assert_eq!(fleet.sql(1, unproved), "0");
    fleet.shardctl(["map", "--reconcile"]).run().ok().no_lines();
}

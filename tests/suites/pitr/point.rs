//! Restore points over all shards.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flotilla_tests::{Fleet, until};

use super::restore::{Copy, RESTORED, destination};
use super::{archived, back_up, line, pitr, store, switch};

const POINT: &str = "pitr.point/1";

/// Two shards with accounts, and a backup of each.
fn fleet() -> Fleet {
    let fleet = archived(2, 0);
    for shard in 0..2 {
        fleet.sql(shard, "SET ROLE owner; CREATE TABLE accounts (id bigint PRIMARY KEY, amount bigint)");
        fleet.sql(shard, "INSERT INTO accounts SELECT n, 100 FROM generate_series(1, 10) AS n");
        back_up(&fleet, shard);
    }
    fleet
}

fn barriers(fleet: &Fleet, shard: usize) -> String {
    fleet.sql(shard, "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND relation = 'accounts'::regclass")
}

/// A writer moves an amount from the first shard to the second, one after the other, so that only a point
/// between two of its steps can have both sums: at most the one that is under way is missing.
#[test]
fn all_shards_go_back_to_the_same_moment() {
    let fleet = fleet();
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                fleet.sql(0, "UPDATE accounts SET amount = amount - 1 WHERE id = 1");
                fleet.sql(1, "UPDATE accounts SET amount = amount + 1 WHERE id = 1");
                written.fetch_add(1, Ordering::SeqCst);
            }
        });
        until("there is traffic", || (written.load(Ordering::SeqCst) > 3).then_some(()));
        let outcome = pitr(&fleet, ["point", "between", "--all"]).ok();
        let after = written.load(Ordering::SeqCst);
        until("traffic goes on", || (written.load(Ordering::SeqCst) > after + 3).then_some(()));
        stop.store(true, Ordering::SeqCst);
        outcome
    });
    for shard in 0..2 {
        let target = format!("s{shard}");
        let made = line(&outcome, POINT, &target);
        assert!(made["pause_ms"].as_u64().unwrap() < 2500 && made["table_count"].as_u64().unwrap() > 1, "{made}");
        let note = fs::read_to_string(store(&fleet).join(&target).join("flotilla/points/between.json")).unwrap();
        let note: serde_json::Value = serde_json::from_str(&note).unwrap();
        assert_eq!((&note["lsn"], &note["shards"]), (&made["lsn"], &serde_json::json!(["s0", "s1"])));
        assert_eq!(barriers(&fleet, shard), "0");
        switch(&fleet, shard);
    }
    let into = destination(&fleet, "restored").display().to_string();
    let outcome = pitr(&fleet, ["restore", "--all", "--name", "between", "--into", &into]).ok();
    let amounts: Vec<i64> = ["s0", "s1"]
        .into_iter()
        .map(|target| {
            let copy = Copy::start(&fleet, &line(&outcome, RESTORED, target));
            copy.app("SELECT amount FROM accounts WHERE id = 1").parse().unwrap()
        })
        .collect();
    let sum = amounts[0] + amounts[1];
    assert!(sum == 200 || sum == 199, "{amounts:?}");
    assert!(amounts[1] > 100, "{amounts:?}");

    pitr(&fleet, ["point", "between", "--all"]).code_is(3).no_lines().says("A name is used once");
    // A point that isn't noted everywhere is none.
    fs::remove_file(store(&fleet).join("s1/flotilla/points/between.json")).unwrap();
    let outcome = pitr(&fleet, ["plan", "-t", "s0", "--name", "between"]);
    assert!(outcome.stdout.contains("is not noted in the archive of shard"), "{}", outcome.transcript());
}

#[test]
fn what_stands_in_the_way_is_named() {
    let fleet = fleet();
    let primary = fleet.primary(0);
    thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let _ = primary.sql_in("app", "BEGIN; UPDATE accounts SET amount = 7 WHERE id = 2; SELECT pg_sleep(600)");
        });
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%amount = 7%pg_sleep(600)' AND state = 'active' AND pid <> pg_backend_pid()";
        until("somebody writes", || (fleet.sql(0, sleeping) == "1").then_some(()));
        let args = ["point", "never", "--all", "--pause-limit", "1500ms", "--retry-for", "1s"];
        let outcome = pitr(&fleet, args).code_is(1).no_lines();
        let outcome = outcome.says("the barrier on shard \"s0\" was not up within 1.5s: blocked by process");
        outcome.says("user postgres").says("amount = 7");
        for shard in 0..2 {
            assert_eq!(barriers(&fleet, shard), "0");
        }
        fleet.sql(0, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%amount = 7%pg_sleep(600)' AND pid <> pg_backend_pid()");
        busy.join().unwrap();
    });
    fleet.sql(1, "BEGIN; UPDATE accounts SET amount = 8 WHERE id = 3; PREPARE TRANSACTION 'half-done'");
    pitr(&fleet, ["point", "never", "--all"]).code_is(3).no_lines().says("has prepared transactions: 'half-done'");
    fleet.sql(1, "ROLLBACK PREPARED 'half-done'");
    pitr(&fleet, ["point", "never", "-t", "s0"]).code_is(2).no_lines().says("shards s1 are left out");
    pitr(&fleet, ["point", "000000010000000000000042", "--all"]).code_is(2).no_lines().says("name of a WAL segment");
    pitr(&fleet, ["point", "never", "--all"]).ok();
}

#[test]
fn killed_at_any_step_nothing_stays_paused_and_another_name_works() {
    let fleet = fleet();
    for step in ["locking", "up", "made", "released", "archived", "noted"] {
        let name = format!("cut-{step}");
        let run = fleet.tool("pitr", ["point", &name, "--all"]).env("FLOTILLA_FAILPOINT", format!("point.{step}"));
        let killed = run.run();
        assert_eq!(killed.signal(), Some(9), "{step}: {}", killed.transcript());
        let began = Instant::now();
        for shard in 0..2 {
            until("nothing is paused", || (barriers(&fleet, shard) == "0").then_some(()));
            fleet.sql(shard, "SET lock_timeout = '1s'; UPDATE accounts SET amount = amount WHERE id = 1");
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{step}: {:?}", began.elapsed());
        // What isn't noted everywhere can be gone back to by none.
        if step == "noted" {
            let plan = pitr(&fleet, ["plan", "--name", &name]).code_is(3);
            assert!(plan.lines().iter().all(|line| line["error"]["code"] == "refused"), "{}", plan.transcript());
        }
        pitr(&fleet, ["point", &format!("after-{step}"), "--all"]).ok();
    }
}

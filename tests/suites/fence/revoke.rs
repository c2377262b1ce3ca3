//! Transactions that are open while buckets are revoked.

use flotilla::pg::Session;
use flotilla_tests::{Fleet, until};

use super::{TABLE, connect, fence, fleet, keys, outcome, run, set_state};

async fn app(fleet: &Fleet, begin: &str) -> Session {
    let session = connect(fleet, 0, "app").await;
    run(&session, begin).await;
    session
}

fn insert(key: i64) -> String {
    format!("INSERT INTO t VALUES ({key}, 2, 'x')")
}

/// Runs a statement beside the test; returns when it waits behind `before` others for a lock.
fn queued(fleet: &Fleet, session: Session, sql: String, before: usize) -> tokio::task::JoinHandle<String> {
    let running = tokio::spawn(async move { outcome(&session, &sql).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    until("the statement waits", || (fleet.sql(0, waiting) == (before + 1).to_string()).then_some(()));
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_drains_those_who_have_written() {
    let fleet = fleet(1);
    fleet.sql(0, TABLE);
    let moved = keys(&fleet, 0..=255, 5);
    let committed = app(&fleet, "BEGIN").await;
    let repeatable = app(&fleet, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    assert_eq!(outcome(&committed, &insert(moved[0])).await, "1 row");
    assert_eq!(outcome(&repeatable, &insert(moved[1])).await, "1 row");
    let epoch = set_state(&fleet, 0, 0..=255, "none");

    let admin = connect(&fleet, 0, "postgres").await;
    assert_eq!(outcome(&admin, "SELECT flotilla.swap_fence('t', '100 ms')").await, "55P03");
    // Until the swap the row fence is the old one, but the guard knows already.
    let writer = connect(&fleet, 0, "app").await;
    assert_eq!(outcome(&writer, &insert(moved[2])).await, "1 row");
    run(&writer, &format!("SET flotilla.epoch = '{}'", epoch - 1)).await;
    assert_eq!(outcome(&writer, &insert(moved[3])).await, "FL002");
    run(&writer, "RESET flotilla.epoch").await;

    let swap = queued(&fleet, admin, "SELECT flotilla.swap_fence('t', '1 min')".to_owned(), 0);
    let write = queued(&fleet, writer, insert(moved[3]), 1);
    run(&committed, "COMMIT").await;
    assert!(!swap.is_finished(), "one writer is still open");
    run(&repeatable, "COMMIT").await;
    assert_eq!(swap.await.expect("the swap"), "1 row");
    assert_eq!(write.await.expect("the write"), "FL001");
    assert_eq!(fence(&fleet, 0), "t|f|t|t|t");
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM t"), "3", "what was committed before the swap");
}

#[tokio::test]
async fn transactions_older_than_the_revoke_write_nothing() {
    let fleet = fleet(1);
    fleet.sql(0, TABLE);
    let moved = keys(&fleet, 0..=255, 3);
    fleet.sql(0, &insert(moved[0]));
    let old = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1";
    let (inserting, deleting, updating) = (app(&fleet, old).await, app(&fleet, old).await, app(&fleet, old).await);
    run(&updating, "SET LOCAL flotilla.epoch = '1'").await;
    let committed = app(&fleet, "BEGIN; SELECT 1").await;
    let prepared = app(&fleet, "PREPARE ins (bigint) AS INSERT INTO t VALUES ($1, 3, 'x')").await;
    assert_eq!(outcome(&prepared, &format!("EXECUTE ins ({})", moved[1])).await, "1 row");

    set_state(&fleet, 0, 0..=255, "none");
    assert_eq!(fleet.sql(0, "SELECT flotilla.swap_fence('t')"), "t");
    assert_eq!(outcome(&inserting, &insert(moved[2])).await, "FL001");
    assert_eq!(outcome(&deleting, &format!("DELETE FROM t WHERE id = {}", moved[0])).await, "FL001");
    assert_eq!(outcome(&updating, "UPDATE t SET v = '' WHERE id = -77").await, "FL002");
    assert_eq!(outcome(&committed, &insert(moved[2])).await, "FL001");
    assert_eq!(outcome(&prepared, &format!("EXECUTE ins ({})", moved[2])).await, "FL001");
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM t"), "2");
}

/// A change of ownership judged by an old snapshot would prove nothing.
#[tokio::test]
async fn ownership_changes_in_read_committed_alone() {
    let fleet = fleet(1);
    fleet.sql(0, TABLE);
    let admin = connect(&fleet, 0, "postgres").await;
    for sql in ["SELECT flotilla.set_ownership(0, 255, 'none', 2)", "SELECT flotilla.swap_fence('t')"] {
        run(&admin, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
        assert_eq!(outcome(&admin, sql).await, "25000", "{sql}");
        run(&admin, "ROLLBACK").await;
    }
    assert_eq!(outcome(&admin, "SELECT flotilla.set_ownership(0, 255, 'importing', 2)").await, "55000");
}

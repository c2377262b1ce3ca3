//! Replication's workers, through a real publication and subscription.

use flotilla_tests::{Fleet, until};

use super::{TABLE, change, fleet, keys};

/// The source publishes buckets 0 to 255; the target, which doesn't own them, is subscribed.
fn subscribed() -> (Fleet, Vec<i64>) {
    let fleet = fleet(2);
    fleet.sql(0, TABLE);
    fleet.sql(1, TABLE);
    let moved = keys(&fleet, 0..=255, 4);
    fleet.sql(0, &format!("INSERT INTO t VALUES ({}, 1, 'copied')", moved[0]));
    let bucket = fleet.sql(0, "SELECT flotilla.bucket_expression('id', 'bigint')");
    fleet.sql(
        0,
        &format!(
            "CREATE PUBLICATION move FOR TABLE t WHERE ({bucket} BETWEEN 0 AND 255)
             WITH (publish = 'insert, update, delete', publish_via_partition_root)"
        ),
    );
    let source = fleet.primary(0).conninfo("app");
    fleet.sql(1, &format!("CREATE SUBSCRIPTION move CONNECTION '{source}' PUBLICATION move"));
    (fleet, moved)
}

/// How often this kind of worker has failed on the target.
fn failures(fleet: &Fleet, kind: &str) -> u32 {
    let sql = format!("SELECT coalesce(sum({kind}_error_count), 0) FROM pg_stat_subscription_stats");
    fleet.sql(1, &sql).parse().expect("a number")
}

/// Waits until the target's rows are these.
#[track_caller]
fn arrives(fleet: &Fleet, rows: &str) {
    let sql = "SELECT coalesce(string_agg(v, ' ' ORDER BY v), '') FROM t";
    until(&format!("the target holds {rows:?}"), || (fleet.sql(1, sql) == rows).then_some(()));
}

fn refusals(fleet: &Fleet) -> usize {
    fleet.primary(1).log().matches("ERROR:  this shard does not own bucket").count()
}

#[test]
fn the_apply_worker_writes_where_the_bucket_is_imported_or_owned() {
    let (fleet, moved) = subscribed();
    // State none: the initial copy is refused, again and again.
    until("the initial copy is refused", || (failures(&fleet, "sync") > 1).then_some(()));
    assert!(refusals(&fleet) > 0, "{}", fleet.primary(1).log());
    assert_eq!(fleet.sql(1, "SELECT count(*) FROM t"), "0");

    change(&fleet, 1, 0..=255, "importing");
    arrives(&fleet, "copied");
    let insert = |key: i64, v: &str| fleet.sql(0, &format!("INSERT INTO t VALUES ({key}, 1, '{v}')"));
    insert(moved[1], "applied");
    arrives(&fleet, "applied copied");
    fleet.sql(0, &format!("UPDATE t SET v = 'changed' WHERE id = {}", moved[1]));
    arrives(&fleet, "changed copied");
    fleet.sql(0, &format!("DELETE FROM t WHERE id = {}", moved[0]));
    arrives(&fleet, "changed");

    change(&fleet, 1, 0..=255, "owned");
    insert(moved[2], "owned");
    arrives(&fleet, "changed owned");
    assert_eq!(failures(&fleet, "apply"), 0);

    // State none again: the worker stops at the change and goes on when it may.
    change(&fleet, 1, 0..=255, "none");
    let before = refusals(&fleet);
    insert(moved[3], "waited");
    until("the change is refused", || (failures(&fleet, "apply") > 1).then_some(()));
    assert!(refusals(&fleet) > before, "{}", fleet.primary(1).log());
    assert_eq!(fleet.sql(1, "SELECT count(*) FROM t WHERE v = 'waited'"), "0");
    change(&fleet, 1, 0..=255, "importing");
    arrives(&fleet, "changed owned waited");
}

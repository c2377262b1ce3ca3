//! Partitions: sealed when they are made, and given the fence of today before they are attached.

use super::{TABLE, change, connect, fence, fleet, keys, outcome, run};

#[tokio::test]
async fn a_leaf_grants_nothing_to_applications() {
    let fleet = fleet(1);
    fleet.sql(0, TABLE);
    fleet.sql(
        0,
        "SET ROLE owner;
         CREATE TABLE t3 PARTITION OF t FOR VALUES FROM (2000000) TO (3000000);
         CREATE TABLE t4 (LIKE t);
         ALTER TABLE t4 ADD PRIMARY KEY (id, n)",
    );
    let grants = "SELECT c.relname, count(a.grantee) FROM pg_class c
                  LEFT JOIN LATERAL aclexplode(c.relacl) a ON a.grantee <> c.relowner
                  WHERE c.relname ~ '^t[0-9]$' GROUP BY 1 ORDER BY 1";
    assert_eq!(fleet.sql(0, &grants.replace("^t[0-9]$", "^t[123]$")), "t1|0\nt2|0\nt3|0");
    fleet.sql(
        0,
        "SET ROLE owner;
         SELECT flotilla.prepare_attach('t4', 't');
         ALTER TABLE t ATTACH PARTITION t4 FOR VALUES FROM (3000000) TO (4000000)",
    );
    assert_eq!(fleet.sql(0, grants), "t1|0\nt2|0\nt3|0\nt4|0");
    assert_eq!(fence(&fleet, 0), "t|t|t|f|t");

    let app = connect(&fleet, 0, "app").await;
    for leaf in ["t1", "t2", "t3", "t4"] {
        for sql in ["SELECT FROM", "INSERT INTO", "UPDATE", "DELETE FROM", "TRUNCATE"] {
            let rest = match sql {
                "INSERT INTO" => "DEFAULT VALUES",
                "UPDATE" => "SET v = 'x'",
                _ => "",
            };
            assert_eq!(outcome(&app, &format!("{sql} {leaf} {rest}")).await, "42501", "{sql} {leaf}");
        }
    }
}

/// A grant on a leaf by hand shows, and is taken back.
#[test]
fn a_leaf_that_was_opened_is_sealed_again() {
    let fleet = fleet(1);
    fleet.sql(0, TABLE);
    fleet.sql(0, "GRANT INSERT ON t1 TO app");
    assert_eq!(fence(&fleet, 0), "t|t|t|f|f");
    assert_eq!(fleet.sql(0, "SELECT flotilla.seal_partitions('t')"), "t");
    assert_eq!(fleet.sql(0, "SELECT flotilla.seal_partitions('t')"), "f");
    assert_eq!(fence(&fleet, 0), "t|t|t|f|t");
}

#[tokio::test]
async fn a_detached_partition_gets_the_fence_of_today() {
    let fleet = fleet(1);
    fleet.sql(0, TABLE);
    let (own, moved) = (keys(&fleet, 256..=511, 1)[0], keys(&fleet, 0..=255, 1)[0]);
    fleet.sql(0, &format!("INSERT INTO t VALUES ({own}, 1, 'a'), ({moved}, 1, 'a')"));
    let owner = connect(&fleet, 0, "postgres").await;
    run(&owner, "SET ROLE owner").await;
    run(&owner, "ALTER TABLE t DETACH PARTITION t1").await;
    change(&fleet, 0, 0..=255, "none");
    assert_eq!(fence(&fleet, 0), "t|t|t|f|t", "the table that is left is empty");

    let attach = "ALTER TABLE t ATTACH PARTITION t1 FOR VALUES FROM (0) TO (1000000)";
    assert_eq!(outcome(&owner, attach).await, "42804");
    let prepare = "SELECT flotilla.prepare_attach('t1', 't')";
    assert_eq!(outcome(&owner, prepare).await, "FL001");
    assert_eq!(outcome(&owner, &format!("DELETE FROM t1 WHERE id = {moved}")).await, "1 row");
    assert_eq!(owner.value(prepare).await.ok().flatten().as_deref(), Some("t"));
    assert_eq!(owner.value(prepare).await.ok().flatten().as_deref(), Some("f"));
    assert_eq!(outcome(&owner, attach).await, "done");

    assert_eq!(fence(&fleet, 0), "t|t|t|f|t");
    let app = connect(&fleet, 0, "app").await;
    assert_eq!(outcome(&app, &format!("INSERT INTO t VALUES ({moved}, 2, 'x')")).await, "FL001");
    assert_eq!(outcome(&app, &format!("INSERT INTO t VALUES ({own}, 2, 'x')")).await, "1 row");
    assert_eq!(outcome(&app, &format!("DELETE FROM t1 WHERE id = {own}")).await, "42501");
}

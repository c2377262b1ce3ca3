//! Fenced tables through `pg_dump` and `pg_restore`.

use flotilla_native::postgres::program;
use flotilla_tests::Fleet;

use super::{TABLE, change, connect_to, fence, fleet, keys, outcome};

/// Pipes a dump of shard 0 into a database.
fn copy(fleet: &Fleet, tables: &str, shard: usize, dbname: &str) {
    let (dump, restore) = (program("pg_dump"), program("pg_restore"));
    let (from, to) = (fleet.primary(0).conninfo("app"), fleet.primary(shard).conninfo(dbname));
    let script = format!(
        "'{}' -Fc {tables} -f dump.custom -d '{from}'; '{}' --exit-on-error -d '{to}' dump.custom",
        dump.display(),
        restore.display()
    );
    fleet.script(&script).run().ok();
}

/// A validated fence is in the CREATE TABLE and a fence with left-over rows comes after the data;
/// either way the copy is as fenced as the original, leaf by leaf.
#[tokio::test]
async fn a_whole_dump_restores_its_fences() {
    let fleet = fleet(1);
    fleet.sql(0, TABLE);
    let (own, moved) = (keys(&fleet, 256..=511, 1)[0], keys(&fleet, 0..=255, 1)[0]);
    fleet.sql(0, &format!("INSERT INTO t VALUES ({own}, 1, 'a'), ({own}, 2000000, 'b')"));
    for (dbname, left_over) in [("proved", false), ("unproved", true)] {
        if left_over {
            fleet.sql(0, &format!("INSERT INTO t VALUES ({moved}, 1, 'c')"));
            change(&fleet, 0, 0..=255, "none");
        }
        fleet.sql(0, &format!("CREATE DATABASE {dbname}"));
        copy(&fleet, "", 0, dbname);
        let holds = "SELECT c.relname, pg_get_userbyid(c.relowner), coalesce(c.relacl, acldefault('r', c.relowner)),
                            f.convalidated, md5(pg_get_constraintdef(f.oid))
                     FROM pg_class c LEFT JOIN pg_constraint f ON f.conrelid = c.oid AND f.conname = 'flotilla_fence'
                     WHERE c.relname ~ '^t[12]?$' ORDER BY 1;
                     SELECT c.relname, tgname, tgenabled, md5(pg_get_triggerdef(g.oid))
                     FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
                     WHERE tgname ~ 'flotilla' AND c.relname ~ '^t[12]?$' ORDER BY 1, 2;
                     SELECT * FROM flotilla.fences; SELECT * FROM flotilla.ownership ORDER BY 1; SELECT flotilla.epoch();
                     SELECT c.relname, t.* FROM t JOIN pg_class c ON c.oid = t.tableoid ORDER BY id, n";
        let copied = fleet.primary(0).sql_in(dbname, holds).expect("the copy");
        assert_eq!(copied, fleet.sql(0, holds), "{dbname}");

        let app = connect_to(&fleet, 0, "app", dbname).await;
        let expected = if left_over { "FL001" } else { "1 row" };
        assert_eq!(outcome(&app, &format!("INSERT INTO t VALUES ({moved}, 3, 'x')")).await, expected);
        assert_eq!(outcome(&app, &format!("INSERT INTO t VALUES ({own}, 3, 'x')")).await, "1 row");
        assert_eq!(outcome(&app, "INSERT INTO t1 DEFAULT VALUES").await, "42501");
    }
}

/// One table brings the fence of its source along; the shard that it lands on swaps it.
#[tokio::test]
async fn a_table_restored_elsewhere_gets_that_shards_fence() {
    let fleet = fleet(2);
    fleet.sql(0, TABLE);
    let (first, second) = (keys(&fleet, 0..=511, 1)[0], keys(&fleet, 512..=1023, 1)[0]);
    fleet.sql(0, &format!("INSERT INTO t VALUES ({first}, 1, 'a'), ({first}, 2000000, 'a')"));
    copy(&fleet, "-t t -t t1 -t t2", 1, "app");
    let app = connect_to(&fleet, 1, "app", "app").await;
    let insert = format!("INSERT INTO t VALUES ({second}, 1, 'b')");
    assert_eq!(outcome(&app, &insert).await, "FL001", "the fence of the source");
    assert_eq!(fleet.sql(1, "SELECT flotilla.protect('t', 'id')"), "t");
    assert_eq!(fence(&fleet, 1), "t|f|t|t|t");
    assert_eq!(outcome(&app, &insert).await, "1 row");
    assert_eq!(outcome(&app, &format!("DELETE FROM t WHERE id = {first}")).await, "FL001");
    assert_eq!(fleet.sql(1, "SELECT flotilla.validate_fence('t')"), "f");
}

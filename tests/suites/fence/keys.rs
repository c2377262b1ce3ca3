//! Keys of the other types.

use flotilla_tests::Fleet;

use super::{connect, outcome};

/// A table of one kind of key on a shard that owns half of the buckets; what its fence does, and
/// that the server's own hash partitioning agrees on the buckets.
async fn fenced(key_type: &str, column: &str, key: &str) {
    flotilla::tls::install();
    let fleet = Fleet::new().shards(1).key_type(key_type).trusting().init().start();
    fleet.sql(
        0,
        &format!(
            "SET ROLE owner; CREATE TABLE k (id {column} PRIMARY KEY, v text); SELECT flotilla.protect('k', 'id')"
        ),
    );
    let key_in = |first: u32, last: u32| {
        let sql = format!(
            "SELECT k FROM generate_series(1, 1000) i, LATERAL (SELECT {key} AS k) s
             WHERE flotilla.bucket(k) BETWEEN {first} AND {last} LIMIT 1"
        );
        fleet.sql(0, &sql).replace('\'', "''")
    };
    let (moved, own, foreign) = (key_in(0, 255), key_in(256, 511), key_in(512, 1023));
    let app = connect(&fleet, 0, "app").await;
    let insert = |key: &str| format!("INSERT INTO k VALUES ('{key}', 'x')");
    assert_eq!(outcome(&app, &insert(&moved)).await, "1 row");
    fleet.sql(
        0,
        "SELECT flotilla.set_ownership(512, 1023, 'none', 2), flotilla.set_ownership(0, 255, 'none', 3);
         SELECT flotilla.swap_fence('k')",
    );
    assert_eq!(outcome(&app, &insert(&own)).await, "1 row");
    assert_eq!(outcome(&app, &insert(&foreign)).await, "FL001");
    assert_eq!(outcome(&app, &format!("UPDATE k SET id = '{foreign}' WHERE id = '{own}'")).await, "FL001");
    assert_eq!(outcome(&app, &format!("UPDATE k SET v = 'y' WHERE id = '{own}'")).await, "1 row");
    assert_eq!(outcome(&app, &format!("UPDATE k SET id = '{own}' WHERE id = '{moved}'")).await, "FL001");
    assert_eq!(outcome(&app, &format!("DELETE FROM k WHERE id = '{moved}'")).await, "FL001");
    assert_eq!(fleet.sql(0, "SELECT flotilla.validate_fence('k')"), "f");

    fleet.sql(0, &format!("CREATE TABLE h (k {column}) PARTITION BY HASH (k)"));
    let strays = format!(
        "SELECT count(*), count(*) FILTER (WHERE NOT satisfies_hash_partition('h'::regclass, 1024, flotilla.bucket(k), k))
         FROM generate_series(1, 5000) i, LATERAL (SELECT {key} AS k) s"
    );
    assert_eq!(fleet.sql(0, &strays), "5000|0");
}

#[tokio::test]
async fn uuid_keys_are_fenced() {
    fenced("uuid", "uuid", "md5(i::text)::uuid").await;
}

#[tokio::test]
async fn text_keys_are_fenced() {
    fenced("text", "text", "chr(200 + i % 20000) || ' it''s ' || repeat(i::text, i % 40) || '.'").await;
}

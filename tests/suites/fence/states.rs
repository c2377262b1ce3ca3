//! Every statement against a bucket in every state.

use flotilla::pg::Session;
use flotilla_tests::Fleet;

use super::{TABLE, change, connect, copied, fence, fleet, keys, outcome, run};

/// Who runs a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    App,
    /// With `flotilla.epoch` set to the shard's epoch and this difference.
    AppAt(i64),
    /// The table's owner.
    Owner,
}

use Caller::{App, AppAt, Owner};

/// Statements and their outcomes where the key's bucket is owned, `none` without a row, `none` with
/// a left-over row, `importing`. `:key` is the key under test, with a row in all but the second
/// state; `:own` is a key in a bucket that is always owned, with a row.
const OUTCOMES: [(Caller, &str, [&str; 4]); 24] = [
    (App, "INSERT INTO t VALUES (:own, 900000, 'x')", ["1 row", "1 row", "1 row", "1 row"]),
    (App, "INSERT INTO t VALUES (:key, 900000, 'x')", ["1 row", "FL001", "FL001", "FL001"]),
    (App, "COPY t FROM STDIN", ["1 row", "FL001", "FL001", "FL001"]),
    (
        App,
        "INSERT INTO t VALUES (:key, 1, 'x') ON CONFLICT (id, n) DO UPDATE SET v = 'y'",
        ["1 row", "FL001", "FL001", "FL001"],
    ),
    (App, "UPDATE t SET id = :key, n = n + 5 WHERE id = :own", ["1 row", "FL001", "FL001", "FL001"]),
    (App, "UPDATE t SET id = :key, n = n + 2000000 WHERE id = :own", ["1 row", "FL001", "FL001", "FL001"]),
    (App, "UPDATE t SET v = 'z' WHERE id = :key", ["1 row", "0 rows", "FL001", "FL001"]),
    (App, "UPDATE t SET id = :own, n = n + 5 WHERE id = :key", ["1 row", "0 rows", "FL001", "FL001"]),
    (App, "DELETE FROM t WHERE id = :key", ["1 row", "0 rows", "FL001", "FL001"]),
    (
        App,
        "MERGE INTO t USING (VALUES (:key::bigint)) x (i) ON t.id = x.i WHEN MATCHED THEN DELETE",
        ["1 row", "0 rows", "FL001", "FL001"],
    ),
    (App, "SELECT FROM t WHERE id = :key", ["1 row", "0 rows", "1 row", "1 row"]),
    (App, "UPDATE t SET v = 'z' WHERE id = -77", ["0 rows"; 4]),
    (App, "DELETE FROM t WHERE id = -77", ["0 rows"; 4]),
    (AppAt(0), "UPDATE t SET v = 'z' WHERE id = -77", ["0 rows"; 4]),
    (AppAt(0), "DELETE FROM t WHERE id = -77", ["0 rows"; 4]),
    (AppAt(-1), "UPDATE t SET v = 'z' WHERE id = -77", ["FL002"; 4]),
    (AppAt(-1), "DELETE FROM t WHERE id = -77", ["FL002"; 4]),
    (AppAt(1), "UPDATE t SET v = 'z' WHERE id = -77", ["FL003"; 4]),
    (AppAt(1), "DELETE FROM t WHERE id = -77", ["FL003"; 4]),
    (App, "INSERT INTO t1 VALUES (:own, 900000, 'x')", ["42501"; 4]),
    (Owner, "INSERT INTO t1 VALUES (:key, 900000, 'x')", ["1 row", "FL001", "FL001", "FL001"]),
    (Owner, "DELETE FROM t1 WHERE id = :key", ["1 row", "0 rows", "FL001", "FL001"]),
    (App, "TRUNCATE t", ["42501"; 4]),
    (Owner, "TRUNCATE t", ["done", "done", "done", "55000"]),
];

/// One shard as the three sessions see it.
struct Place {
    fleet: Fleet,
    app: Session,
    owner: Session,
    own: i64,
}

impl Place {
    async fn start() -> Self {
        let fleet = fleet(1);
        fleet.sql(0, TABLE);
        let own = keys(&fleet, 256..=511, 1)[0];
        let app = connect(&fleet, 0, "app").await;
        let owner = connect(&fleet, 0, "postgres").await;
        run(&owner, "SET ROLE owner").await;
        let place = Self { fleet, app, owner, own };
        place.write(own).await;
        place
    }

    async fn write(&self, key: i64) {
        assert_eq!(outcome(&self.app, &format!("INSERT INTO t VALUES ({key}, 1, 'a')")).await, "1 row");
    }

    /// Every statement in a transaction that is rolled back, against one column of the table.
    async fn compare(&self, state: usize, key: i64) {
        let mut different = Vec::new();
        for (caller, sql, outcomes) in OUTCOMES {
            let session = if caller == Owner { &self.owner } else { &self.app };
            run(session, "BEGIN").await;
            if let AppAt(difference) = caller {
                let set = "SELECT set_config('flotilla.epoch', (flotilla.epoch() + :n)::text, true)";
                run(session, &set.replace(":n", &difference.to_string())).await;
            }
            let statement = sql.replace(":own", &self.own.to_string()).replace(":key", &key.to_string());
            let found = if sql.starts_with("COPY") {
                copied(session, sql, format!("{key}\t900001\tx\n")).await
            } else {
                outcome(session, &statement).await
            };
            run(session, "ROLLBACK").await;
            if found != outcomes[state] {
                different.push(format!("{caller:?}: {sql}: {found}, not {}", outcomes[state]));
            }
        }
        assert!(different.is_empty(), "{}", different.join("\n"));
    }
}

#[tokio::test]
async fn outcomes_where_the_bucket_is_owned() {
    let place = Place::start().await;
    let key = keys(&place.fleet, 0..=255, 1)[0];
    place.write(key).await;
    assert_eq!(fence(&place.fleet, 0), "t|t|t|f|t");
    place.compare(0, key).await;
}

#[tokio::test]
async fn outcomes_where_the_bucket_is_elsewhere() {
    let place = Place::start().await;
    change(&place.fleet, 0, 512..=1023, "none");
    assert_eq!(place.fleet.sql(0, "SELECT flotilla.validate_fence('t')"), "t");
    assert_eq!(fence(&place.fleet, 0), "t|t|t|f|t", "nothing is left over, so no row guard is needed");
    place.compare(1, keys(&place.fleet, 512..=1023, 1)[0]).await;
}

#[tokio::test]
async fn outcomes_where_rows_were_left_behind() {
    let place = Place::start().await;
    let key = keys(&place.fleet, 0..=255, 1)[0];
    place.write(key).await;
    change(&place.fleet, 0, 0..=255, "none");
    assert_eq!(place.fleet.sql(0, "SELECT flotilla.validate_fence('t')"), "f");
    assert_eq!(fence(&place.fleet, 0), "t|f|t|t|t");
    place.compare(2, key).await;

    // The sweep is for members of role flotilla alone; the proof ends the row guards.
    let sweep = format!("DELETE FROM t WHERE id = {key}");
    run(&place.app, "SET flotilla.sweep = on").await;
    assert_eq!(outcome(&place.app, &sweep).await, "FL001");
    let admin = connect(&place.fleet, 0, "postgres").await;
    assert_eq!(outcome(&admin, &sweep).await, "FL001");
    run(&admin, "SET flotilla.sweep = on").await;
    assert_eq!(outcome(&admin, &sweep).await, "1 row");
    assert_eq!(place.fleet.sql(0, "SELECT flotilla.validate_fence('t')"), "t");
    assert_eq!(fence(&place.fleet, 0), "t|t|t|f|t");
}

#[tokio::test]
async fn outcomes_where_the_bucket_is_imported() {
    let place = Place::start().await;
    let (key, elsewhere) = (keys(&place.fleet, 512..=767, 1)[0], keys(&place.fleet, 768..=1023, 1)[0]);
    change(&place.fleet, 0, 512..=1023, "none");
    change(&place.fleet, 0, 512..=767, "importing");
    // As the apply worker does: past the triggers, never past the CHECK.
    let admin = connect(&place.fleet, 0, "postgres").await;
    run(&admin, "SET session_replication_role = replica").await;
    assert_eq!(outcome(&admin, &format!("INSERT INTO t VALUES ({key}, 1, 'a')")).await, "1 row");
    assert_eq!(outcome(&admin, &format!("INSERT INTO t VALUES ({elsewhere}, 1, 'a')")).await, "FL001");
    assert_eq!(place.fleet.sql(0, "SELECT flotilla.validate_fence('t')"), "t");
    assert_eq!(fence(&place.fleet, 0), "t|t|t|t|t");
    place.compare(3, key).await;
}

/// Keys and rows may be personal data, and messages end in logs.
#[tokio::test]
async fn refusals_name_the_bucket_and_neither_key_nor_row() {
    let place = Place::start().await;
    change(&place.fleet, 0, 512..=1023, "none");
    let find = "SELECT i, flotilla.bucket(i) FROM generate_series(987654321000, 987654321999) i
                WHERE flotilla.bucket(i) > 511 LIMIT 1";
    let found = place.fleet.sql(0, find);
    let (key, bucket) = found.split_once('|').expect("a key and its bucket");
    let insert = format!("INSERT INTO t VALUES ({key}, 1, 'private')");
    let error = place.app.simple_query(&insert).await.expect_err("a refusal");
    let error = error.as_db_error().expect("the server's error");
    assert_eq!(error.message(), format!("this shard does not own bucket {bucket}"));
    let detail = format!("Bucket {bucket} is in state \"none\" on shard \"s0\", epoch 2.");
    assert_eq!(error.detail(), Some(detail.as_str()));
    assert_eq!(error.hint(), Some("Read the shard map again and retry on the bucket's owner."));
    let context = error.where_().unwrap_or_default();
    assert!(!context.contains(key) && !context.contains("private"), "{context}");
}

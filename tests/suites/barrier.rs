//! The barrier inside the databases: nobody writes while it is up, and it never outlives its session.

use flotilla::pg::{Conninfo, Endpoint, Session};
use flotilla_tests::{Fleet, PASSWORDS, until};

fn fleet() -> Fleet {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.sql(
        0,
        "SET ROLE owner; CREATE TABLE things (user_id bigint PRIMARY KEY, n int); \
        CREATE TABLE parts (user_id bigint, at date, PRIMARY KEY (user_id, at)) PARTITION BY RANGE (at); \
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); \
        SELECT flotilla.protect('things', 'user_id'); SELECT flotilla.protect('parts', 'user_id')",
    );
    fleet
}

async fn backup(fleet: &Fleet) -> Session {
    let (role, password) = PASSWORDS.iter().find(|(name, _)| *name == "backup").unwrap();
    let place = fleet.primary(0).conninfo(&fleet.topology.dbname);
    let conninfo = Conninfo::parse(&format!("{place} user={role} password={password}")).unwrap();
    Endpoint::from_conninfo(conninfo).unwrap().connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_wait_behind_it_readers_do_not_and_it_goes_with_its_session() {
    let fleet = fleet();
    let session = backup(&fleet).await;
    session.simple("BEGIN").await.unwrap();
    let up = session.simple("SELECT locked, open FROM flotilla.barrier()").await.unwrap();
    assert!(up[0].get(0).unwrap().parse::<u32>().unwrap() >= 5, "{:?}", up[0].get(0));
    assert_eq!(up[0].get(1), Some("{}"));
    for blocked in [
        "INSERT INTO things VALUES (1, 1)",
        "DELETE FROM things",
        "INSERT INTO parts VALUES (1, '2026-01-02')",
        "ALTER TABLE things ADD COLUMN m int",
    ] {
        let waited = fleet.primary(0).sql_in("app", &format!("SET lock_timeout = '100ms'; {blocked}"));
        let error = waited.err().unwrap().text("sql");
        assert!(error.contains("lock timeout"), "{blocked}: {error}");
    }
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM things"), "0");
    assert!(!session.value("SELECT pg_create_restore_point('here')").await.unwrap().unwrap().is_empty());
    // As when its process is killed: the connection ends, no word is said.
    drop(session);
    until("the barrier is gone", || {
        let wrote = fleet.primary(0).sql_in("app", "SET lock_timeout = '1s'; SET flotilla.epoch = 1; TABLE things");
        wrote.ok().filter(|_| fleet.sql(0, "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock'") == "0")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_whoever_writes_and_no_longer_than_it_may() {
    let fleet = fleet();
    let session = backup(&fleet).await;
    let busy = backup(&fleet).await;
    fleet.sql(0, "GRANT UPDATE ON things TO backup");
    busy.simple("BEGIN; LOCK TABLE things IN ROW EXCLUSIVE MODE").await.unwrap();
    session.simple("SET lock_timeout = '200ms'").await.unwrap();
    let error = session.simple("SELECT flotilla.barrier()").await.err().unwrap();
    assert_eq!(error.code(), flotilla::Code::LockTimeout, "{error}");

    session.simple("SET lock_timeout = '60s'").await.unwrap();
    let waiting = tokio::spawn(async move { session.simple("SELECT flotilla.barrier()").await.map(drop) });
    until("the barrier waits", || {
        (fleet.sql(0, "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareLock'") == "1").then_some(())
    });
    assert!(!waiting.is_finished());
    busy.simple("COMMIT").await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_autovacuum_in_the_way_gives_way_at_once() {
    let fleet = fleet();
    fleet.sql(0, "INSERT INTO things SELECT n, n FROM generate_series(1, 20000) n");
    fleet.sql(
        0,
        "ALTER TABLE things SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1, \
        autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)",
    );
    fleet.sql(0, "ALTER SYSTEM SET autovacuum_naptime = '1s'");
    fleet.sql(0, "SELECT pg_reload_conf()");
    fleet.sql(0, "UPDATE things SET n = n + 1");
    until("an autovacuum is at work", || {
        let holders = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                       WHERE relation = 'things'::regclass AND backend_type = 'autovacuum worker' AND granted";
        (fleet.sql(0, holders) != "0").then_some(())
    });
    let session = backup(&fleet).await;
    session.simple("SET lock_timeout = '10s'").await.unwrap();
    session.simple("SELECT flotilla.barrier()").await.unwrap();
    until("the server says so", || fleet.primary(0).log().contains("canceling autovacuum task").then_some(()));
}

//! The fence's outcomes, as `docs/fence.md` states them, against real servers.

mod apply;
mod dump;
mod keys;
mod partitions;
mod refusals;
mod revoke;
mod states;

use std::io::Cursor;
use std::pin::pin;

use flotilla::pg::{Endpoint, Host, Session};
use flotilla_tests::Fleet;
use futures_util::SinkExt as _;
use tokio_postgres::SimpleQueryMessage;

/// A sharded table with two leaves.
const TABLE: &str = "
    SET ROLE owner;
    CREATE TABLE t (id bigint, n bigint, v text, PRIMARY KEY (id, n)) PARTITION BY RANGE (n);
    CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (1000000);
    CREATE TABLE t2 PARTITION OF t DEFAULT;
    SELECT flotilla.protect('t', 'id')";

/// Shards that are set up; every role gets in without a password.
fn fleet(shards: u8) -> Fleet {
    flotilla::tls::install();
    // Replication's workers try again at once rather than after seconds.
    Fleet::new().shards(shards).trusting().set("wal_retrieve_retry_interval", "50ms").init().start()
}

async fn connect(fleet: &Fleet, shard: usize, user: &str) -> Session {
    connect_to(fleet, shard, user, &fleet.topology.dbname).await
}

async fn connect_to(fleet: &Fleet, shard: usize, user: &str, dbname: &str) -> Session {
    let server = fleet.primary(shard);
    let host = Host::new(server.socket_folder().display().to_string(), None, server.port());
    let session = Endpoint::new(vec![host], user, dbname).connect().await;
    session.unwrap_or_else(|e| panic!("{user}: {}", e.text("connect")))
}

/// What became of a statement, in the words of the documentation: an SQLSTATE, `done`, or how many
/// rows it wrote.
async fn outcome(session: &Session, sql: &str) -> String {
    let written = match session.simple_query(sql).await {
        Ok(messages) => messages.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        }),
        Err(e) => return sqlstate(&e),
    };
    match written {
        _ if sql.starts_with("TRUNCATE") || sql.starts_with("ALTER") => "done".to_owned(),
        Some(1) => "1 row".to_owned(),
        Some(rows) => format!("{rows} rows"),
        None => "nothing".to_owned(),
    }
}

/// The same for a COPY from the client.
async fn copied(session: &Session, sql: &str, rows: String) -> String {
    let sink = match session.copy_in(sql).await {
        Ok(sink) => sink,
        Err(e) => return sqlstate(&e),
    };
    let mut sink = pin!(sink);
    if let Err(e) = sink.send(Cursor::new(rows.into_bytes())).await {
        return sqlstate(&e);
    }
    match sink.finish().await {
        Ok(1) => "1 row".to_owned(),
        Ok(rows) => format!("{rows} rows"),
        Err(e) => sqlstate(&e),
    }
}

fn sqlstate(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
}

/// Runs what must succeed.
async fn run(session: &Session, sql: &str) {
    session.simple(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", e.text("session")));
}

/// Keys of these buckets.
fn keys(fleet: &Fleet, buckets: std::ops::RangeInclusive<u32>, count: usize) -> Vec<i64> {
    let (first, last) = buckets.into_inner();
    let sql = format!(
        "SELECT i FROM generate_series(1, 20000) i WHERE flotilla.bucket(i::bigint) BETWEEN {first} AND {last} LIMIT {count}"
    );
    let keys: Vec<i64> = fleet.sql(0, &sql).lines().map(|key| key.parse().expect("a key")).collect();
    assert_eq!(keys.len(), count);
    keys
}

/// Gives buckets another state at the next epoch, without swapping a fence; returns the epoch.
fn set_state(fleet: &Fleet, shard: usize, buckets: std::ops::RangeInclusive<u32>, state: &str) -> i64 {
    let (first, last) = buckets.into_inner();
    let set = format!("SELECT flotilla.set_ownership({first}, {last}, '{state}', flotilla.epoch() + 1)");
    assert_eq!(fleet.sql(shard, &set), "t");
    fleet.sql(shard, "SELECT flotilla.epoch()").parse().expect("an epoch")
}

/// Gives buckets another state and swaps the fence of `t`; returns the epoch.
fn change(fleet: &Fleet, shard: usize, buckets: std::ops::RangeInclusive<u32>, state: &str) -> i64 {
    let epoch = set_state(fleet, shard, buckets, state);
    assert_eq!(fleet.sql(shard, "SELECT flotilla.swap_fence('t', '30 s')"), "t");
    epoch
}

/// What `flotilla.fences` says of `t`: current, validated, guarded, row guarded, sealed.
fn fence(fleet: &Fleet, shard: usize) -> String {
    fleet.sql(
        shard,
        "SELECT current, validated, guarded, row_guarded, sealed FROM flotilla.fences WHERE relation = 't'::regclass",
    )
}

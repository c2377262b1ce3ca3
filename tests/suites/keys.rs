//! `shardctl key`: ids that are unique over processes, rise with time, and carry their bucket.

use std::collections::HashSet;

use flotilla_tests::{Fleet, Outcome};
use serde_json::Value;

/// How many processes make ids at once.
const PROCESSES: usize = 8;

/// How many ids each makes for one user.
const EACH: usize = 5_000;

/// How many users each makes.
const USERS: usize = 500;

fn id(line: &Value) -> i64 {
    line["id"].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no id: {line}"))
}

fn ids(outcome: &Outcome) -> Vec<i64> {
    outcome.lines().iter().map(id).collect()
}

/// New ids for one user.
#[track_caller]
fn made(fleet: &Fleet, count: usize) -> Vec<i64> {
    ids(&fleet.shardctl(["key", "new", "--for", "42", "-n", &count.to_string()]).run().ok())
}

/// The server's own make of an id.
fn made_by_server(fleet: &Fleet, shard: usize) -> i64 {
    fleet.sql(shard, "SET ROLE app; SELECT flotilla.next_id(42)").parse().expect("an id")
}

/// The shard that owns the bucket of key 42.
fn home(fleet: &Fleet) -> usize {
    let outcome = fleet.shardctl(["route", "--by", "key", "42"]).run().ok();
    let shard = outcome.lines()[0]["shard"].clone();
    fleet.shards.iter().position(|s| shard == s.name.as_str()).expect("a shard of the fleet")
}

#[test]
fn ids_of_many_processes_are_unique() {
    let fleet = Fleet::new().init().start();
    let bucket: u32 = fleet.sql(0, "SELECT flotilla.bucket(42)").parse().expect("a bucket");
    let earlier = made(&fleet, 10);
    let each = EACH.to_string();
    let users = USERS.to_string();
    let running: Vec<_> = (0..PROCESSES)
        .map(|_| fleet.shardctl(["key", "new", "--for", "42", "-n", &each]).start())
        .chain((0..PROCESSES).map(|_| fleet.shardctl(["key", "new", "--user", "-n", &users]).start()))
        .collect();
    let outcomes: Vec<Outcome> = running.into_iter().map(|run| run.finish().ok()).collect();
    let later = made(&fleet, 10);

    let mut seen: HashSet<i64> = earlier.iter().chain(&later).copied().collect();
    for (at, outcome) in outcomes.iter().enumerate() {
        let ids = ids(outcome);
        assert!(ids.is_sorted(), "each process's ids rise");
        assert_eq!(ids.len(), if at < PROCESSES { EACH } else { USERS });
        seen.extend(&ids);
        if at < PROCESSES {
            assert!(outcome.lines().iter().all(|line| line["bucket"] == bucket), "they carry the bucket");
            assert!(ids.iter().all(|id| *id > earlier[9] && *id < later[0]), "ids of a shard rise from run to run");
        }
    }
    assert_eq!(seen.len(), PROCESSES * (EACH + USERS) + 20, "an id was made twice");
}

/// The tool and the servers make ids of the same clock.
#[test]
fn ids_of_the_tool_and_of_the_server_are_unique() {
    let fleet = Fleet::new().init().start();
    let home = home(&fleet);
    let tool = fleet.shardctl(["key", "new", "--for", "42", "-n", "20000"]).start();
    let sql = "SELECT flotilla.next_id(42) FROM generate_series(1, 5000)";
    let server: Vec<i64> = fleet.sql(home, sql).lines().map(|line| line.parse().expect("an id")).collect();
    let tool = ids(&tool.finish().ok());
    assert!(server.is_sorted() && tool.is_sorted());
    let all: HashSet<i64> = server.iter().chain(&tool).copied().collect();
    assert_eq!(all.len(), 25_000);
}

/// A user's id is a key and an id at once, whoever makes it: by key and by id it leads to one shard.
#[test]
fn users_route_alike_by_key_and_by_id() {
    let fleet = Fleet::new().init().start();
    let made = fleet.shardctl(["key", "new", "--user", "-n", "2000"]).run().ok();
    let mut users: Vec<(String, String)> = Vec::new();
    for line in made.lines() {
        users.push((id(&line).to_string(), line["shard"].as_str().expect("a shard").to_owned()));
    }
    for (at, shard) in fleet.shards.iter().enumerate() {
        let sql = "SELECT flotilla.next_user_id() FROM generate_series(1, 200)";
        users.extend(fleet.sql(at, sql).lines().map(|id| (id.to_owned(), shard.name.clone())));
    }
    assert_eq!(users.iter().map(|(id, _)| id).collect::<HashSet<_>>().len(), 2400, "a user's id was made twice");
    let lines: String = users.iter().flat_map(|(id, _)| [id.as_str(), "\n"]).collect();
    let route = |by: &str| fleet.shardctl(["route", "--by", by]).stdin(lines.as_str()).run().ok().lines();
    let (by_key, by_id) = (route("key"), route("id"));
    assert_eq!((by_key.len(), by_id.len()), (2400, 2400));
    for (((user, shard), key), id) in users.iter().zip(&by_key).zip(&by_id) {
        assert_eq!((&key["bucket"], &key["shard"]), (&id["bucket"], &id["shard"]), "{user}");
        assert_eq!(key["shard"], shard.as_str(), "{user}");
    }
    let spread: HashSet<String> = by_key.iter().map(|line| line["bucket"].to_string()).collect();
    assert!(spread.len() > 800, "2,400 users are in {} buckets only", spread.len());
    let on = |shard: &str| users[..2000].iter().filter(|(_, s)| s == shard).count();
    assert_eq!((on("s0"), on("s1")), (1000, 1000), "users are spread as the buckets are");
}

/// A row's id leads to its user's shard.
#[test]
fn rows_route_to_their_users_shard() {
    let fleet = Fleet::new().init().start();
    for user in ["42", "43", "-1", "9223372036854775807"] {
        let key = fleet.shardctl(["route", "--by", "key", user]).run().ok().lines()[0].clone();
        let made = fleet.shardctl(["key", "new", &format!("--for={user}")]).run().ok();
        let row = id(&made.lines()[0]).to_string();
        let id = fleet.shardctl(["route", "--by", "id", &row]).run().ok().lines()[0].clone();
        assert_eq!((&key["bucket"], &key["shard"]), (&id["bucket"], &id["shard"]), "{user}");
    }
}

/// The clock was an hour ahead and has stepped back: the shard's own clock stays where it was, and ids
/// go on rising from there, by tool and by server.
#[test]
fn ids_rise_when_the_clock_steps_back() {
    let fleet = Fleet::new().init().start();
    let home = home(&fleet);
    let before = made(&fleet, 100);
    let ahead = "SELECT setval('flotilla.tick_seq', \
                 flotilla.tick_now() + (3600000::bigint << flotilla.sequence_bits())) >> flotilla.sequence_bits()";
    let ahead: i64 = fleet.sql(home, ahead).parse().expect("milliseconds");
    let mut all = before;
    for _ in 0..5 {
        all.extend(made(&fleet, 100));
        all.push(made_by_server(&fleet, home));
    }
    assert!(all.is_sorted_by(|one, next| one < next), "ids go back, or come twice");
    assert!(all[100] >> 22 >= ahead, "the hour is kept");
    // One tick for each id: the clock isn't pushed on by being ahead.
    assert!(all[all.len() - 1] >> 22 <= ahead + 1_000, "the clock runs away");
    let users = ids(&fleet.shardctl(["key", "new", "--user", "-n", "200"]).run().ok());
    assert_eq!(users.iter().chain(&all).collect::<HashSet<_>>().len(), 200 + all.len());
}

/// Ids that a shard can't make aren't made: a key of another owner, a bucket of another shard.
#[test]
fn a_shard_makes_no_ids_for_buckets_of_others() {
    let fleet = Fleet::new().init().start();
    let other = 1 - home(&fleet);
    let refused = fleet.primary(other).sql_in("app", "SELECT flotilla.next_id(42)");
    let error = refused.expect_err("the other shard refuses").text("sql");
    assert!(error.contains("bucket"), "{error}");
}

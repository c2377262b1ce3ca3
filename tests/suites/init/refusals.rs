//! The wrong server, or the wrong file: refused, and nothing touched.

use flotilla_tests::{Fleet, Outcome};

/// Runs init against a topology that isn't these servers' own.
#[track_caller]
fn refused(fleet: &Fleet, why: &str) -> Outcome {
    let state = fleet.state();
    let outcome = fleet.shardctl(["init", "--all"]).run().code_is(3);
    for line in outcome.lines() {
        assert_eq!((&line["status"], &line["changed"]), (&"error".into(), &false.into()), "{}", outcome.transcript());
        let message = line["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(why) && message.ends_with("nothing was touched"), "{}", outcome.transcript());
    }
    assert_eq!(fleet.state(), state, "{}", outcome.transcript());
    outcome
}

#[test]
fn another_clusters_server_is_refused() {
    let mut fleet = Fleet::new().init().start();
    fleet.topology.name = "other".to_owned();
    fleet.write_topology();
    refused(&fleet, "belongs to cluster \"demo\", not \"other\"");
}

#[test]
fn another_number_of_buckets_is_refused() {
    let mut fleet = Fleet::new().init().start();
    for buckets in [512, 2048] {
        fleet.topology.buckets = buckets;
        fleet.write_topology();
        refused(&fleet, &format!("set up with 1024 buckets, not {buckets}"));
    }
}

#[test]
fn another_key_type_is_refused() {
    let mut fleet = Fleet::new().init().start();
    fleet.topology.key_type = "uuid".to_owned();
    fleet.write_topology();
    refused(&fleet, "belongs to key type \"bigint\", not \"uuid\"");
}

/// Two addresses interchanged, as a hand-edited file has it one day.
#[test]
fn another_shards_server_is_refused() {
    let mut fleet = Fleet::new().init().start();
    let [first, second] = fleet.topology.shards.as_mut_slice() else { panic!("two shards") };
    std::mem::swap(&mut first.nodes[0].host, &mut second.nodes[0].host);
    std::mem::swap(&mut first.nodes[0].port, &mut second.nodes[0].port);
    fleet.write_topology();
    refused(&fleet, "belongs to shard \"s");
}

#[test]
fn a_later_release_is_refused() {
    let fleet = Fleet::new().init().start();
    for at in 0..2 {
        fleet.sql(at, "UPDATE flotilla.version SET release = 1000 WHERE file = '001_roles.sql'");
    }
    refused(&fleet, "of release 1000");
}

/// One wrong server among right ones: it alone is refused, and the run ends with the worse code.
#[test]
fn one_wrong_server_stops_only_itself() {
    let fleet = Fleet::new().init().start();
    fleet.sql(1, "UPDATE flotilla.cluster SET shard = 'elsewhere'");
    let state = fleet.state();
    let outcome = fleet.shardctl(["init", "--all"]).run().code_is(3);
    assert_eq!(outcome.line("s0")["status"], "ok", "{}", outcome.transcript());
    assert_eq!(outcome.line("s1")["status"], "error", "{}", outcome.transcript());
    assert_eq!(fleet.state(), state);
}

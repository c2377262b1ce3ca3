//! The addresses of a map where there are no poolers.

use flotilla_native::postgres::Shutdown;
use flotilla_tests::{Fleet, until};
use serde_json::{Value, json};

fn shard(fleet: &Fleet) -> Value {
    let exported = fleet.shardctl(["map", "--export"]).run().ok();
    let map: Value = serde_json::from_str(&exported.stdout).unwrap();
    map["shards"][0].clone()
}

/// A router takes the first address that answers and asks none for its role: a replica among those to
/// write to would be written to.
#[test]
fn only_the_present_primary_is_written_to() {
    let mut fleet = Fleet::new().shards(1).replicas(1).init().start();
    // In the topology the replica stands first.
    fleet.topology.shards[0].nodes.reverse();
    fleet.write_topology();
    let address = |node: usize| {
        let server = &fleet.shards[0].nodes[node].server;
        json!({ "host": server.socket_folder(), "hostaddr": null, "port": server.port(), "dbname": "app" })
    };
    let (first, second) = (address(0), address(1));
    assert_eq!(shard(&fleet)["write"], json!([first]));
    assert_eq!(shard(&fleet)["read"], json!([second, first]));

    fleet.shards[0].nodes[0].server.stop(Shutdown::Fast).expect("it stops");
    fleet.replica(0, 0).promote().expect("it is promoted");
    until("the replica takes writes", || {
        let recovering = fleet.replica(0, 0).sql("SELECT pg_is_in_recovery()");
        recovering.is_ok_and(|answer| answer == "f").then_some(())
    });
    assert_eq!(shard(&fleet)["write"], json!([second]));
    assert_eq!(shard(&fleet)["read"], json!([first, second]));
}

#[test]
fn a_shard_without_replicas_has_nowhere_else_to_read() {
    let fleet = Fleet::new().shards(1).init().start();
    assert_eq!(shard(&fleet)["write"].as_array().map(Vec::len), Some(1));
    assert_eq!(shard(&fleet)["read"], json!([]));
}

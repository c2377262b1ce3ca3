//! Both routers on fenced shards: transactions, refusals by the fence, dead poolers.

use flotilla_tests::Fleet;

use super::served::Served;
use super::{compiled, routers_live_tests};

/// A fleet with the table that the routers' live tests write to.
pub(super) fn fleet() -> Fleet {
    let fleet = Fleet::new().init().start();
    for sql in [
        "CREATE TABLE router_probe (user_id bigint PRIMARY KEY, note text)",
        "SELECT flotilla.protect('router_probe', 'user_id')",
    ] {
        fleet.shardctl(["sql", "--all", "--as", "migrator", sql]).run().ok();
    }
    // Past the first epoch, so that there is a lower one to be stale with.
    for shard in 0..fleet.shards.len() {
        fleet.sql(shard, "SELECT flotilla.advance_epoch(7)");
    }
    fleet
}

/// Both routers' live tests, with the map in this place.
fn follow(fleet: &Fleet, map: &str) {
    compiled();
    routers_live_tests(map, |program, args, folder| {
        let args = [&[program], args].concat();
        fleet.script(r#"exec "$0" "$@""#).args(args).folder(folder)
    });
    for shard in 0..fleet.shards.len() {
        assert_eq!(fleet.sql(shard, "SELECT count(*) FROM router_probe"), "0", "the tests clean up");
    }
}

#[test]
fn routers_follow_an_exported_map() {
    let fleet = fleet();
    let map = fleet.path().join("map.json").display().to_string();
    fleet.shardctl(["map", &format!("--export={map}")]).run().ok().no_lines();
    follow(&fleet, &map);
}

#[test]
fn routers_follow_a_served_map() {
    let fleet = fleet();
    let served = Served::start(&fleet);
    follow(&fleet, served.url());
}

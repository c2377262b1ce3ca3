//! A store that is down for a while: the primary goes on, and a standby that follows from the archive alone
//! neither ends nor promotes itself, and catches up.

use std::time::{Duration, Instant};

use flotilla_tests::faulty::{Fault, Faulty, Rule};
use flotilla_tests::{Fleet, ObjectStore, binary, until};

/// A store that refuses every connection until `is_over` says so.
fn lives_through(mut is_over: impl FnMut() -> bool) {
    let service = ObjectStore::start();
    let proxy = Faulty::before(&service);
    let mut fleet = Fleet::new().shards(1).replicas(1).init().archiving().start();
    fleet.archive_in(&service, "outage", "encryption = \"none\"\n");
    let through = proxy.store(service.store("outage", "writer")).endpoint.unwrap();
    let limits = "stall_timeout_seconds = 1\nretry_seconds = 2\n";
    fleet.topology.rest = fleet.topology.rest.replace(&service.endpoint(), &through) + limits;
    fleet.share_topology();
    fleet.sql(0, "CREATE TABLE seen (n int)");
    fleet.archived(0);
    let config = fleet.operator("flotilla.toml");
    let standby = |sql: &str| fleet.replica(0, 0).sql_in("app", sql).unwrap_or_else(|e| panic!("{}", e.text("sql")));
    let fetch = format!(
        "{} wal-fetch -q -t s0 --for standby --config {} %f %p",
        binary("walg-wrap").display(),
        config.display()
    );
    standby(&format!("ALTER SYSTEM SET restore_command = '{fetch}'"));
    standby("ALTER SYSTEM SET primary_conninfo = ''");
    standby("SELECT pg_reload_conf()");
    let has = |count: u32| standby("SELECT count(*) FROM seen") == count.to_string();
    let walreceivers = "SELECT count(*) FROM pg_stat_wal_receiver";
    until("the standby follows from the archive alone", || (standby(walreceivers) == "0").then_some(()));
    fleet.sql(0, "INSERT INTO seen VALUES (1)");
    fleet.archived(0);
    until("the standby has the first row", || has(1).then_some(()));

    let began = standby("SELECT pg_postmaster_start_time()");
    let failures = || fleet.sql(0, "SELECT failed_count FROM pg_stat_archiver").parse::<u32>().unwrap();
    let failed = failures();
    proxy.rule(Rule::new("", "", Fault::Refuse));
    fleet.sql(0, "INSERT INTO seen VALUES (2); SELECT pg_switch_wal()");
    until("archiving has failed", || (failures() > failed + 1).then_some(()));
    while !is_over() {
        fleet.sql(0, "INSERT INTO seen VALUES (3)");
        assert_eq!(standby("SELECT pg_is_in_recovery()"), "t");
        assert!(has(1), "nothing of what isn't archived can be there");
        std::thread::sleep(Duration::from_millis(250));
    }
    let rows = fleet.sql(0, "SELECT count(*) FROM seen").parse().unwrap();
    proxy.clear();
    fleet.archived(0);
    until("the standby has every row", || has(rows).then_some(()));
    assert_eq!(
        (standby("SELECT pg_is_in_recovery()"), standby("SELECT pg_postmaster_start_time()")),
        ("t".into(), began)
    );
    assert!(proxy.count("GET", "wal_005") > 0, "it came from the store");
    assert_eq!(standby("SELECT timeline_id FROM pg_control_checkpoint()"), "1");
    fleet.tool("walg-wrap", ["ls", "-t", "s0", "--wal"]).run().ok();
}

#[test]
fn servers_live_through_a_short_outage_of_the_store() {
    // The standby asks every five seconds: some of its calls fail.
    let mut since = None;
    lives_through(move || since.get_or_insert_with(Instant::now).elapsed() > Duration::from_secs(11));
}

#[test]
#[ignore = "takes more than five minutes"]
fn servers_live_through_five_minutes_without_the_store() {
    let mut since = None;
    lives_through(move || since.get_or_insert_with(Instant::now).elapsed() > Duration::from_mins(5));
}

//! `healthcheck probe`.

use flotilla_native::postgres::Shutdown;
use flotilla_tests::{Fleet, Mute, Run, until};
use serde_json::Value;

use super::{about, check};

fn probe<'a>(fleet: &Fleet, args: impl IntoIterator<Item = &'a str>) -> Run {
    fleet.tool("healthcheck", std::iter::once("probe").chain(args))
}

#[test]
fn servers_that_are_well_say_so_and_an_idle_replica_isnt_behind() {
    let fleet = Fleet::new().replicas(1).init().start();
    let outcome =
        probe(&fleet, ["--component", "postgresql", "--component", "shard", "--component", "client"]).run().ok();
    for shard in ["s0", "s1"] {
        let (primary, replica) = (
            about(&outcome, "postgresql", &format!("{shard}-a")),
            about(&outcome, "postgresql", &format!("{shard}-b")),
        );
        assert_eq!((&primary["role"], &replica["role"]), (&"primary".into(), &"replica".into()));
        assert_eq!(check(&primary, "commit")["status"], "pass");
        assert_eq!(check(&replica, "wal_receiver")["observed"], "streaming");
        assert_eq!(check(&about(&outcome, "shard", shard), "primary")["observed"], format!("{shard}-a"));
        assert_eq!(check(&about(&outcome, "client", shard), "write")["status"], "pass");
    }
    // Whatever the probe wrote is replayed soon; then nothing is missing, however long ago the last commit was.
    until("the replica has replayed all", || {
        let outcome = probe(&fleet, ["--component", "postgresql", "-t", "s0-b"]).run().ok();
        let line = about(&outcome, "postgresql", "s0-b");
        let seen = |name| check(&line, name)["observed"].as_f64();
        (seen("lag_bytes") == Some(0.0) && seen("lag_seconds") == Some(0.0)).then_some(())
    });
}

#[test]
fn a_probe_leaves_nothing_behind() {
    let fleet = Fleet::new().shards(1).init().start();
    let before = fleet.state();
    probe(&fleet, []).run();
    assert_eq!(fleet.state(), before);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'flotilla healthcheck%'";
    until("its sessions are gone", || (fleet.sql(0, sessions) == "0").then_some(()));
}

#[test]
fn a_dead_replica_is_an_error_and_a_finding_of_its_shard() {
    let mut fleet = Fleet::new().shards(1).replicas(1).init().start();
    fleet.shards[0].nodes[1].server.stop(Shutdown::Kill).unwrap();
    let args = ["--component", "postgresql", "--component", "shard"];
    let outcome = until("the primary has noticed", || {
        let outcome = probe(&fleet, args).run();
        let streaming = check(&about(&outcome, "shard", "s0"), "replicas_streaming");
        (streaming["observed"] == 0).then_some(outcome)
    });
    let outcome = outcome.code_is(1);
    let dead = about(&outcome, "postgresql", "s0-b");
    assert_eq!(
        (&dead["status"], &dead["health"], &dead["error"]["code"]),
        (&"error".into(), &"fail".into(), &"unreachable".into())
    );
    // Its primary takes writes, and keeps WAL for whom nobody may come back.
    let primary = about(&outcome, "postgresql", "s0-a");
    assert_eq!(
        (&primary["health"], &check(&primary, "commit")["status"]),
        (&"warn".into(), &"pass".into()),
        "{primary}"
    );
    assert!(primary["summary"].to_string().contains("nobody reads slot"), "{primary}");
    let message = check(&about(&outcome, "shard", "s0"), "replicas_streaming")["message"].to_string();
    assert!(message.contains("0 of 1 replicas stream; s0-b doesn't answer"), "{message}");
    // The rule of the railway: the next tool doesn't work on what isn't well.
    let line = serde_json::to_string(&dead).unwrap() + "\n";
    let passed = probe(&fleet, ["--component", "postgresql"]).stdin(line).run().code_is(1);
    assert_eq!(passed.line("s0-b")["error"]["code"], "upstream_failed");
}

#[test]
fn a_silent_server_ends_at_its_timeout_and_delays_nobody() {
    let mut fleet = Fleet::new().shards(2).init().start();
    let mute = Mute::in_folder(&fleet.path().join("mute"));
    fleet.topology.shards[0].nodes[0].host = mute.host().display().to_string();
    fleet.write_topology();
    let mut running = probe(&fleet, ["--component", "postgresql", "--component", "shard", "--timeout", "30s"]).start();
    // The others' lines come while it hangs.
    until("the other shard's lines are written", || (running.stdout_so_far().lines().count() == 2).then_some(()));
    assert!(!running.has_ended());
    assert!(!running.stdout_so_far().contains("s0-a"), "{}", running.stdout_so_far());
    drop(running);
    let outcome = probe(&fleet, ["--component", "postgresql", "--timeout", "300ms"]).run().code_is(1);
    let silent = about(&outcome, "postgresql", "s0-a");
    assert_eq!((&silent["health"], &silent["error"]["code"]), (&"fail".into(), &"timeout".into()));
    assert_eq!(outcome.lines().last().unwrap()["instance"], "s0-a", "its line is the last");
}

/// What the role says proves no commit: here every commit waits for a replica that there isn't.
#[test]
fn a_commit_that_hangs_is_seen_and_leaves_nobody_waiting() {
    let fleet = Fleet::new().shards(1).set("synchronous_commit", "on").init().start();
    fleet.sql(0, "ALTER SYSTEM SET synchronous_standby_names = '*'");
    fleet.sql(0, "SELECT pg_reload_conf()");
    // Sessions see the setting before the checkpointer, which puts it in force.
    let outcome = until("a commit hangs", || {
        let outcome = probe(&fleet, ["--component", "postgresql", "--component", "shard", "--timeout", "1s"]).run();
        let hangs = about(&outcome, "postgresql", "s0-a")["error"]["code"] == "timeout";
        // What was read before it is known all the same.
        (hangs && about(&outcome, "shard", "s0")["error"]["code"] == "mismatch").then_some(outcome)
    });
    let outcome = outcome.code_is(1);
    assert_eq!(check(&about(&outcome, "shard", "s0"), "synchronous")["status"], "fail");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    until("nobody waits any more", || (fleet.sql(0, waiting) == "0").then_some(()));
}

#[test]
fn two_primaries_are_said_to_be_two() {
    let fleet = Fleet::new().shards(1).replicas(1).init().start();
    fleet.replica(0, 0).promote().unwrap();
    let outcome = probe(&fleet, ["--component", "shard"]).run().code_is(1);
    let line = about(&outcome, "shard", "s0");
    assert_eq!(check(&line, "primaries")["observed"], 2);
    assert!(line["summary"].to_string().contains("two primaries: s0-a, s0-b all take writes"), "{line}");
    assert_eq!(outcome.lines().len(), 1, "what a conclusion rests on is asked, and not written");
}

#[test]
fn what_nobody_can_tell_is_never_well() {
    let mut fleet = Fleet::new().shards(1).init().start();
    let passwords = fleet.file("wrong", "*:*:*:monitor:wrong\n*:*:*:app:wrong\n");
    fleet.set("PGPASSFILE", passwords.display().to_string());
    let args = ["--component", "postgresql", "--component", "client", "--component", "shard"];
    let outcome = probe(&fleet, args).run().code_is(1);
    for (component, instance) in [("postgresql", "s0-a"), ("client", "s0"), ("shard", "s0")] {
        let line = about(&outcome, component, instance);
        assert_eq!((&line["status"], &line["health"]), (&"error".into(), &"unknown".into()), "{line}");
    }
    let shard = about(&outcome, "shard", "s0")["summary"].to_string();
    assert!(shard.contains("s0-a doesn't let the login in: nobody can tell who takes writes"), "{shard}");
    probe(&fleet, ["--component", "postgresql", "--nagios"]).run().code_is(3);
}

#[test]
fn limits_come_from_the_topology_and_warnings_fail_where_asked() {
    let mut fleet = Fleet::new().shards(1).init().start();
    fleet.topology = fleet.topology.clone().rest("[health]\nconnections_ratio_warn = 0.0\n");
    fleet.write_topology();
    let _other = flotilla_tests::Blocker::lock(fleet.primary(0), "app", "flotilla.version");
    let args = ["--component", "postgresql"];
    let line = about(&probe(&fleet, args).run().ok(), "postgresql", "s0-a");
    assert_eq!(line["health"], "warn");
    assert!(check(&line, "connections_ratio")["hint"].is_string());
    let strict = probe(&fleet, ["--component", "postgresql", "--fail-on", "warn"]).run().code_is(1);
    assert_eq!(about(&strict, "postgresql", "s0-a")["error"]["code"], "mismatch");
    let nagios = probe(&fleet, ["--component", "postgresql", "--nagios"]).run().code_is(1);
    assert!(nagios.stdout.starts_with("FLOTILLA WARNING: 1 of 1 components are not well"), "{}", nagios.stdout);
}

#[test]
fn nagios_gets_its_codes_and_its_data() {
    let mut fleet = Fleet::new().shards(1).init().start();
    let well = probe(&fleet, ["--component", "postgresql", "--nagios"]).run().ok();
    assert!(well.stdout.starts_with("FLOTILLA OK: 1 components are well | "), "{}", well.stdout);
    assert!(well.stdout.contains(" 'postgresql/s0-a/up'=1;;;;"), "{}", well.stdout);
    assert!(well.stdout.contains("'postgresql/s0-a/connections_ratio'=0;0.75;0.9;;"), "{}", well.stdout);
    assert_eq!(well.stdout.lines().count(), 1);
    for wrong in [&["--nagios", "--no-such-flag"][..], &["--nagios", "-t", "s9"], &["--nagios", "--component", "horse"]]
    {
        probe(&fleet, wrong.iter().copied()).run().code_is(3);
    }
    probe(&fleet, ["--nagios", "--config", "nowhere.toml"]).run().code_is(3);
    fleet.shards[0].nodes[0].server.stop(Shutdown::Kill).unwrap();
    let dead = probe(&fleet, ["--component", "postgresql", "--nagios"]).run().code_is(2);
    assert!(dead.stdout.starts_with("FLOTILLA CRITICAL: "), "{}", dead.stdout);
    // Without the word, the codes are everybody's.
    probe(&fleet, ["--no-such-flag"]).run().code_is(2);
}

#[test]
fn a_primary_waits_for_no_restart_to_forget_where_recovery_was_to_end() {
    let fleet = Fleet::new().shards(1).init().start();
    let waiting = |setting: &str| {
        let sql = format!("SELECT pending_restart FROM pg_settings WHERE name = '{setting}'");
        until("the setting waits", || (fleet.sql(0, &sql) == "t").then_some(()));
        let line = about(&probe(&fleet, ["--component", "postgresql"]).run().ok(), "postgresql", "s0-a");
        let checks = line["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["check"] == "pending_restart")
    };
    fleet.sql(0, "ALTER SYSTEM SET recovery_target_name = 'before'");
    fleet.sql(0, "SELECT pg_reload_conf()");
    assert_eq!(waiting("recovery_target_name"), None);
    fleet.sql(0, "ALTER SYSTEM SET max_worker_processes = 17");
    fleet.sql(0, "SELECT pg_reload_conf()");
    assert_eq!(waiting("max_worker_processes").expect("a warning")["observed"], "1");
}

#[test]
fn a_slot_that_nobody_reads_is_warned_of_by_name() {
    let fleet = Fleet::new().shards(1).init().start();
    fleet.sql(0, "SELECT pg_create_physical_replication_slot('left_behind', true)");
    let line = about(&probe(&fleet, ["--component", "postgresql"]).run().ok(), "postgresql", "s0-a");
    let slot = check(&line, "slot_active");
    assert_eq!((&slot["of"], &slot["status"]), (&Value::from("left_behind"), &Value::from("warn")));
}

#[test]
fn missed_runs_and_old_backups_are_seen() {
    let mut fleet = Fleet::new().shards(1).init().start();
    crate::manners::here(&mut fleet);
    crate::manners::past(&mut fleet);
    // The folders that fleets begin with were set up when they were made, which may be long ago.
    fleet.topology = fleet.topology.clone().rest(
        "[[health.jobs]]\ntool = \"shardctl\"\nverb = \"init\"\nevery_seconds = 315360000\n\
         [[health.jobs]]\ntool = \"walg-wrap\"\nverb = \"push\"\nevery_seconds = 3600\n",
    );
    fleet.write_topology();
    let outcome =
        probe(&fleet, ["--component", "job", "--component", "backup", "--component", "store", "--timeout", "10s"])
            .run()
            .code_is(1);
    let job = about(&outcome, "job", "s0");
    let status = |of: &str| job["checks"].as_array().unwrap().iter().find(|c| c["of"] == of).unwrap()["status"].clone();
    assert_eq!((status("shardctl init"), status("walg-wrap push")), ("pass".into(), "fail".into()));
    let backup = about(&outcome, "backup", "s0");
    assert!(backup["summary"].to_string().contains("store \\\"here\\\" holds no backup"), "{backup}");
    for store in ["here", "past"] {
        let line = about(&outcome, "store", store);
        assert_eq!((&line["target"], &check(&line, "up")["status"]), (&Value::Null, &"pass".into()), "{line}");
    }
}

//! Two at once: where only one run may go on, the other says so with 75 and has touched nothing.

use flotilla_tests::{Fleet, Mute, Run};

use super::every;
use super::rows::{Hang, Row};

/// A fleet whose only server never answers, so that a run stays at work for as long as it is wanted.
fn stuck() -> (Fleet, Mute) {
    let mut fleet = Fleet::new().shards(0).start();
    let mute = Mute::in_folder(&fleet.path().join("mute"));
    fleet.topology = fleet.topology.clone().shard("s0", mute.host(), Mute::PORT);
    fleet.write_topology();
    (fleet, mute)
}

#[test]
fn the_second_of_two_is_told_to_try_later() {
    let (fleet, mute) = stuck();
    every(
        |row| row.entry().exclusive && row.hang != Hang::Never,
        |row| {
            mute.hang_up();
            let first = row.run(&fleet).start();
            mute.wait_for_caller();
            row.run(&fleet)
                .run()
                .code_is(75)
                .no_lines()
                .says(&format!("another {} is at work", row.tool))
                .says("--lock-wait");
            assert_eq!(mute.count(), 1, "the second run has called nobody");
            dry(row, &fleet, &mute);
            drop(first);
        },
    );
}

/// A dry run changes nothing, so it may look on.
fn dry(row: &Row, fleet: &Fleet, mute: &Mute) {
    let looking = row.run_plus(fleet, &["--dry-run"]).start();
    flotilla_tests::until("the dry run calls", || (mute.count() > 1).then_some(()));
    drop(looking);
}

/// The lock is the kernel's: a run that was killed leaves none behind.
#[test]
fn a_killed_run_leaves_no_lock() {
    let (fleet, mute) = stuck();
    let first = fleet.shardctl(["init", "--all"]).start();
    mute.wait_for_caller();
    first.signal(rustix::process::Signal::KILL);
    assert_eq!(first.finish().signal(), Some(9));
    mute.hang_up();
    let second = fleet.shardctl(["init", "--all"]).start();
    mute.wait_for_caller();
    drop(second);
}

#[test]
fn a_run_that_waits_for_the_lock_gets_it() {
    let (fleet, mute) = stuck();
    let first = fleet.shardctl(["init", "--all"]).start();
    mute.wait_for_caller();
    let waiting: Run = fleet.shardctl(["init", "--all", "--lock-wait", "1m"]);
    let second = waiting.start();
    mute.hang_up();
    drop(first);
    mute.wait_for_caller();
    drop(second);
}

/// Clusters don't stand in each other's way.
#[test]
fn another_cluster_has_its_own_lock() {
    let (mut fleet, mute) = stuck();
    let first = fleet.shardctl(["init", "--all"]).start();
    mute.wait_for_caller();
    fleet.topology.name = "other".to_owned();
    fleet.write_topology();
    let second = fleet.shardctl(["init", "--all"]).start();
    flotilla_tests::until("the second calls too", || (mute.count() > 1).then_some(()));
    drop((first, second));
}

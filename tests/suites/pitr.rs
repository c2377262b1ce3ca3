//! Restores to a point in time, on archives that real servers have written.

mod coverage;
mod drill;
mod oracle;
mod plan;
mod point;
pub(crate) mod restore;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flotilla_native::postgres::Shutdown;
use flotilla_tests::{Fleet, Outcome, until};
use serde_json::Value;

use crate::backup::walg::{self, LAYOUTS};

/// A fleet that archives into a folder. Its servers run as another account than the tests, and have to
/// read the topology.
fn archived(shards: u8, replicas: u8) -> Fleet {
    let builder = Fleet::new().shards(shards).replicas(replicas).init().archiving();
    let mut fleet = builder.set("max_wal_size", "64MB").start();
    fleet.archive("encryption = \"none\"\n");
    open(&fleet, &fleet.path().join("flotilla.toml"), 0o644);
    fleet
}

fn open(_: &Fleet, path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn store(fleet: &Fleet) -> PathBuf {
    fleet.path().join("archive")
}

/// The objects of a shard's archive in one of its folders.
fn objects(fleet: &Fleet, shard: usize, folder: &str) -> Vec<PathBuf> {
    let folder = store(fleet).join(format!("s{shard}")).join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A base backup, by WAL-G where it is.
fn back_up(fleet: &Fleet, shard: usize) {
    // With the first segment the archive is this cluster's, and its folder is there.
    fleet.archived(shard);
    if walg::program().is_some() {
        let data = fleet.primary(shard).data();
        walg::run(fleet, shard, LAYOUTS[0], &["backup-push", "--full", data.to_str().unwrap()]).run().ok();
    } else {
        let target = fleet.shards[shard].name.clone();
        fleet.as_operator("walg-wrap", ["push", "-t", &target, "--from", "primary"]).run().ok();
    }
    switch(fleet, shard);
}

/// Ends the segment and waits until the archive has it; its name.
fn switch(fleet: &Fleet, shard: usize) -> String {
    let name = fleet.sql(shard, "SELECT pg_walfile_name(pg_switch_wal())");
    let path = store(fleet).join(format!("s{shard}/wal_005/{name}.lz4"));
    until("the segment is archived", || path.exists().then_some(()));
    name
}

/// Makes a table of rows whose commits are looked up by their time.
fn table(fleet: &Fleet, shard: usize) {
    fleet.sql(shard, "CREATE TABLE marks (n bigint PRIMARY KEY, note text)");
}

/// Inserts a row; the time of its commit.
fn mark(fleet: &Fleet, shard: usize, n: u32) -> String {
    fleet.sql(shard, &format!("INSERT INTO marks VALUES ({n})"));
    fleet.sql(
        shard,
        &format!(
            "SELECT to_char(pg_xact_commit_timestamp(xmin) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
             FROM marks WHERE n = {n}"
        ),
    )
}

fn pitr<'a>(fleet: &Fleet, args: impl IntoIterator<Item = &'a str>) -> Outcome {
    // A restore on a busy machine takes its time.
    fleet.tool("pitr", args).run_within(Duration::from_mins(5))
}

/// The one line of a kind about a target.
fn line(outcome: &Outcome, kind: &str, target: &str) -> Value {
    let lines = outcome.lines();
    let found = lines.iter().find(|line| line["schema"] == kind && line["target"].as_str().unwrap_or("") == target);
    found.cloned().unwrap_or_else(|| panic!("no {kind} about {target:?}\n{}", outcome.transcript()))
}

/// Moves a time by microseconds.
fn moved(time: &str, microseconds: i64) -> String {
    let at = chrono::DateTime::parse_from_rfc3339(time).unwrap().to_utc();
    flotilla::clock::rfc3339(at + chrono::TimeDelta::microseconds(microseconds))
}

/// Fails a primary over to its replica; the replica is at the same place in the fleet afterwards.
fn fail_over(fleet: &mut Fleet, shard: usize) {
    let nodes = &mut fleet.shards[shard].nodes;
    nodes[0].server.stop(Shutdown::Fast).unwrap();
    nodes[1].server.promote().unwrap();
    nodes.swap(0, 1);
}

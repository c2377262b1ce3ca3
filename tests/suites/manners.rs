//! Manners: how every verb of every tool behaves in pipes, under cron and under signals.
//!
//! The verbs come from the tools' own registry, so a new one that has no [`rows::Row`] fails here. Each
//! test is one manner, held against all rows on one fleet; what fails is reported by row.

mod empty_input;
mod environment;
mod locks;
mod rows;
mod runs;
mod schema;
mod secrets;
mod signals;
mod streams;

use std::panic::{AssertUnwindSafe, catch_unwind};

use flotilla_tests::Fleet;

pub(crate) use rows::{ALERT_INPUT, pools, registry};
use rows::{ROWS, Row};

/// Two shards, set up, with a table of the application's and a topology that has poolers.
fn fleet() -> Fleet {
    prepared(Fleet::new().init().start())
}

/// Adds what the rows work on.
fn prepared(mut fleet: Fleet) -> Fleet {
    // A schema of its own, for public has a table that no migration has made. Beside the topology, so that
    // any working folder will do.
    fleet.topology =
        fleet.topology.clone().rest("[migrate]\nhistory_table = \"migrated.history\"\ndirs = [\"migrations\"]\n");
    // Its log is the harness's, which the topology doesn't name.
    fleet.topology = fleet
        .topology
        .clone()
        .rest("[[health.waivers]]\nrule = \"postgresql-audit-unwritten\"\nreason = \"a test\"\nuntil = 2999-12-31\n");
    here(&mut fleet);
    past(&mut fleet);
    // The monitor is to see this history, not the usual one.
    fleet.shardctl(["init", "--all"]).run().ok();
    for at in 0..fleet.shards.len() {
        fleet.sql(
            at,
            "SET ROLE owner; CREATE TABLE notes (id bigint, user_id bigint, text text, PRIMARY KEY (user_id, id))",
        );
        fleet.sql(at, "SET ROLE owner; SELECT flotilla.protect('notes', 'user_id')");
    }
    fleet.file("pools.toml", pools());
    fleet
}

/// An archive that files can be put into, and one that is there.
pub(crate) fn here(fleet: &mut Fleet) {
    let archive = fleet.path().join("archive");
    std::fs::create_dir(&archive).unwrap();
    fleet.topology = fleet.topology.clone().rest(&format!(
        "[archive]\nengine = \"embedded\"\nencryption = \"none\"\n[[archive.stores]]\nname = \"here\"\nurl = \"file://{}\"\n",
        archive.display()
    ));
    fleet.write_topology();
    // A data folder, as far as archiving looks at it, and a file of its log that is in the archive.
    for file in ["global/pg_control", "PG_VERSION"] {
        let content = std::fs::read(fleet.primary(0).data().join(file)).unwrap();
        fleet.file(format!("data/{file}"), content);
    }
    fleet.file("data/pg_wal/00000002.history", "1\t0/3000000\tno recovery target specified\n");
    fleet.tool("walg-wrap", ["wal-push", "-t", "s0", "data/pg_wal/00000002.history"]).run().ok();
}

/// Archives with WAL of the servers, and of each a backup as far as a catalog looks at it.
pub(crate) fn past(fleet: &mut Fleet) {
    let folder = fleet.path().join("past");
    let store = format!("[[archive.stores]]\nname = \"past\"\nurl = \"file://{}\"\n", folder.display());
    fleet.topology = fleet.topology.clone().rest(&store);
    fleet.write_topology();
    for at in 0..fleet.shards.len() {
        let segment = fleet.sql(at, "SELECT pg_walfile_name(pg_switch_wal())");
        let content = std::fs::read(fleet.primary(at).data().join("pg_wal").join(&segment)).unwrap();
        fleet.file(format!("past/s{at}/wal_005/{segment}"), content);
        let begin = u64::from_str_radix(&segment[16..], 16).unwrap() << 24;
        let system = fleet.sql(at, "SELECT system_identifier FROM pg_control_system()");
        let sentinel = format!(
            "{{\"LSN\":{},\"PgVersion\":150000,\"FinishLSN\":{},\"SystemIdentifier\":{system},\"Version\":2,\
             \"FilesMetadataDisabled\":true,\"StartTime\":\"2024-06-28T15:30:00Z\",\"FinishTime\":\"2024-06-28T15:31:00Z\"}}",
            begin + 40,
            begin + 80
        );
        fleet.file(format!("past/s{at}/basebackups_005/base_{segment}_backup_stop_sentinel.json"), sentinel);
        for part in ["part_001", "pg_control"] {
            fleet.file(format!("past/s{at}/basebackups_005/base_{segment}/tar_partitions/{part}.tar.lz4"), "part");
        }
    }
}

/// Holds one manner against each row that it concerns, and reports all that fail.
fn every(concerns: impl Fn(&Row) -> bool, check: impl Fn(&Row)) {
    all(|row| !row.apart && concerns(row), check);
}

/// The same of every row, for what needs no run that succeeds.
fn all(concerns: impl Fn(&Row) -> bool, check: impl Fn(&Row)) {
    let mut failed = Vec::new();
    let mut held = 0;
    for row in ROWS.iter().filter(|row| concerns(row)) {
        held += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(row))) {
            let why = panic.downcast_ref::<String>().cloned();
            let why = why.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            failed.push(format!("{row}: {}", why.unwrap_or_default()));
        }
    }
    assert!(held > 0, "this manner concerns no row");
    assert!(failed.is_empty(), "{} of {held} rows failed:\n\n{}", failed.len(), failed.join("\n\n"));
}

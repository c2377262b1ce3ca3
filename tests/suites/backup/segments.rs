//! Segments of other sizes than PostgreSQL's own 16 MiB.

use std::fs;
use std::process::Command;
use std::time::Duration;

use flotilla_native::account::Account;
use flotilla_native::postgres::program;
use flotilla_tests::Fleet;

/// Memory of a run that archives or fetches one segment, in bytes.
const MOST: u64 = 128 << 20;

/// A cluster that was never started, with one whole segment of this size in `pg_wal`.
fn cluster(fleet: &Fleet, mib: u32) -> (std::path::PathBuf, String) {
    let account = Account::server().unwrap();
    let data = fleet.path().join(format!("restored/cluster-{mib}"));
    let run = |name: &str, args: &[&str]| {
        let mut command = Command::new(program(name));
        command.args(args).arg("-D").arg(&data).current_dir("/");
        let done = account.run(&mut command).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run("initdb", &["--no-sync", "--no-instructions", &format!("--wal-segsize={mib}")]);
    let names =
        fs::read_dir(data.join("pg_wal")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names.filter(|name| name.len() == 24).min().unwrap();
    (data, name)
}

#[test]
fn segments_of_other_sizes_are_archived_and_fetched_in_bounded_memory() {
    for mib in [1, 64, 256] {
        let mut fleet = Fleet::new().shards(1).init().start();
        fleet.archive("encryption = \"none\"\n");
        let (data, name) = cluster(&fleet, mib);
        let segment = data.join("pg_wal").join(&name);
        assert_eq!(fs::metadata(&segment).unwrap().len(), u64::from(mib) << 20);
        let run = |args: &[&str]| {
            let (outcome, peak) = fleet.as_operator("walg-wrap", args).run_watched(Duration::from_mins(5));
            assert!(peak <= MOST, "{} MiB with segments of {mib} MiB\n{}", peak >> 20, outcome.transcript());
            outcome
        };
        let push = ["wal-push", "-t", "s0", segment.to_str().unwrap()];
        let pushed = run(&push).ok().line("s0");
        assert_eq!((&pushed["changed"], &pushed["size_bytes"]), (&true.into(), &(u64::from(mib) << 20).into()));
        assert_eq!(run(&push).ok().line("s0")["changed"], false, "the same again is no news");
        let into = data.join("pg_wal/RECOVERYXLOG");
        run(&["wal-fetch", "-q", "-t", "s0", "--for", "pitr", &name, into.to_str().unwrap()]).ok();
        assert!(fs::read(&into).unwrap() == fs::read(&segment).unwrap(), "what comes back is what went");
        // Other content under the same name is refused.
        let mut other = fs::read(&segment).unwrap();
        let last = other.len() - 1;
        other[last] ^= 1;
        fs::write(&segment, other).unwrap();
        run(&push).code_is(1).says("the archive holds another");
        run(&["verify", "-t", "s0"]);
    }
}

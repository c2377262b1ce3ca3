//! Which engine carries a base backup: WAL-G where it is there and fit, or the embedded one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flotilla_native::account::Account;
use flotilla_tests::{Fleet, ObjectStore, Run};
use serde_json::Value;

use super::source::{self, change, content, is_sound};
use super::walg::{self, LAYOUTS, Layout};

/// The tools alone, without what else may be in `/usr/local/bin`.
fn without_wal_g(run: Run) -> Run {
    run.env("PATH", "/usr/bin:/bin")
}

fn fleet(engine: &str, layout: Layout, with_space: bool) -> Fleet {
    source::fleet_by(&format!("engine = \"{engine}\"\n"), layout, with_space)
}

fn push(fleet: &Fleet, args: &[&str]) -> Run {
    fleet.as_operator("walg-wrap", [&["push", "-t", "s0"], args].concat())
}

/// Restores the newest backup and compares; the record of the restore.
fn restores(fleet: &Fleet, expected: &str, how: impl Fn(Run) -> Run) -> Value {
    let mut line = Value::Null;
    let restored = fleet.recovered(0, |data| {
        let args = ["fetch", "-t", "s0", "LATEST", "--into", data.to_str().unwrap()];
        line = how(fleet.as_operator("walg-wrap", args)).run().ok().line("s0");
        assert!(!data.join("tablespace_map").exists() && !data.join(".flotilla-restore").exists());
        assert!(!data.join(".flotilla-outside").exists());
    });
    is_sound(restored, expected);
    line
}

/// Every object of a backup has sums beside it.
fn summed(fleet: &Fleet) -> (usize, usize) {
    let count = |folder: &Path| {
        let mut folders = vec![folder.to_owned()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() { folders.push(entry.path()) } else { files += 1 }
            }
        }
        files
    };
    let archive = fleet.path().join("archive/s0");
    (count(&archive.join("basebackups_005")), count(&archive.join("flotilla/sums/basebackups_005")))
}

fn chain(engine: &str, layout: Layout, expected: &str, how: fn(Run) -> Run) {
    let fleet = fleet(engine, layout, false);
    let full = how(push(&fleet, &["--user-data", "{\"why\": 1}"])).run().ok().line("s0");
    assert_eq!((full["engine"].as_str().unwrap(), full["kind"].as_str().unwrap()), (expected, "full"), "{full}");
    change(&fleet, 1);
    let delta = how(push(&fleet, &["--type", "delta"])).run().ok().line("s0");
    assert_eq!(delta["engine"].as_str().unwrap(), expected, "{delta}");
    assert_eq!((&delta["kind"], &delta["parent"]), (&Value::from("delta"), &full["backup"]), "{delta}");
    assert!(delta["incremented"].as_u64().unwrap() > 0 && full["members"].as_u64().unwrap() > 900, "{delta} {full}");
    let (objects, sums) = summed(&fleet);
    assert_eq!(objects, sums, "every object has its sums");
    let is = content(fleet.primary(0));
    fleet.archived(0);
    let line = restores(&fleet, &is, how);
    assert_eq!(line["engine"].as_str().unwrap(), expected, "{line}");
}

#[test]
fn auto_takes_wal_g_where_it_is_and_its_backups_have_sums() {
    if walg::program().is_some() {
        chain("auto", LAYOUTS[1], "wal-g", |run| run);
    }
}

#[test]
fn wal_g_is_driven_where_it_is_demanded() {
    if walg::program().is_some() {
        chain("wal-g", LAYOUTS[2], "wal-g", |run| run);
    }
}

#[test]
fn auto_does_without_wal_g_and_says_so() {
    chain("auto", LAYOUTS[1], "embedded", without_wal_g);
    let fleet = fleet("auto", LAYOUTS[0], false);
    let line = without_wal_g(push(&fleet, &["--dry-run"])).run().ok().line("s0");
    assert_eq!(line["engine_because"], "there is no wal-g on the PATH", "{line}");
}

#[test]
fn the_embedded_engine_never_calls_wal_g() {
    let fleet = fleet("embedded", LAYOUTS[0], false);
    // Were it called, it would leave a mark.
    let folder = fleet.operator("bin");
    Account::server().unwrap().private_folder(&folder).unwrap();
    let mark = fleet.operator("called");
    fs::write(folder.join("wal-g"), format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
    fs::set_permissions(folder.join("wal-g"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let line = push(&fleet, &[]).env("PATH", &path).run().ok().line("s0");
    assert_eq!((&line["engine"], &line["engine_because"]), (&Value::from("embedded"), &Value::Null), "{line}");
    assert!(!mark.exists());
}

#[test]
fn wal_g_that_is_demanded_and_unfit_is_refused() {
    let fleet = fleet("wal-g", LAYOUTS[1], false);
    let refused = |run: Run, why: &str| {
        let line = run.run().code_is(1).line("s0");
        let message = line["error"]["message"].as_str().unwrap();
        assert!(message.contains(why) && line["error"]["hint"].is_string(), "{line}");
    };
    refused(without_wal_g(push(&fleet, &[])), "there is no wal-g on the PATH; nothing was touched");
    let folder = fleet.operator("bin");
    Account::server().unwrap().private_folder(&folder).unwrap();
    let pretend = |script: &str| {
        fs::write(folder.join("wal-g"), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(folder.join("wal-g"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let path = format!("{}:/usr/bin:/bin", folder.display());
    pretend("echo 'wal-g version v2.0.1 x y PostgreSQL'");
    refused(push(&fleet, &[]).env("PATH", &path), "is v2.0.1, and 3 or later is needed");
    // One that ignores the key would put rows into the store as they are.
    pretend(
        "case $1 in --version) echo 'wal-g version v3.0.7 x y PostgreSQL';; st) cp \"$3\" \"$WALG_FILE_PREFIX/$4.lz4\";; esac",
    );
    refused(push(&fleet, &[]).env("PATH", &path), "doesn't encrypt with libsodium");
    assert!(!fleet.path().join("archive/s0/basebackups_005").exists());
}

#[test]
fn what_wal_g_calls_a_success_is_none_without_a_backup() {
    let fleet = fleet("wal-g", LAYOUTS[0], false);
    let folder = fleet.operator("bin");
    Account::server().unwrap().private_folder(&folder).unwrap();
    fs::write(folder.join("wal-g"), "#!/bin/sh\necho 'wal-g version v3.0.7 x y PostgreSQL'\n").unwrap();
    fs::set_permissions(folder.join("wal-g"), fs::Permissions::from_mode(0o755)).unwrap();
    let line = push(&fleet, &[]).env("PATH", format!("{}:/usr/bin:/bin", folder.display())).run().code_is(1).line("s0");
    assert!(line["error"]["message"].as_str().unwrap().contains("0 new backups"), "{line}");
}

#[test]
fn a_backup_of_wal_g_whose_wal_never_arrives_is_not_listed() {
    if walg::program().is_none() {
        return;
    }
    let mut fleet = fleet("wal-g", LAYOUTS[0], false);
    let server = &mut fleet.shards[0].nodes[0].server;
    server.set("archive_command", "false").unwrap();
    server.reload();
    let line = push(&fleet, &["--wal-timeout", "3s"]).run().code_is(1).line("s0");
    assert!(line["error"]["message"].as_str().unwrap().contains("is no longer listed"), "{line}");
    fleet.as_operator("walg-wrap", ["fetch", "-t", "s0", "--into", "nowhere"]).run().code_is(1);
}

#[test]
fn tablespaces_are_not_restored_by_wal_g() {
    if walg::program().is_none() {
        return;
    }
    let fleet = fleet("auto", LAYOUTS[0], true);
    push(&fleet, &[]).run().ok();
    let oid = fleet.sql(0, "SELECT oid FROM pg_tablespace WHERE spcname = 'space'");
    let (into, space) = (fleet.path().join("restored/a"), fleet.path().join("restored/b"));
    let tablespace = format!("{oid}={}", space.display());
    let args = ["fetch", "-t", "s0", "--into", into.to_str().unwrap(), "--tablespace", &tablespace];
    let line = fleet.as_operator("walg-wrap", args).run().ok().line("s0");
    assert_eq!(line["engine"], "embedded", "{line}");
    assert!(line["engine_because"].as_str().unwrap().contains("has tablespaces"), "{line}");
}

#[test]
fn wal_g_reaches_an_s3_service_as_the_topology_says() {
    if walg::program().is_none() {
        return;
    }
    let service = ObjectStore::start();
    let fleet = source::on_s3(&service, "engine = \"wal-g\"\n");
    let line = push(&fleet, &["--from", "primary"]).run().ok().line("s0");
    assert_eq!(line["engine"], "wal-g", "{line}");
    let is = content(fleet.primary(0));
    fleet.archived(0);
    assert_eq!(restores(&fleet, &is, |run| run)["engine"], "wal-g");
}

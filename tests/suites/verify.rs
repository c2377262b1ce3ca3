//! `walg-wrap verify`: whatever happens to an object is found, and nothing where nothing happened.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flotilla_tests::{Fleet, Run};

/// A shard with a log of a few segments in its archive, and where `wal-g` is there, a full backup and a
/// delta of WAL-G's own.
fn archived(settings: &str) -> (Fleet, PathBuf) {
    let mut fleet = Fleet::new().shards(1).init().archiving().start();
    let store = fleet.archive(settings).join("s0");
    fleet.psql(0, "CREATE TABLE seen AS SELECT g AS n, md5(g::text) AS text FROM generate_series(1, 2000) g");
    fleet.archived(0);
    if backup(&fleet, &store) {
        fleet.psql(0, "UPDATE seen SET text = 'x' WHERE n % 100 = 0");
        backup(&fleet, &store);
    }
    fleet.psql(0, "INSERT INTO seen VALUES (0, 'end')");
    fleet.archived(0);
    (fleet, store)
}

/// A backup by the real `wal-g`. Says loudly when there is none.
#[expect(clippy::print_stderr, reason = "a check that did not run must be seen")]
fn backup(fleet: &Fleet, store: &Path) -> bool {
    let program = Path::new("/usr/local/bin/wal-g");
    if Command::new(program).arg("--version").output().is_err() {
        eprintln!("NOT CHECKED: there is no wal-g, so no backup of its own was verified.");
        return false;
    }
    let server = fleet.primary(0);
    let data = server.data();
    let run = fleet.program_as_operator(program, ["backup-push", data.to_str().unwrap()]);
    let run = run.env("WALG_FILE_PREFIX", store).env("PGDATA", &data).env("WALG_DELTA_MAX_STEPS", "3");
    let socket = server.socket_folder().to_owned();
    run.env("PGHOST", socket).env("PGUSER", "postgres").env("PGDATABASE", "postgres").run().ok();
    true
}

fn verify(fleet: &Fleet, more: &[&str]) -> Run {
    fleet.as_operator("walg-wrap", [&["verify", "-t", "s0"], more].concat())
}

fn objects(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(objects(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_sound_archive_has_no_findings_and_is_read_once() {
    let (fleet, store) = archived("encryption = \"none\"");
    let first = verify(&fleet, &[]).run().ok();
    let summary = first.lines().pop().unwrap();
    assert_eq!((&summary["errors"], &summary["warnings"]), (&0.into(), &0.into()), "{}", first.transcript());
    assert!(summary["read"].as_u64().unwrap() >= 6, "{}", first.transcript());
    let second = verify(&fleet, &[]).run().ok().lines().pop().unwrap();
    assert!(second["read_bytes"].as_u64() < summary["read_bytes"].as_u64(), "{second}");
    let quiet = verify(&fleet, &["-q"]).run().ok();
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty(), "{}", quiet.transcript());
    assert!(!objects(&store).iter().any(|path| path.to_string_lossy().contains("verified")));
}

#[test]
fn every_fault_of_every_kind_of_object_is_found() {
    let (fleet, store) = archived("encryption = \"none\"");
    verify(&fleet, &[]).run().ok();
    let all = objects(&store);
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let (mut tried, mut missed) = (0, Vec::new());
    for object in &all {
        let whole = fs::read(object).unwrap();
        let mut flipped = whole.clone();
        flipped[random(whole.len())] ^= 1 << random(8);
        // What lies beside it, under its name: another segment, another backup's part.
        let kind = |path: &Path| (path.extension().map(ToOwned::to_owned), path.file_name().unwrap().len());
        let other = all.iter().find(|other| *other != object && kind(other) == kind(object));
        let mut faults =
            vec![("missing", None), ("empty", Some(Vec::new())), ("cut", Some(whole[..whole.len() / 2].to_vec()))];
        faults.push(("flipped", Some(flipped)));
        faults.extend(other.map(|other| ("stale", Some(fs::read(other).unwrap()))));
        for (fault, bytes) in faults {
            if bytes.as_ref() == Some(&whole) {
                continue;
            }
            match bytes {
                None => fs::remove_file(object).unwrap(),
                Some(bytes) => fs::write(object, bytes).unwrap(),
            }
            tried += 1;
            let found = verify(&fleet, &[]).run();
            if found.code() != Some(1) {
                missed.push(format!("{fault} {}: {}", object.display(), found.transcript()));
            }
            fs::write(object, &whole).unwrap();
            flotilla_native::account::Account::server().unwrap().own(object).unwrap();
            // As it was before: sound, and remembered as such.
            verify(&fleet, &[]).run();
        }
    }
    assert!(missed.is_empty(), "{} of {tried} faults missed:\n{}", missed.len(), missed.join("\n"));
}

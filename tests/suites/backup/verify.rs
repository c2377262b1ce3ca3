//! `walg-wrap verify`: whatever happens to an object is found, and nothing where nothing happened.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flotilla_archive::store::Over;
use flotilla_native::account::Account;
use flotilla_tests::faulty::{Fault, Faulty, Rule};
use flotilla_tests::{Fleet, ObjectStore, Outcome, Run};

use super::source::{self, Load, change, objects};
use super::walg::{self, LAYOUTS, Layout};

fn verify(fleet: &Fleet, more: &[&str]) -> Run {
    fleet.as_operator("walg-wrap", [&["verify", "-t", "s0"], more].concat())
}

/// The line that says what it came to.
fn summary(outcome: &Outcome) -> serde_json::Value {
    outcome.lines().pop().unwrap_or_else(|| panic!("{}", outcome.transcript()))
}

fn own(path: &Path) {
    Account::server().unwrap().own(path).unwrap();
}

fn push(fleet: &Fleet, shard: usize, kind: &str) {
    let name = format!("s{shard}");
    fleet.as_operator("walg-wrap", ["push", "-t", &name, "--type", kind]).run().ok();
}

/// The fault of an object that is no fault must not be one for a folder that was just written: what has
/// no sums is looked at a few minutes after it was written.
fn age(folder: &Path) {
    let then = SystemTime::now() - Duration::from_hours(1);
    for path in objects(folder) {
        fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
}

/// Who makes the backups.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Us,
    WalG,
}

/// Two shards, each with a full backup, a delta and a history of timelines in its archive.
fn archived(layout: Layout, by: By) -> Fleet {
    let fleet = Fleet::new().shards(2).init().archiving();
    // WAL-G has to be told of other sizes than the usual one.
    let mut fleet = if by == By::Us { fleet.segments(1) } else { fleet }.start();
    let settings = layout.settings(&fleet);
    fleet.archive(&settings);
    source::key(&fleet);
    for shard in [0, 1] {
        fleet.sql(shard, "CREATE TABLE seen AS SELECT g AS n, md5(g::text) AS text FROM generate_series(1, 3000) g");
        let data = fleet.primary(shard).data();
        let history = data.join("pg_wal/00000002.history");
        fs::write(&history, format!("1\t0/{}000000\tno recovery target specified\n", 8 + shard)).unwrap();
        own(&history);
        let archived = ["wal-push", "-t", &format!("s{shard}"), history.to_str().unwrap()];
        if by == By::Us {
            fleet.archived(shard);
            fleet.as_operator("walg-wrap", archived).run().ok();
        } else {
            let command = walg::archive_command(&fleet, shard, layout);
            let server = &mut fleet.shards[shard].nodes[0].server;
            server.set("archive_command", &command).unwrap();
            server.reload();
            fleet.archived(shard);
            walg::run(&fleet, shard, layout, &["wal-push", history.to_str().unwrap()]).run().ok();
        }
        for kind in ["full", "delta"] {
            match by {
                By::Us => push(&fleet, shard, kind),
                By::WalG => {
                    walg::run(&fleet, shard, layout, &["backup-push", data.to_str().unwrap()]).run().ok();
                }
            }
            fleet.sql(shard, "UPDATE seen SET text = 'x' WHERE n % 100 = 0");
        }
        fleet.archived(shard);
    }
    age(&fleet.path().join("archive"));
    fleet
}

/// What kind of object it is.
fn class(path: &Path) -> String {
    let text = path.to_str().unwrap();
    let sums = if text.contains("/flotilla/sums/") { "sums of " } else { "" };
    let kinds = [
        ("stop_sentinel", "sentinel"),
        ("/metadata.json", "metadata"),
        ("files_metadata", "files_metadata"),
        ("pg_control.tar", "part with pg_control"),
        ("backup_label.tar", "part with backup_label"),
        ("part_", "part"),
        (".history", "timeline history"),
        (".backup", "backup history"),
        ("wal_005", "segment"),
        ("archive.json", "pin"),
    ];
    let kind = kinds.iter().find(|(part, _)| text.contains(part)).map_or("other", |(_, kind)| kind);
    format!("{sums}{kind}")
}

/// What is done to an object: its content, or none.
fn faults(object: &Path, all: &[PathBuf], seed: &mut u64) -> Vec<(&'static str, Option<Vec<u8>>)> {
    let mut random = |below: usize| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*seed >> 33).unwrap() % below
    };
    let whole = fs::read(object).unwrap();
    let mut flipped = whole.clone();
    flipped[random(whole.len())] ^= 1 << random(8);
    let cut = whole[..=random(whole.len() - 1)].to_vec();
    let mut faults =
        vec![("missing", None), ("empty", Some(Vec::new())), ("cut", Some(cut)), ("flipped", Some(flipped))];
    let is_foreign = |path: &Path| path.to_str().unwrap().contains("/archive/s1/");
    let other = |foreign: bool| {
        let same_name = |path: &&PathBuf| path.file_name() == object.file_name();
        let candidates: Vec<&PathBuf> = all
            .iter()
            .filter(|path| *path != object && is_foreign(path) == foreign && class(path) == class(object))
            .collect();
        let found = candidates.iter().copied().find(same_name).or(candidates.first().copied());
        found.map(|path| fs::read(path).unwrap()).filter(|bytes| *bytes != whole)
    };
    faults.extend(other(true).map(|bytes| ("foreign", Some(bytes))));
    faults.extend(other(false).map(|bytes| ("stale", Some(bytes))));
    faults
}

/// Does everything to some object of every class, and says what wasn't found.
fn matrix(layout: Layout, by: By, seed: u64, with_memory: bool) {
    if by == By::WalG && walg::program().is_none() {
        return;
    }
    let fleet = archived(layout, by);
    let archive = fleet.path().join("archive");
    verify(&fleet, &[]).run().ok();
    let state = fleet.operator("state/flotilla/verified");
    let all = objects(&archive);
    let mut classes: BTreeMap<String, Vec<&PathBuf>> = BTreeMap::new();
    for path in all.iter().filter(|path| path.starts_with(archive.join("s0"))) {
        classes.entry(class(path)).or_default().push(path);
    }
    let memory = objects(&state).remove(0);
    let (remembered, aside) = (fs::read(&memory).unwrap(), fleet.path().join("aside"));
    let (mut tried, mut missed, mut seed) = (0, Vec::new(), seed);
    // From the end: what is older than every backup may go.
    for object in classes.values().filter_map(|paths| paths.last()) {
        for (fault, bytes) in faults(object, &all, &mut seed) {
            // The original comes back as it was, with its time.
            fs::rename(object, &aside).unwrap();
            if let Some(bytes) = bytes {
                fs::write(object, bytes).unwrap();
                own(object);
            }
            if !with_memory {
                fs::remove_file(&memory).unwrap();
            }
            let found = verify(&fleet, &[]).run();
            tried += 1;
            if found.code() != Some(1) || !found.stdout.contains("\"rule\":") {
                missed.push(format!("{fault} {}: {}", object.display(), found.transcript()));
            }
            fs::rename(&aside, object).unwrap();
            fs::write(&memory, &remembered).unwrap();
            own(&memory);
        }
    }
    // With everything as it was, nothing is found.
    verify(&fleet, &[]).run().ok();
    assert!(tried > 5 * classes.len() - 5, "{tried} faults of {:?}", classes.keys());
    said(&format!(
        "{layout:?} by {by:?}: {} of {tried} faults of {} classes found",
        tried - missed.len(),
        classes.len()
    ));
    assert!(missed.is_empty(), "{} of {tried} faults missed:\n{}", missed.len(), missed.join("\n"));
}

/// How many there were is what such a test is worth.
fn said(what: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{what}");
}

#[test]
fn every_fault_of_every_kind_of_object_is_found_at_first_sight() {
    matrix(LAYOUTS[0], By::Us, 1, false);
}

#[test]
fn every_fault_in_encrypted_lz4_is_found() {
    matrix(LAYOUTS[1], By::Us, 2, true);
}

#[test]
fn every_fault_in_zstd_is_found() {
    matrix(LAYOUTS[2], By::Us, 3, true);
}

#[test]
fn every_fault_in_encrypted_zstd_is_found() {
    matrix(LAYOUTS[3], By::Us, 4, true);
}

#[test]
fn every_fault_in_an_archive_of_wal_g_is_found() {
    matrix(LAYOUTS[0], By::WalG, 5, true);
}

#[test]
fn every_fault_in_an_encrypted_archive_of_wal_g_is_found() {
    matrix(LAYOUTS[3], By::WalG, 6, true);
}

/// Verifies over and over while rows change and backups are made; the number of times.
fn clean(layout: Layout, by: By) -> usize {
    let fleet = source::fleet(layout, true);
    let data = fleet.primary(0).data();
    let load = Load::on(&fleet);
    let mut times = 0;
    for round in 0..3 {
        let making = match by {
            By::Us => fleet
                .as_operator("walg-wrap", ["push", "-t", "s0", "--type", if round == 0 { "full" } else { "delta" }]),
            By::WalG => walg::run(&fleet, 0, layout, &["backup-push", data.to_str().unwrap()]),
        };
        let mut making = making.start();
        for looks in 1.. {
            let outcome = verify(&fleet, &[]).run();
            let found = summary(&outcome);
            // Before the first backup is finished, that there is none is a finding.
            let expected = u64::from(found["backups"] == 0);
            let findings = found["errors"].as_u64().unwrap() + found["warnings"].as_u64().unwrap();
            assert_eq!(findings, expected, "{}", outcome.transcript());
            times += 1;
            if looks >= 4 && making.has_ended() {
                break;
            }
        }
        making.finish().ok();
        change(&fleet, round + 1);
        fleet.archived(0);
        let all = verify(&fleet, &["--recheck"]).run().ok();
        assert_eq!(summary(&all)["backups"], round + 1, "{}", all.transcript());
        times += 1;
    }
    drop(load);
    said(&format!("{layout:?} by {by:?}: verified {times} times, nothing found"));
    times
}

#[test]
fn archives_that_are_written_meanwhile_have_no_findings() {
    let times: usize = [LAYOUTS[0], LAYOUTS[3]].map(|layout| clean(layout, By::Us)).into_iter().sum();
    assert!(times >= 20, "{times}");
}

#[test]
fn archives_that_wal_g_writes_meanwhile_have_no_findings() {
    if walg::program().is_some() {
        let times: usize = [LAYOUTS[1], LAYOUTS[2]].map(|layout| clean(layout, By::WalG)).into_iter().sum();
        assert!(times >= 20, "{times}");
    }
}

#[test]
fn what_was_read_is_read_again_only_when_asked() {
    let fleet = archived(LAYOUTS[0], By::Us);
    let planned = verify(&fleet, &["--dry-run"]).run().ok();
    let first = summary(&verify(&fleet, &[]).run().ok());
    assert!(first["read"].as_u64().unwrap() > 20, "{first}");
    assert!(planned.lines().iter().all(|line| line["status"] == "planned"), "{}", planned.transcript());
    let second = summary(&verify(&fleet, &[]).run().ok());
    assert_eq!((&second["read"], &second["objects"]), (&0.into(), &first["objects"]), "{second}");
    let quiet = verify(&fleet, &["-q"]).run().ok();
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty(), "{}", quiet.transcript());
    let again = summary(&verify(&fleet, &["--recheck"]).run().ok());
    assert_eq!(again["read"], first["read"], "{again}");
    let aged = summary(&verify(&fleet, &["--recheck-after", "0s"]).run().ok());
    assert_eq!(aged["read"], first["read"], "{aged}");
    // What is lost is told of until it is there again, and a stray object is no finding.
    let sums = objects(&fleet.path().join("archive/s0/flotilla/sums/wal_005")).remove(0);
    let hidden = fs::read(&sums).unwrap();
    fs::remove_file(&sums).unwrap();
    for _ in 0..2 {
        let found = verify(&fleet, &["-q"]).run().code_is(1);
        assert_eq!(found.lines()[0]["rule"], "no_sums", "{}", found.transcript());
    }
    fs::write(&sums, hidden).unwrap();
    own(&sums);
    let stray = fleet.path().join("archive/s0/stray.txt");
    fs::write(&stray, "nobody knows").unwrap();
    own(&stray);
    let found = verify(&fleet, &[]).run().ok();
    assert!(found.lines().iter().any(|line| line["rule"] == "unknown"), "{}", found.transcript());
    fs::remove_dir_all(fleet.path().join("archive/s0")).unwrap();
    verify(&fleet, &[]).run().code_is(1);
    fs::remove_dir_all(fleet.operator("state/flotilla/verified")).unwrap();
    let empty = verify(&fleet, &[]).run().code_is(1);
    assert!(empty.stdout.contains("nothing can be restored"), "{}", empty.transcript());
}

#[test]
fn another_key_is_named_as_such() {
    let fleet = archived(LAYOUTS[1], By::Us);
    let key = fleet.operator("key");
    fs::write(&key, "planted-Zx81-another-key-of-32-b").unwrap();
    own(&key);
    let found = verify(&fleet, &[]).run().code_is(1);
    assert!(found.stdout.contains("can't be read with this key"), "{}", found.transcript());
}

/// Puts a folder's objects into S3.
fn fill(service: &ObjectStore, folder: &Path) {
    crate::stores::run(async {
        let store = crate::stores::open(&service.store("past", "writer")).await;
        for path in objects(folder) {
            let key = path.strip_prefix(folder).unwrap().to_str().unwrap();
            store.put(key, fs::read(&path).unwrap().into(), Over::Replace).await.unwrap();
        }
    });
}

#[test]
fn a_store_that_fails_is_neither_clean_nor_damaged() {
    let mut fleet = archived(LAYOUTS[0], By::Us);
    let service = ObjectStore::start();
    let proxy = Faulty::before(&service);
    let direct = service.store("past", "writer");
    let through = proxy.store(direct.clone()).endpoint.unwrap();
    let (ca, credentials) = (direct.ca_file.unwrap(), direct.credentials_file.unwrap());
    for (name, endpoint) in [("direct", direct.endpoint.unwrap()), ("through", through)] {
        let _ = write!(
            fleet.topology.rest,
            "[[archive.stores]]\nname = \"{name}\"\nurl = \"s3://archive/past\"\nendpoint = {endpoint:?}\nregion = \"here\"\n\
             path_style = true\nca_file = {ca:?}\ncredentials_file = {credentials:?}\nprofile = \"writer\"\n\
             stall_timeout_seconds = 1\nretry_seconds = 1\n"
        );
    }
    fleet.write_topology();
    fill(&service, &fleet.path().join("archive"));
    let verify = |store: &str, more: &[&str]| {
        fleet.tool("walg-wrap", [&["verify", "-t", "s0", "--store", store], more].concat())
    };
    verify("direct", &[]).run().ok();
    let none = |outcome: &Outcome, what: &str| {
        for wrong in ["damaged", "changed", "missing", "gap", "wal", "unfitting"] {
            let rule = format!("\"rule\":\"{wrong}\"");
            assert!(!outcome.stdout.contains(&rule), "{what}: {}", outcome.transcript());
        }
    };
    let faults = [
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Status(403, "AccessDenied"),
        Fault::Hang,
        Fault::Refuse,
        Fault::Cut(100),
        Fault::Stall(100),
        Fault::Shorten(7),
        Fault::Flip(50),
    ];
    let places =
        [("everything", "", 0), ("lists", "list-type=2", 0), ("after 20", "", 20), ("segments", "wal_005/", 0)];
    let mut tried = 0;
    for fault in faults {
        for (what, path, after) in places {
            // No sum of S3's protects a listing from a proxy that shortens it well.
            if what == "lists" && !matches!(fault, Fault::Status(..)) {
                continue;
            }
            proxy.clear();
            proxy.rule(Rule::new("GET", path, fault).after(after));
            let outcome = verify("through", &["--recheck"]).run_within(Duration::from_mins(3));
            let what = format!("{fault:?} of {what}");
            assert!(matches!(outcome.code(), Some(1 | 75)), "{what}: {}", outcome.transcript());
            none(&outcome, &what);
            let said = outcome.stdout.contains("could not be checked");
            assert!(said, "{what}: {}", outcome.transcript());
            tried += 1;
        }
    }
    said(&format!("{tried} outages: neither clean nor damaged"));
    // Outages that pass are none.
    proxy.clear();
    proxy.rule(Rule::new("GET", "", Fault::Status(503, "SlowDown")).after(7).times(2));
    verify("through", &["--recheck"]).run().ok();
}

#[test]
fn memory_stays_bounded() {
    let fleet = source::fleet(LAYOUTS[2], false);
    source::bench(&fleet, &["-i", "-q", "-s", "20"]);
    push(&fleet, 0, "full");
    let running = verify(&fleet, &[]).start();
    let mut peak = 0;
    let mut running = running;
    while !running.has_ended() {
        peak = peak.max(running.peak_memory());
    }
    running.finish().ok();
    said(&format!("{} MiB at most", peak >> 20));
    assert!(peak < 256 << 20, "{peak} bytes");
}

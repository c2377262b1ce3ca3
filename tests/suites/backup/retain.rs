//! Retention: what stays is restored, whatever has happened meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use flotilla_archive::store::{Listing, Over, Store};
use flotilla_tests::faulty::{Fault, Faulty, Rule};
use flotilla_tests::{Fleet, ObjectStore, Outcome, Sandbox, Topology};

use super::fetch::restores;
use super::source::{self, change, content, objects};
use super::walg::LAYOUTS;

fn retain(fleet: &Fleet, args: &[&str]) -> flotilla_tests::Run {
    fleet.as_operator("walg-wrap", [&["retain", "-t", "s0"], args].concat())
}

fn push(fleet: &Fleet, kind: &str) -> String {
    let run = fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--type", kind]).run().ok();
    run.line("s0")["backup"].as_str().unwrap().to_owned()
}

/// Every file below a folder, with its content.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let content = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    objects(folder).into_iter().map(content).collect()
}

/// The objects that go, or have gone, by kind.
fn deleted(outcome: &Outcome, kind: &str) -> Vec<String> {
    let lines = outcome.lines().into_iter();
    let of_kind = lines.filter(|line| line["action"] == "delete" && line["kind"] == kind);
    of_kind.map(|line| line["object"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_stays_after_retention_that_was_killed_everywhere_is_restored() {
    let fleet = source::fleet(LAYOUTS[0], false);
    let mut made = Vec::new();
    for round in 1..=2 {
        made.push(push(&fleet, "full"));
        change(&fleet, round);
        made.push(push(&fleet, "delta"));
    }
    let expected = content(fleet.primary(0));
    fleet.archived(0);
    let store = fleet.path().join("archive");
    // A neighbour whose name begins alike, as WAL-G's own retention would take for part of this one.
    assert!(Command::new("cp").arg("-a").arg(store.join("s0")).arg(store.join("s00")).status().unwrap().success());
    fs::write(store.join("s0/wal_005/000000010000000000000001.note"), "a stranger's").unwrap();
    let (before, neighbour) = (files(&store.join("s0")), files(&store.join("s00")));

    retain(&fleet, &["--yes"]).run().code_is(2).says("nothing says what is to be kept");
    let asked = retain(&fleet, &["--full", "1"]).run().code_is(3);
    let planned = retain(&fleet, &["--full", "1", "--dry-run"]).run().ok();
    for outcome in [&asked, &planned] {
        assert_eq!((deleted(outcome, "full"), deleted(outcome, "delta")), (made[..1].to_vec(), made[1..2].to_vec()));
        assert!(deleted(outcome, "wal").len() == 1, "{}", outcome.transcript());
    }
    assert!(planned.stdout.contains("000000010000000000000001.note"), "{}", planned.transcript());
    assert_eq!(files(&store.join("s0")), before, "a plan changes nothing");
    assert!(retain(&fleet, &["--days", "7", "--dry-run"]).run().ok().lines().pop().unwrap()["backups"] == 0);

    for place in ["intent", "sentinel", "parts", "backup", "wal", "sums"] {
        let run = retain(&fleet, &["--full", "1", "--yes"]).env("FLOTILLA_FAILPOINT", format!("retain.{place}"));
        let outcome = run.run();
        assert_eq!(outcome.signal(), Some(9), "{place}: {}", outcome.transcript());
        // Everything is read each time: nothing is remembered of the runs before.
        let state = fleet.operator("state").join(place);
        fleet.as_operator("walg-wrap", ["verify", "-t", "s0", "-q"]).env("XDG_STATE_HOME", state).run().ok();
    }
    let done = retain(&fleet, &["--full", "1", "--yes"]).run().ok();
    let again = retain(&fleet, &["--full", "1", "--yes"]).run().ok();
    assert_eq!(again.lines().pop().unwrap()["changed"], false, "{}", again.transcript());
    let after = files(&store.join("s0"));
    assert!(!after.keys().any(|path| path.ends_with("retain.json")), "{}", done.transcript());
    assert!(after.keys().any(|path| path.ends_with("000000010000000000000001.note")));
    for gone in &made[..2] {
        assert!(!after.keys().any(|path| path.to_string_lossy().contains(&format!("{gone}/"))), "{gone}");
    }
    assert!(after.len() < before.len() / 2 + before.len() / 4);
    assert_eq!(files(&store.join("s00")), neighbour, "the neighbour is as it was");
    assert_ne!(fleet.sql(0, "SELECT count(*) FROM flotilla.ledger WHERE verb = 'retain'"), "0");
    fleet.as_operator("pitr", ["coverage", "-t", "s0"]).run().ok();
    for backup in &made[2..] {
        restores(&fleet, backup, &expected);
    }
}

#[test]
fn a_delta_is_refused_on_a_chain_that_is_being_deleted() {
    let fleet = source::fleet(LAYOUTS[0], false);
    let full = push(&fleet, "full");
    let intent = fleet.path().join("archive/s0/flotilla/retain.json");
    let by = "{\"run\":\"another\",\"place\":\"elsewhere\"}";
    fs::write(&intent, format!("{{\"version\":1,\"by\":{by},\"backups\":[\"{full}\"],\"wal_before\":0}}")).unwrap();
    flotilla_native::account::Account::server().unwrap().own(&intent).unwrap();
    let refused = fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--type", "delta"]).run().code_is(3);
    let said = refused.line("s0")["error"]["message"].to_string();
    assert!(said.contains("is being deleted"), "{said}");

    // Somebody else is at it; after ten minutes of silence he is taken for dead.
    let more = push(&fleet, "full");
    let held = retain(&fleet, &["--full", "1", "--yes"]).run().code_is(75);
    assert!(held.line("s0")["error"]["message"].to_string().contains("from elsewhere"), "{}", held.transcript());
    let past = SystemTime::now() - Duration::from_mins(11);
    fs::File::options().write(true).open(&intent).unwrap().set_modified(past).unwrap();
    let done = retain(&fleet, &["--full", "1", "--yes", "--unfinished-after", "0s"]).run().ok();
    assert_eq!(deleted(&done, "full"), [full]);
    assert_eq!(deleted(&done, "unfinished").len(), 1, "what the refused delta has left: {}", done.transcript());
    assert!(fs::read_dir(fleet.path().join("archive/s0/basebackups_005")).unwrap().count() == 2, "{more}");
}

/// Two full backups with their log, as far as a catalog looks at them.
pub(super) async fn filled(store: &Store) {
    let put = async |key: String, text: String| store.put(&key, text.into(), Over::Replace).await.map(drop).unwrap();
    for number in 1..=8 {
        put(format!("wal_005/00000001000000000000000{number}.lz4"), "log".to_owned()).await;
    }
    for number in [2_u64, 6] {
        let name = format!("base_00000001000000000000000{number}");
        for part in ["part_001", "pg_control"] {
            put(format!("basebackups_005/{name}/tar_partitions/{part}.tar.lz4"), "part".to_owned()).await;
        }
        let start = (number << 24) + 40;
        let sentinel = format!(
            "{{\"LSN\":{start},\"FinishLSN\":{},\"PgVersion\":150000,\"Version\":2,\"FilesMetadataDisabled\":true,\
             \"StartTime\":\"2024-06-28T15:30:0{number}Z\",\"FinishTime\":\"2024-06-28T15:31:0{number}Z\"}}",
            start + 40
        );
        put(format!("basebackups_005/{name}_backup_stop_sentinel.json"), sentinel).await;
    }
}

#[test]
fn a_store_that_fails_or_forbids_loses_nothing() {
    let service = ObjectStore::start();
    let proxy = Faulty::before(&service);
    let mut sandbox = Sandbox::new();
    flotilla::tls::install();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listed = || {
        runtime.block_on(async {
            use futures_util::TryStreamExt as _;
            let store = Store::open(&service.store("shop", "writer")).await.unwrap().below("s0").unwrap();
            let all: Vec<String> =
                store.list(Listing::default()).map_ok(|entry| entry.key().to_owned()).try_collect().await.unwrap();
            all
        })
    };
    runtime.block_on(async {
        let store = Store::open(&service.store("shop", "writer")).await.unwrap();
        filled(&store.below("s0").unwrap()).await;
        filled(&store.below("s00").unwrap()).await;
    });
    let topology = |user: &str| {
        let there = proxy.store(service.store("shop", user)).endpoint.unwrap();
        let store = service.toml("shop", user).replace(&service.endpoint(), &there);
        let store = format!("[archive]\nencryption = \"none\"\n{store}retry_seconds = 2\n");
        Topology::default().shard("s0", "127.0.0.11", 15432).rest(&store).to_string()
    };
    sandbox.topology(topology("writer"));
    let retain = |sandbox: &Sandbox, args: &[&str]| {
        sandbox.tool("walg-wrap", [&["retain", "-t", "s0", "--full", "1"], args].concat()).run()
    };
    let before = listed();
    for (rule, code) in [
        (Rule::new("GET", "list-type=2", Fault::Status(403, "AccessDenied")), "auth_failed"),
        (Rule::new("GET", "list-type=2", Fault::Status(503, "SlowDown")).after(2), "unreachable"),
        (Rule::new("GET", "sentinel.json", Fault::Status(500, "InternalError")), "unreachable"),
        (Rule::new("PUT", "retain", Fault::Status(403, "AccessDenied")), "auth_failed"),
        (Rule::new("POST", "delete", Fault::Status(403, "AccessDenied")), "auth_failed"),
    ] {
        let what = format!("{rule:?}");
        proxy.clear();
        proxy.rule(rule);
        let failed = retain(&sandbox, &["--yes"]).code_is(if code == "unreachable" { 75 } else { 1 });
        assert_eq!(failed.lines().pop().unwrap()["error"]["code"], code, "{what}: {}", failed.transcript());
        let now: Vec<String> = listed().into_iter().filter(|key| !key.starts_with("flotilla/")).collect();
        assert_eq!(now, before, "{what}");
    }
    proxy.clear();
    sandbox.topology(topology("reader"));
    let refused = retain(&sandbox, &["--yes"]).code_is(1).lines().pop().unwrap();
    assert!(refused["error"]["message"].to_string().contains("lets nothing be retired"), "{refused}");
    retain(&sandbox, &["--dry-run"]).ok();

    // Locked: the sentinel can't go, so nothing else does.
    sandbox.topology(topology("writer"));
    proxy.rule(Rule::new("POST", "delete", Fault::Status(403, "AccessDenied")).after(1));
    let locked = retain(&sandbox, &["--yes"]).code_is(1).lines().pop().unwrap();
    assert_eq!(locked["error"]["code"], "auth_failed", "{locked}");
    let now: Vec<String> = listed().into_iter().filter(|key| !key.starts_with("flotilla/")).collect();
    assert_eq!(now, before);
    proxy.clear();
    let done = retain(&sandbox, &["--yes"]).ok();
    assert_eq!(deleted(&done, "full"), ["base_000000010000000000000002"]);
    let wanted: Vec<String> = before
        .iter()
        .filter(|key| {
            !key.contains("base_000000010000000000000002") && !key.contains("wal_005/")
                || key.as_str() > "wal_005/000000010000000000000006"
        })
        .cloned()
        .collect();
    assert_eq!(listed(), wanted);
}

#[test]
fn a_clock_that_jumped_retires_nothing() {
    let mut sandbox = Sandbox::new();
    let store = sandbox.path().join("store");
    let url = format!(
        "[archive]\nencryption = \"none\"\n[[archive.stores]]\nname = \"here\"\nurl = \"file://{}\"\n",
        store.display()
    );
    sandbox.topology(Topology::default().shard("s0", "127.0.0.11", 15432).rest(&url).to_string());
    fs::create_dir_all(&store).unwrap();
    let config = flotilla::config::Config::load(Some(&sandbox.path().join("flotilla.toml"))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(config.archive.store(None).unwrap()).await.unwrap();
        filled(&store.below("s0").unwrap()).await;
    });
    let segment = store.join("s0/wal_005/000000010000000000000008.lz4");
    let at = |time: SystemTime| fs::File::options().write(true).open(&segment).unwrap().set_modified(time).unwrap();
    let before = files(&store);
    at(SystemTime::now() + Duration::from_hours(24 * 400));
    let refused = sandbox.tool("walg-wrap", ["retain", "-t", "s0", "--full", "1", "--yes"]).run().code_is(3);
    assert!(
        refused.line("s0")["error"]["message"].to_string().contains("nothing was touched"),
        "{}",
        refused.transcript()
    );
    assert_eq!(files(&store), before);

    // Nothing was written for a year, or the clock is a year ahead: the days end with what was written last.
    let year = Duration::from_hours(24 * 365);
    for path in before.keys() {
        fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - year).unwrap();
    }
    let kept = sandbox.tool("walg-wrap", ["retain", "-t", "s0", "--days", "1", "--dry-run"]).run().ok();
    assert_eq!(deleted(&kept, "full").len(), 0, "{}", kept.transcript());
}

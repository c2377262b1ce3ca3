//! Copies in a second store: what is listed there can be restored there, whatever happens on the way.

use std::fmt::Write as _;
use std::fs;

use flotilla_archive::store::Store;
use flotilla_tests::faulty::{Fault, Faulty, Rule};
use flotilla_tests::{Fleet, ObjectStore, Run, Sandbox, Topology};
use serde_json::Value;

use super::retain::filled;
use super::source::{self, change, objects};
use super::walg::LAYOUTS;

fn copy(fleet: &Fleet, args: &[&str]) -> Run {
    fleet.tool("walg-wrap", [&["copy", "-t", "s0", "--to", "west"], args].concat())
}

fn summary(outcome: &flotilla_tests::Outcome) -> Value {
    outcome.lines().pop().unwrap()
}

fn push(fleet: &Fleet, kind: &str) {
    fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--type", kind]).run().ok();
}

#[test]
fn what_a_copy_lists_can_be_restored_wherever_copying_was_killed() {
    let mut fleet = source::fleet(LAYOUTS[0], false);
    push(&fleet, "full");
    change(&fleet, 1);
    push(&fleet, "delta");
    fleet.archived(0);
    let (here, west) = (fleet.path().join("archive/s0"), fleet.path().join("west"));
    fs::create_dir(&west).unwrap();
    // Writing to a string doesn't fail.
    let _ = write!(fleet.topology.rest, "\n[[archive.stores]]\nname = \"west\"\nurl = \"file://{}\"\n", west.display());
    fleet.write_topology();
    let west = west.join("s0");

    let planned = summary(&copy(&fleet, &["--dry-run"]).run().ok());
    assert!(planned["objects"].as_u64() > Some(10) && planned["missing_segments"].as_u64() > Some(0), "{planned}");
    assert!(!west.exists() || objects(&west).is_empty(), "a dry run copies nothing");
    for place in ["object", "sums@2", "log", "object@2", "parts", "object@3", "sentinel", "parts@2", "sentinel@2"] {
        let outcome = copy(&fleet, &[]).env("FLOTILLA_FAILPOINT", format!("copy.{place}")).run();
        assert_eq!(outcome.signal(), Some(9), "{place}: {}", outcome.transcript());
        // That nothing is listed yet is a finding, and the only one.
        let verified = fleet.tool("walg-wrap", ["verify", "-t", "s0", "--store", "west"]).run();
        let line = verified.lines().pop().unwrap();
        let nothing_listed = u64::from(line["backups"] == 0);
        let told = (line["errors"].as_u64(), line["warnings"].as_u64(), line["unchecked"].as_u64());
        assert_eq!(told, (Some(0), Some(nothing_listed), Some(0)), "{place}: {}", verified.transcript());
    }
    let noted = "SELECT count(*) FROM flotilla.ledger WHERE tool = 'walg-wrap' AND verb = 'copy'";
    let done = summary(&copy(&fleet, &[]).run().ok());
    assert_eq!((&done["lag_seconds"], &done["missing_segments"]), (&0.into(), &0.into()), "{done}");
    let again = summary(&copy(&fleet, &[]).run().ok());
    assert_eq!((&again["objects"], &again["changed"]), (&0.into(), &false.into()), "{again}");
    fleet.tool("walg-wrap", ["verify", "-t", "s0", "--store", "west", "-q"]).run().ok();
    fleet.tool("pitr", ["coverage", "-t", "s0", "--store", "west"]).run().ok();
    let into = fleet.path().join("from-west");
    fleet.tool("walg-wrap", ["fetch", "-t", "s0", "--store", "west", "--into", into.to_str().unwrap()]).run().ok();

    // Behind by a segment, and then not.
    fleet.archived(0);
    let behind = summary(&copy(&fleet, &["--dry-run"]).run().ok());
    assert_eq!(behind["missing_segments"], 1, "{behind}");
    assert!(behind["first_missing"].is_string() && behind["lag_seconds"].is_u64(), "{behind}");

    // Damaged on this side: it doesn't arrive. Different on the other: it isn't replaced.
    let segment = behind["first_missing"].as_str().unwrap();
    let key = format!("wal_005/{segment}.lz4");
    let whole = fs::read(here.join(&key)).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(here.join(&key), &flipped).unwrap();
    let failed = copy(&fleet, &[]).run().code_is(1);
    assert!(failed.stdout.contains(&key), "{}", failed.transcript());
    assert!(!west.join(&key).exists());
    fs::write(here.join(&key), &whole).unwrap();
    fs::write(west.join(&key), &flipped).unwrap();
    let failed = copy(&fleet, &[]).run().code_is(1);
    assert!(failed.stdout.contains(&key) && failed.stdout.contains("is another than"), "{}", failed.transcript());
    let line = summary(&failed);
    assert_eq!((&line["first_missing"], &line["missing_segments"]), (&segment.into(), &1.into()), "{line}");
    assert_eq!(fs::read(west.join(&key)).unwrap(), flipped, "nothing was replaced");
    fs::remove_file(west.join(&key)).unwrap();
    let before = fleet.sql(0, noted);
    let done = summary(&copy(&fleet, &[]).run().ok());
    assert_eq!((&done["lag_seconds"], &done["changed"]), (&0.into(), &true.into()), "{done}");
    assert_ne!(fleet.sql(0, noted), before, "the ledger on the shard has a line of it");
}

#[test]
fn a_second_region_that_fails_is_behind_and_catches_up() {
    let service = ObjectStore::start();
    let proxy = Faulty::before(&service);
    let mut sandbox = Sandbox::new();
    let there = proxy.store(service.store("west", "writer")).endpoint.unwrap();
    let second = service.toml("west", "writer").replace(&service.endpoint(), &there);
    let store = sandbox.path().join("store");
    fs::create_dir(&store).unwrap();
    let rest = format!(
        "[archive]\nencryption = \"none\"\n[[archive.stores]]\nname = \"here\"\nurl = \"file://{}\"\n{second}retry_seconds = 5\n",
        store.display()
    );
    let config = sandbox.topology(Topology::default().shard("s0", "127.0.0.11", 15432).rest(&rest).to_string());
    let config = flotilla::config::Config::load(Some(&config)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(config.archive.store(None).unwrap()).await.unwrap();
        filled(&store.below("s0").unwrap()).await;
    });
    let copy = |code: i32| {
        let run = sandbox.tool("walg-wrap", ["copy", "-t", "s0", "--to", "region1"]).run().code_is(code);
        (run.lines().pop().unwrap(), run.stdout)
    };
    proxy.rule(Rule::new("PUT", "000000010000000000000007", Fault::Status(403, "AccessDenied")));
    let (line, said) = copy(1);
    assert!(said.contains("wal_005/000000010000000000000007.lz4"), "{said}");
    assert_eq!(line["first_missing"], "000000010000000000000007", "{line}");
    assert_eq!((&line["missing_segments"], &line["backups"]), (&1.into(), &2.into()), "{line}");
    proxy.clear();
    proxy.rule(Rule::new("PUT", "000000010000000000000007", Fault::Status(503, "SlowDown")).times(2));
    proxy.rule(Rule::new("GET", "list-type=2", Fault::LoseAnswer).times(1));
    let (line, _) = copy(0);
    assert_eq!((&line["objects"], &line["lag_seconds"]), (&1.into(), &0.into()), "{line}");
    proxy.clear();
    proxy.rule(Rule::new("", "", Fault::Refuse));
    copy(75);
    proxy.clear();
    assert_eq!(copy(0).0["changed"], false);
}

#[test]
fn dumps_and_encrypted_archives_are_copied_without_the_key() {
    let mut fleet = source::small("", LAYOUTS[1]);
    push(&fleet, "full");
    push(&fleet, "logical");
    // The history of a timeline, encrypted like everything else.
    let history = fleet.primary(0).data().join("pg_wal/00000002.history");
    fs::write(&history, "1\t0/8000000\tno recovery target specified\n").unwrap();
    source::private(&history);
    fleet.as_operator("walg-wrap", ["wal-push", "-t", "s0", history.to_str().unwrap()]).run().ok();
    fleet.archived(0);
    let west = fleet.path().join("west");
    fs::create_dir(&west).unwrap();
    let _ = write!(fleet.topology.rest, "\n[[archive.stores]]\nname = \"west\"\nurl = \"file://{}\"\n", west.display());
    fleet.write_topology();
    let key = fleet.operator("key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    for place in ["sentinel", "dump"] {
        let outcome = copy(&fleet, &[]).env("FLOTILLA_FAILPOINT", format!("copy.{place}")).run();
        assert_eq!(outcome.signal(), Some(9), "{place}: {}", outcome.transcript());
    }
    let done = summary(&copy(&fleet, &[]).run().ok());
    assert_eq!((&done["dumps"], &done["lag_seconds"]), (&1.into(), &0.into()), "{done}");
    assert_eq!(summary(&copy(&fleet, &[]).run().ok())["changed"], false);
    fs::write(&key, kept).unwrap();
    source::private(&key);
    fleet.tool("walg-wrap", ["verify", "-t", "s0", "--store", "west", "-q"]).run_within(source::LONG).ok();
    fleet.primary(0).sql("CREATE DATABASE there TEMPLATE template0").unwrap();
    let fetch = ["fetch", "-t", "s0", "--type", "logical", "--store", "west", "--into", "there"];
    fleet.tool("walg-wrap", fetch).run().ok();
    let count = |database: &str| fleet.primary(0).sql_in(database, "SELECT count(*) FROM spaced").unwrap();
    assert_eq!(count("there"), count("app"));
}

//! Random stories, told twice: on one shard as they are, on the other with runs that are killed and run again.
//! Both must end the same after each run. `FLOTILLA_SEED` tells the story of one seed.

use std::fs;
use std::process::Command;
use std::time::Duration;

use flotilla_native::postgres::program;
use flotilla_tests::{Fleet, Outcome};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rustix::process::Signal;

use super::super::{HISTORY, LEDGER};
use super::story::{self, GROUND, Kill, Phase};

/// The shard whose runs are let be, and the one whose runs are killed.
const WHOLE: usize = 0;
const KILLED: usize = 1;

macro_rules! seeds {
    ($($name:ident $seeds:expr;)*) => {
        $(#[test]
        fn $name() {
            tell_all($seeds);
        })*
    };
}

// Apart, so that they can run at the same time.
seeds! {
    what_was_killed_at_random_ends_as_what_was_not_1 1..=5;
    what_was_killed_at_random_ends_as_what_was_not_2 6..=10;
    what_was_killed_at_random_ends_as_what_was_not_3 11..=15;
    what_was_killed_at_random_ends_as_what_was_not_4 16..=20;
}

fn tell_all(seeds: std::ops::RangeInclusive<u64>) {
    let seeds: Vec<u64> = match flotilla::env::var("FLOTILLA_SEED") {
        None => seeds.collect(),
        // One test is enough for it.
        Some(_) if *seeds.start() != 1 => return,
        Some(seed) => vec![seed.parse().expect("FLOTILLA_SEED is a number")],
    };
    let fleet = Fleet::new().init().start();
    for shard in [WHOLE, KILLED] {
        fleet.sql(shard, GROUND);
    }
    fleet.keep();
    let killed: usize = seeds.iter().map(|seed| tell(&fleet, *seed)).sum();
    assert!(killed > 0, "nothing was killed: {seeds:?}");
}

/// Tells the story of a seed; how many of its runs were killed.
fn tell(fleet: &Fleet, seed: u64) -> usize {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let phases = story::stories().new_tree(&mut runner).expect("a story").current();
    fleet.reset();
    let mut killed = 0;
    for (at, phase) in phases.iter().enumerate() {
        let what = format!("FLOTILLA_SEED={seed}, run {at}: {:?}, {:?}\n{:#?}", phase.args, phase.kill, phase.files);
        scripts(fleet, phase);
        let whole = run(fleet, WHOLE, phase, &[]);
        assert_eq!(whole.code(), Some(0), "{what}\n{}", whole.transcript());
        let outcome = killed_run(fleet, phase, whole.took);
        if outcome.code().is_none() {
            killed += 1;
            let second = run(fleet, KILLED, phase, &["--lock-wait", "30s"]);
            assert_eq!(second.code(), Some(0), "{what}\n{}", second.transcript());
        } else {
            assert_eq!(outcome.code(), Some(0), "{what}\n{}", outcome.transcript());
        }
        assert_eq!(left(fleet, KILLED), left(fleet, WHOLE), "{what}");
    }
    assert_eq!(schema(fleet, KILLED), schema(fleet, WHOLE), "FLOTILLA_SEED={seed}\n{phases:#?}");
    killed
}

/// Makes the scripts of a run the ones that are there.
fn scripts(fleet: &Fleet, phase: &Phase) {
    let _ = fs::remove_dir_all(fleet.path().join("migrations"));
    for (name, sql) in &phase.files {
        fleet.file(format!("migrations/{name}"), sql);
    }
}

fn command(fleet: &Fleet, shard: usize, phase: &Phase, more: &[&str]) -> flotilla_tests::Run {
    let target = format!("s{shard}");
    let args = phase.args.iter().map(String::as_str).chain(["-t", &target]).chain(more.iter().copied());
    fleet.tool("migrate", args)
}

fn run(fleet: &Fleet, shard: usize, phase: &Phase, more: &[&str]) -> Outcome {
    command(fleet, shard, phase, more).run()
}

/// The run that is to be killed, if it comes to that.
fn killed_run(fleet: &Fleet, phase: &Phase, whole: Duration) -> Outcome {
    let command = command(fleet, KILLED, phase, &[]);
    match phase.kill {
        None => command.run(),
        Some(Kill::At(name, nth)) => command.env("FLOTILLA_FAILPOINT", format!("{name}@{nth}")).run(),
        Some(Kill::After(thousandths)) => {
            let running = command.start();
            // Nothing is waited for: any moment will do.
            std::thread::sleep(Kill::moment(thousandths, whole));
            running.signal(Signal::KILL);
            running.finish()
        }
    }
}

/// What a run leaves, apart from how tables are made: rows, history, ledger, and what an index or a detach may
/// leave half done.
fn left(fleet: &Fleet, shard: usize) -> String {
    let rows = "SELECT string_agg(format('%s %s', c.oid::regclass, query_to_xml(format('SELECT count(*), md5(string_agg(t::text, \
         '','' ORDER BY t::text)) FROM %s AS t', c.oid::regclass), false, true, '')), E'\\n' ORDER BY c.oid::regclass::text) \
         FROM pg_class AS c WHERE c.relkind = 'r' AND c.relname <> 'flyway_schema_history' \
           AND c.relnamespace IN ('public'::regnamespace, 'base'::regnamespace)";
    let halves = "SELECT (SELECT count(*) FROM pg_index WHERE NOT indisvalid), \
                  (SELECT count(*) FROM pg_inherits WHERE inhdetachpending)";
    fleet.sql(shard, &[rows, halves, HISTORY, LEDGER].join(";\n"))
}

/// How everything is made, as `pg_dump` tells it.
fn schema(fleet: &Fleet, shard: usize) -> String {
    let conninfo = fleet.primary(shard).conninfo(&fleet.topology.dbname);
    let mut dump = Command::new(program("pg_dump"));
    let output = dump.args(["-s", "-n", "public", "-n", "base", "-d", &conninfo]).current_dir("/").env_clear().output();
    let output = output.expect("pg_dump starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("SQL");
    // A key of its own for each dump.
    text.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n")
}

//! `--schema`: a valid schema for each record, which the lines keep to, the bad ones too.

use std::collections::BTreeSet;

use flotilla_tests::{Fleet, Sandbox, contract::Schemas};

use super::rows::Row;
use super::{every, fleet, registry};

fn schemas(row: &Row, fleet: &Fleet) -> Schemas {
    let outcome = row.run_plus(fleet, &["--schema"]).run().ok();
    assert!(outcome.stderr.is_empty(), "{}", outcome.transcript());
    Schemas::parse(&outcome.stdout).unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn lines_keep_to_the_schema_that_their_verb_prints() {
    let fleet = fleet();
    every(
        |row| !row.args.contains(&"--export"),
        |row| {
            let schemas = schemas(row, &fleet);
            let declared: Vec<String> = row.entry().records.iter().map(flotilla::record::RecordInfo::id).collect();
            assert!(declared.iter().all(|id| schemas.ids().contains(&id.as_str())), "{:?}", schemas.ids());
            let outcome = row.run(&fleet).run().ok();
            for line in outcome.stdout.lines() {
                schemas.check(line).unwrap_or_else(|why| panic!("{why}"));
            }
        },
    );
}

/// The same when every server is gone.
#[test]
fn error_lines_keep_to_the_schema_too() {
    let mut fleet = Fleet::new().shards(0).start();
    for name in ["s0", "s1"] {
        fleet.topology = fleet.topology.clone().shard(name, fleet.path().join(name), 5432);
    }
    fleet.write_topology();
    fleet.file("pools.toml", super::pools());
    every(
        |row| !row.args.contains(&"--export"),
        |row| {
            let schemas = schemas(row, &fleet);
            let outcome = row.run(&fleet).run();
            for line in outcome.stdout.lines() {
                schemas.check(line).unwrap_or_else(|why| panic!("{why}"));
            }
        },
    );
}

/// Asking what a verb writes needs none of what running it does, neither arguments nor a topology.
#[test]
fn a_schema_needs_no_arguments() {
    let sandbox = Sandbox::new();
    for (tool, verb) in registry() {
        let run = sandbox.tool(tool, verb.name.split(' ').chain(["--schema"])).run();
        if verb.records.is_empty() {
            run.code_is(2).no_lines().says("writes no lines");
            continue;
        }
        let outcome = run.ok();
        let schemas = Schemas::parse(&outcome.stdout).unwrap_or_else(|why| panic!("{tool} {}: {why}", verb.name));
        let declared: BTreeSet<String> = verb.records.iter().map(flotilla::record::RecordInfo::id).collect();
        assert_eq!(schemas.ids(), declared.iter().collect::<Vec<_>>(), "{tool} {}", verb.name);
    }
    sandbox.shardctl(["--schema", "sql"]).run().ok();
    // Any other mistake is one still.
    sandbox.shardctl(["sql", "--schema", "--no-such-flag"]).run().code_is(2).no_lines();
    sandbox.shardctl(["sql"]).run().code_is(2).no_lines();
}

//! The vectors that every implementation of the placement is held to. The Rust code's own test of
//! them is in `lib/flotilla/tests/vectors.rs`.

use std::fs;

use flotilla_tests::{Fleet, Sandbox};

use super::{clients, node, psql_file, python};

#[test]
fn the_vectors_are_what_the_server_says() {
    let fleet = Fleet::new().shards(1).start();
    let committed = fs::read_to_string(clients().join("vectors.json")).unwrap();
    let made = psql_file(&fleet, "vectors.sql", &[]);
    assert!(
        made == committed,
        "vectors.json is not what vectors.sql makes; make it again as lib/clients/README.md says"
    );
}

#[test]
fn typescript_passes_its_unit_tests() {
    let sandbox = Sandbox::new();
    let outcome = node(&sandbox, ["--test", "test/vectors.test.js", "test/map.test.js"]).run().ok();
    assert!(
        outcome.stdout.contains("\n# fail 0\n") && !outcome.stdout.contains("\n# pass 0\n"),
        "{}",
        outcome.transcript()
    );
}

#[test]
fn python_passes_its_unit_tests() {
    let sandbox = Sandbox::new();
    // Run from a folder whose tests it can't find, unittest ends with 0.
    let outcome = python(&sandbox, ["-m", "unittest", "tests.test_vectors", "tests.test_map"]).run().ok().says("\nOK");
    assert!(!outcome.stderr.contains("Ran 0 tests"), "{}", outcome.transcript());
}

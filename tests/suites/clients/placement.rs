//! 100,000 random keys of each type, as the server has placed them in real hash partitions. The Rust
//! code's own test of this is in `placement/random.rs`.

use std::fs;

use flotilla_tests::{Fleet, Run};

use super::{node, psql_file, python};

const TYPES: [&str; 4] = ["bigint", "int", "uuid", "text"];
const EACH: usize = 100_000;

#[test]
fn both_routers_place_random_keys_as_the_servers_partitions_do() {
    let fleet = Fleet::new().shards(1).start();
    psql_file(&fleet, "keys.sql", &[format!("dir={}", fleet.path().display())]);
    let keys = fs::read_to_string(fleet.path().join("keys")).unwrap();
    let placed = fs::read_to_string(fleet.path().join("buckets")).unwrap();
    // Not `lines`: a text key may end in a carriage return, which COPY writes as \r.
    let keys: Vec<&str> = keys.trim_end_matches('\n').split('\n').collect();
    let placed: Vec<&str> = placed.lines().collect();
    assert_eq!((keys.len(), placed.len()), (TYPES.len() * EACH, TYPES.len() * EACH));
    for kind in TYPES {
        assert_eq!(keys.iter().filter(|key| key.split('\t').next() == Some(kind)).count(), EACH, "{kind}");
    }

    let ask = |run: Run| run.stdin(keys.join("\n") + "\n").run().ok().stdout;
    compare("TypeScript", &keys, &placed, &ask(node(&fleet, ["check-placement.js", "1024"])));
    compare("Python", &keys, &placed, &ask(python(&fleet, ["check_placement.py", "1024"])));
}

fn compare(router: &str, keys: &[&str], placed: &[&str], said: &str) {
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), keys.len(), "{router} answers every key");
    let wrong: Vec<_> = (0..keys.len()).filter(|at| said[*at] != placed[*at]).collect();
    let shown: Vec<_> = wrong.iter().take(5).map(|at| (keys[*at], placed[*at], said[*at])).collect();
    assert!(wrong.is_empty(), "{router}: {} mismatches, as key, server's bucket, its own: {shown:?}", wrong.len());
}

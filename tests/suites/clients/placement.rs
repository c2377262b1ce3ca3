//! 100,000 random keys of each type, as the server has placed them in real hash partitions.

use std::fs;

use flotilla::placement::{Buckets, KeyType};
use flotilla_tests::{Fleet, Run};

use super::{node, psql_file, python};

const TYPES: [&str; 4] = ["bigint", "int", "uuid", "text"];
const EACH: usize = 100_000;

/// Asks each router for all keys at once; the server's answers are the truth.
#[test]
fn all_routers_place_random_keys_as_the_servers_partitions_do() {
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
    let rust: Vec<String> = keys.iter().map(|line| bucket(line)).collect();
    compare("Rust", &keys, &placed, &rust.join("\n"));
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

/// The bucket of a line `type, tab, key`, the key as COPY writes text.
fn bucket(line: &str) -> String {
    let (kind, key) = line.split_once('\t').unwrap();
    let key = kind.parse::<KeyType>().unwrap().parse(&unescape(key)).unwrap();
    key.bucket(Buckets::DEFAULT).to_string()
}

fn unescape(text: &str) -> String {
    let mut letters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next().unwrap() {
                'b' => '\x08',
                'f' => '\x0c',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\x0b',
                itself => itself,
            },
            other => other,
        });
    }
    plain
}

//! Drills: restores that prove themselves.

use std::fs;

use serde_json::Value;

use super::restore::destination;
use super::{archived, back_up, line, mark, objects, pitr, switch, table};

const DRILL: &str = "pitr.drill/1";

#[test]
fn drills_prove_what_they_restored_and_each_names_the_one_before() {
    let fleet = archived(1, 0);
    table(&fleet, 0);
    back_up(&fleet, 0);
    for n in 0..5 {
        mark(&fleet, 0, n);
    }
    switch(&fleet, 0);
    let into = destination(&fleet, "drills");
    let folder = into.display().to_string();
    let first = line(&pitr(&fleet, ["drill", "-t", "s0", "--into", &folder]).ok(), DRILL, "s0");
    assert_eq!((&first["goal"], &first["previous"]), (&"time".into(), &Value::Null));
    assert_eq!(fs::read_dir(&into).unwrap().count(), 0);
    let second = line(&pitr(&fleet, ["drill", "-t", "s0", "--latest", "--into", &folder]).ok(), DRILL, "s0");
    assert_eq!(second["previous"], first["report"]);
    assert_eq!(second["row_count"], 5);
    assert!(
        second["checked_pages"].as_u64() > Some(100) && second["checked_relations"].as_u64() > Some(50),
        "{second}"
    );
    assert!(second["rto_ms"].as_u64() > Some(0) && second["rpo_seconds"].as_f64() > Some(0.0), "{second}");
    let third = line(&pitr(&fleet, ["drill", "-t", "s0", "--latest", "--into", &folder]).ok(), DRILL, "s0");
    assert_eq!((&third["tables"], &third["previous"]), (&second["tables"], &second["report"]));
    assert_eq!(objects(&fleet, 0, "flotilla/drills").len(), 3);
    let report = fs::read_to_string(&objects(&fleet, 0, "flotilla/drills")[2]).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["drill"]["previous"], &report["drill"]["rto_ms"]), (&third["previous"], &third["rto_ms"]));
}

#[test]
fn a_drill_finds_a_damaged_page() {
    let fleet = archived(1, 0);
    table(&fleet, 0);
    fleet.psql(0, "CREATE TABLE damaged AS SELECT generate_series(1, 20000) AS n");
    fleet.psql(0, "CHECKPOINT");
    let file = fleet.primary(0).data().join(fleet.psql(0, "SELECT pg_relation_filepath('damaged')"));
    let mut bytes = fs::read(&file).unwrap();
    bytes[3 * 8192 + 4000] ^= 1;
    fs::write(&file, bytes).unwrap();
    back_up(&fleet, 0);
    mark(&fleet, 0, 1);
    switch(&fleet, 0);
    let into = destination(&fleet, "drills");
    let folder = into.display().to_string();
    let outcome = pitr(&fleet, ["drill", "-t", "s0", "--latest", "--into", &folder]).code_is(1);
    let drill = line(&outcome, DRILL, "s0");
    assert_eq!(drill["error"]["message"], "pg_checksums found damage");
    assert!(into.join("s0/data").exists(), "what was found is kept");
    assert_eq!(objects(&fleet, 0, "flotilla/drills").len(), 0);
}

//! Drills: restores that prove themselves.

use std::fs;
use std::time::Duration;

use flotilla_tests::until;
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
    fleet.sql(0, "CREATE TABLE damaged AS SELECT generate_series(1, 20000) AS n");
    fleet.sql(0, "CHECKPOINT");
    let file = fleet.primary(0).data().join(fleet.sql(0, "SELECT pg_relation_filepath('damaged')"));
    let mut bytes = fs::read(&file).unwrap();
    // Damage to the page's own LSN, which runs ahead of the server's now: PostgreSQL's base backup takes
    // such a page for one that was written since it began, doesn't look at its sum, and lets it pass.
    bytes[3 * 8192] ^= 0x40;
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

#[test]
fn a_drill_that_is_killed_leaves_a_chain_that_is_whole() {
    let fleet = archived(1, 0);
    table(&fleet, 0);
    back_up(&fleet, 0);
    mark(&fleet, 0, 1);
    switch(&fleet, 0);
    let reports = || objects(&fleet, 0, "flotilla/drills").len();
    let mut made = 0;
    let mut previous = Value::Null;
    for point in ["drill.proved", "drill.reported"] {
        let into = destination(&fleet, &point.replace('.', "-"));
        let folder = into.display().to_string();
        let args = ["drill", "-t", "s0", "--latest", "--into", &folder];
        let killed = fleet.tool("pitr", args).env("FLOTILLA_FAILPOINT", point).run_within(Duration::from_mins(5));
        assert_eq!(killed.signal(), Some(9), "{point}: {}", killed.transcript());
        let pid = into.join("s0/data/postmaster.pid");
        until("its server has ended", || (!pid.exists()).then_some(()));
        // A report is there when the proof was complete, and only then.
        made += usize::from(point == "drill.reported");
        assert_eq!(reports(), made, "{point}");
        // What it has left isn't taken for anything, nor written over.
        pitr(&fleet, args).code_is(3);
        fs::remove_dir_all(into.join("s0")).unwrap();
        let next = line(&pitr(&fleet, args).ok(), DRILL, "s0");
        made += 1;
        assert_eq!(reports(), made, "{point}");
        assert!(point == "drill.reported" || next["previous"] == previous, "{point}: {next}");
        assert_eq!(fs::read_dir(&into).unwrap().count(), 0, "{point}");
        previous = next["report"].clone();
    }
    // Each names the one before it, the one of the killed drill among them.
    let texts: Vec<Vec<u8>> =
        objects(&fleet, 0, "flotilla/drills").iter().map(|path| fs::read(path).unwrap()).collect();
    for pair in texts.windows(2) {
        let report: Value = serde_json::from_slice(&pair[1]).unwrap();
        assert_eq!(report["drill"]["previous"], flotilla_archive::digest::Sum::of(&pair[0]).to_string());
    }
}

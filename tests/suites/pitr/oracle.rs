//! Restored rows are those whose commit lies before the target, by the times that the servers keep.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::thread;

use chrono::{DateTime, TimeDelta, Utc};
use flotilla_native::account::Account;
use flotilla_native::postgres::program;
use flotilla_tests::Fleet;

use super::restore::{Copy, RESTORED, destination};
use super::{archived, back_up, line, pitr, switch};

/// How many targets are tried; every third lies inside concurrent commits. `FLOTILLA_ORACLE` changes it.
fn targets() -> usize {
    flotilla::env::var("FLOTILLA_ORACLE").and_then(|count| count.parse().ok()).unwrap_or(30)
}

/// How many restores go on side by side.
const AT_ONCE: usize = 3;

/// Eight clients that commit one row after another, so many each.
fn load(fleet: &Fleet, rows: u32) {
    let server = fleet.primary(0);
    let script = server.folder().join("load.sql");
    fs::write(&script, "INSERT INTO marks (note) VALUES ('x');\n").unwrap();
    let mut bench = Command::new(program("pgbench"));
    bench.args(["-n", "-c", "8", "-j", "2", "-t", &rows.to_string(), "-f"]).arg(&script);
    bench.arg("-h").arg(server.socket_folder()).args(["-p", &server.port().to_string(), "-U", "postgres", "app"]);
    let ran = Account::server().unwrap().run(bench.current_dir("/")).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

struct Row {
    at: DateTime<Utc>,
    xid: u64,
}

fn truth(fleet: &Fleet) -> BTreeMap<u64, Row> {
    let sql = "SELECT n || ' ' || xmin || ' ' || \
               (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint FROM marks";
    let rows = fleet.sql(0, sql);
    let row = |line: &str| {
        let numbers: Vec<i64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let at = DateTime::from_timestamp_micros(numbers[2]).unwrap();
        (numbers[0].cast_unsigned(), Row { at, xid: numbers[1].cast_unsigned() })
    };
    rows.lines().map(row).collect()
}

#[test]
fn restored_rows_are_exactly_those_committed_by_then() {
    let fleet = archived(1, 0);
    fleet.sql(0, "CREATE TABLE marks (n bigserial PRIMARY KEY, note text)");
    load(&fleet, 50);
    back_up(&fleet, 0);
    load(&fleet, 250);
    switch(&fleet, 0);
    let truth = truth(&fleet);
    assert!(truth.len() > 200, "{} rows", truth.len());
    let first = line(&pitr(&fleet, ["coverage"]), "pitr.coverage_end/1", "s0");
    let time = |key: &str| DateTime::parse_from_rfc3339(first[key].as_str().unwrap()).unwrap().to_utc();
    let (earliest, latest) = (time("earliest"), time("latest"));
    let mut times: Vec<DateTime<Utc>> = truth.values().map(|row| row.at).filter(|at| *at > earliest).collect();
    times.sort_unstable();
    // Commits with another less than half a millisecond away: some session was committing just then.
    let close: Vec<DateTime<Utc>> = times
        .windows(2)
        .filter(|pair| (pair[1] - pair[0]).num_microseconds() < Some(500))
        .map(|pair| pair[0])
        .collect();
    assert!(close.len() >= 10, "{} commits are close to another", close.len());
    let span = (latest - earliest).num_microseconds().unwrap();
    let count = targets();
    let times: Vec<DateTime<Utc>> = (0..count)
        .map(|number| {
            // Spread over all, the same in every run of the same times.
            if number % 3 == 0 {
                return close[number * close.len() / count];
            }
            let offset = span / i64::try_from(count).unwrap() * i64::try_from(number).unwrap();
            earliest + TimeDelta::microseconds(offset + 137)
        })
        .collect();
    let tried: Vec<Tried> = thread::scope(|scope| {
        let (fleet, truth, times) = (&fleet, &truth, &times);
        let side = |first: usize| {
            move || -> Vec<Tried> {
                (first..count).step_by(AT_ONCE).map(|n| try_one(fleet, truth, n, times[n])).collect()
            }
        };
        let sides: Vec<_> = (0..AT_ONCE).map(|first| scope.spawn(side(first))).collect();
        sides.into_iter().flat_map(|side| side.join().unwrap()).collect()
    });
    let (lost, late): (usize, usize) = tried.iter().fold((0, 0), |(lost, late), t| (lost + t.lost, late + t.late));
    let inside = (0..count).filter(|number| number % 3 == 0).count();
    assert_eq!((lost, tried.len()), (0, count));
    let rows = truth.len();
    flotilla::log::say(&format!(
        "{count} targets, {inside} inside concurrent commits, {rows} rows, {late} late commits, {lost} lost"
    ));
}

/// What a restore came to.
struct Tried {
    lost: usize,
    late: usize,
}

/// Restores to a time, and compares what is there with what was committed by then.
fn try_one(fleet: &Fleet, truth: &BTreeMap<u64, Row>, number: usize, at: DateTime<Utc>) -> Tried {
    let into = destination(fleet, &format!("o{number}"));
    let (at_text, folder) = (flotilla::clock::rfc3339(at), into.display().to_string());
    let outcome = pitr(fleet, ["restore", "-t", "s0", "--to", &at_text, "--into", &folder]).ok();
    let restored = line(&outcome, RESTORED, "s0");
    let late: Vec<u64> = if restored["late_count"] == 0 {
        Vec::new()
    } else {
        let plan = line(&pitr(fleet, ["plan", "-t", "s0", "--to", &at_text]).ok(), "pitr.plan/1", "s0");
        plan["late_xids"].as_array().unwrap().iter().map(|xid| xid.as_u64().unwrap()).collect()
    };
    let copy = Copy::start(fleet, &restored);
    let there: Vec<u64> = copy.app("SELECT n FROM marks ORDER BY n").lines().map(|n| n.parse().unwrap()).collect();
    drop(copy);
    let expected: Vec<u64> =
        truth.iter().filter(|(_, row)| row.at <= at && !late.contains(&row.xid)).map(|(n, _)| *n).collect();
    let lost = expected.iter().filter(|n| there.binary_search(n).is_err()).count();
    assert_eq!(there, expected, "at {at_text}");
    fs::remove_dir_all(into).unwrap();
    Tried { lost, late: late.len() }
}

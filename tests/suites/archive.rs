//! The archive's readers against PostgreSQL's own, on what a real server wrote.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;

use flotilla_archive::backup::{self, Control};
use flotilla_archive::pages;
use flotilla_archive::wal::{Event, Expected, History, Lsn, Records, Segment, Timeline};
use flotilla_native::postgres::{Server, Shutdown, program};
use flotilla_tests::{Fleet, until, until_replayed};

fn control(server: &Server) -> Control {
    Control::parse(&fs::read(server.data().join("global/pg_control")).unwrap()).unwrap()
}

/// A record as `pg_waldump` lists it: manager, length, transaction, position, the one before; and the
/// time of a commit or rollback.
type Listed = (String, usize, u32, Lsn, Lsn, Option<String>);

fn ours(folder: &Path, segments: &[Segment], system: u64) -> Vec<Listed> {
    let open = |segment: &Segment| -> Box<dyn Read> {
        let path = folder.join(segment.to_string());
        Box::new(File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    };
    let source = segments.iter().map(open).fold(Box::new(io::empty()) as Box<dyn Read>, |a, b| Box::new(a.chain(b)));
    let (first, last) = (segments[0], segments[segments.len() - 1]);
    let expected = Expected { size: first.size, system: Some(system), timeline: Some(last.timeline) };
    let mut records = Records::new(source, first.start(), expected);
    let mut listed = Vec::new();
    while let Some(record) = records.next_record().unwrap() {
        let time = match Event::of(&record).unwrap() {
            Some(Event::Commit(end) | Event::Abort(end)) => Some(end.time.format("%F %T%.6f").to_string()),
            _ => None,
        };
        record.blocks().unwrap();
        let name = record.rmgr.name().unwrap().to_owned();
        listed.push((name, record.length(), record.xid, record.at, record.prev, time));
    }
    listed
}

fn theirs(folder: &Path, first: Segment, last: Segment) -> Vec<Listed> {
    let mut waldump = Command::new(program("pg_waldump"));
    waldump.env("TZ", "UTC").arg("-p").arg(folder).args([first.to_string(), last.to_string()]);
    let text = String::from_utf8(waldump.output().unwrap().stdout).unwrap();
    let line = regex::Regex::new(
        r"^rmgr: (\S+)\s+len \(rec/tot\):\s*\d+/\s*(\d+), tx:\s*(\d+), lsn: (\S+), prev (\S+), desc: (?:(?:COMMIT|ABORT)\S* (?:\d+: )?(\d{4}-\d\d-\d\d [0-9:.]+))?",
    )
    .unwrap();
    let listed = text.lines().map(|text| {
        let found = line.captures(text).unwrap_or_else(|| panic!("{text}"));
        let time = found.get(6).map(|time| time.as_str().to_owned());
        (
            found[1].to_owned(),
            found[2].parse().unwrap(),
            found[3].parse().unwrap(),
            found[4].parse().unwrap(),
            found[5].parse().unwrap(),
            time,
        )
    });
    listed.collect()
}

fn position(server: &Server, sql: &str) -> Lsn {
    server.sql(sql).unwrap().trim().parse().unwrap()
}

#[test]
fn every_record_of_a_server_is_read_as_pg_waldump_reads_it() {
    let fleet = Fleet::new().shards(1).set("wal_keep_size", "512MB").set("max_prepared_transactions", "4").start();
    let server = fleet.primary(0);
    let begin = position(server, "SELECT pg_switch_wal()");
    server
        .sql("CREATE TABLE t AS SELECT g AS id, repeat(md5(g::text), g % 60) AS text FROM generate_series(1, 60000) g")
        .unwrap();
    server.sql("CREATE INDEX ON t (id)").unwrap();
    server.sql("UPDATE t SET text = text || 'y' WHERE id % 7 = 0").unwrap();
    server.sql("BEGIN; SAVEPOINT a; DELETE FROM t WHERE id = 1; RELEASE a; COMMIT").unwrap();
    server.sql("BEGIN; DELETE FROM t WHERE id = 2; PREPARE TRANSACTION 'two'").unwrap();
    server.sql("COMMIT PREPARED 'two'").unwrap();
    server.sql("BEGIN; DELETE FROM t WHERE id = 3; ROLLBACK").unwrap();
    server.sql("SELECT pg_logical_emit_message(true, 'p', repeat('m', 3000000))").unwrap();
    server.sql("SELECT pg_create_restore_point('here')").unwrap();
    server.sql("CHECKPOINT").unwrap();
    let end = position(server, "SELECT pg_switch_wal()");

    let control = control(server);
    assert_eq!(
        server.sql("SELECT system_identifier FROM pg_control_system()").unwrap(),
        control.system_identifier.to_string()
    );
    let size = control.segment_size;
    let first = Segment::ending_at(Timeline(1), begin, size).next();
    let last = Segment::ending_at(Timeline(1), end, size);
    let folder = server.data().join("pg_wal");
    let path = History::first(Timeline(1));
    let segments: Vec<Segment> = path.segments(first.start(), last.end(), size).collect();
    assert!(segments.len() > 2, "records cross segments: {segments:?}");
    let ours = ours(&folder, &segments, control.system_identifier);
    let theirs = theirs(&folder, first, last);
    assert!(ours.len() > 30_000 && ours.iter().filter(|record| record.5.is_some()).count() > 5);
    let differs = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
    assert_eq!((ours.len(), differs), (theirs.len(), None));
}

#[test]
fn the_log_is_read_over_a_promotion() {
    let fleet = Fleet::new().shards(1).replicas(1).set("wal_keep_size", "512MB").start();
    let (primary, replica) = (fleet.primary(0), fleet.replica(0, 0));
    let begin = position(primary, "SELECT pg_switch_wal()");
    primary.sql("CREATE TABLE t AS SELECT generate_series(1, 1000)").unwrap();
    until_replayed(primary, replica);
    replica.promote().unwrap();
    until("it is promoted", || (replica.sql("SELECT pg_is_in_recovery()").unwrap() == "f").then_some(()));
    replica.sql("CREATE TABLE u AS SELECT generate_series(1, 1000)").unwrap();
    let end = position(replica, "SELECT pg_switch_wal()");

    let folder = replica.data().join("pg_wal");
    let history = History::parse(Timeline(2), &fs::read(folder.join("00000002.history")).unwrap()).unwrap();
    let control = control(replica);
    let size = control.segment_size;
    let first = Segment::ending_at(Timeline(1), begin, size).next();
    let segments: Vec<Segment> = history.segments(first.start(), end, size).collect();
    assert_eq!(segments.last().unwrap().timeline, Timeline(2));
    let ours = ours(&folder, &segments, control.system_identifier);
    let switch = history.switches()[0].at;
    assert!(ours.iter().any(|record| record.3 == switch), "a record begins where the timeline does");
    assert!(ours.first().unwrap().3 < switch && ours.last().unwrap().3 > switch);
}

#[test]
fn every_page_of_a_stopped_server_has_the_checksum_computed_here() {
    let mut fleet = Fleet::new().shards(1).start();
    fleet.sql(0, "CREATE TABLE t AS SELECT g AS id, repeat('x', 100) AS text FROM generate_series(1, 20000) g");
    let server = &mut fleet.shards[0].nodes[0].server;
    server.stop(Shutdown::Fast).unwrap();
    let control = control(server);
    let (mut checked, mut kinds) = (0, BTreeMap::new());
    let mut each = |found: backup::Found| {
        *kinds.entry(found.member.kind == flotilla_archive::tarball::Kind::File).or_insert(0) += 1;
        if found.paged {
            let bytes = fs::read(&found.path)?;
            for (block, bytes) in (pages::first_block(&found.member.name)..).zip(bytes.as_chunks().0) {
                assert!(!pages::is_damaged(pages::Page::new(bytes), block), "{} {block}", found.member.name);
                checked += 1;
            }
        }
        Ok(())
    };
    let (tablespaces, left_out) = backup::walk(&server.data(), &mut each).unwrap();
    assert_eq!((tablespaces.len(), left_out.len()), (0, 0));
    assert!(kinds[&true] > 900 && kinds[&false] > 20, "{kinds:?}");
    assert!(control.checksum_version == 1 && checked > 2000, "{checked} pages, checksums {}", control.checksum_version);
}

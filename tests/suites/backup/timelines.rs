//! Timelines that end, in the ways in which they do: nothing is found where nothing was lost, what was
//! lost is found, and a restore reaches both sides.
//!
//! PostgreSQL archives the last segment of a timeline from whoever followed it there, as far as it goes;
//! behind that is whatever the file held before.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flotilla_archive::codec::Codec;
use flotilla_archive::names;
use flotilla_archive::wal::{History, Lsn, PAGE_SIZE, Segment, SegmentSize, Timeline, WalFile};
use flotilla_native::account::Account;
use flotilla_native::postgres::{Server, Shutdown};
use flotilla_tests::{Fleet, Outcome, Run, until, until_replayed};
use serde_json::Value;

use super::source::LONG;
use crate::pitr::restore::{Copy, RESTORED, destination};

/// A shard whose servers archive when they are primaries, or always; with a backup, and with segments
/// that are used again.
fn archiving(mode: &str, replicas: u8) -> Fleet {
    let builder = Fleet::new().shards(1).replicas(replicas).init().archiving();
    let mut fleet = builder.set("archive_mode", mode).set("archive_timeout", "0").start();
    fleet.archive("encryption = \"none\"\n");
    // The servers of restored copies read it.
    fs::set_permissions(fleet.path().join("flotilla.toml"), Permissions::from_mode(0o644)).unwrap();
    fleet.sql(0, "CREATE TABLE marks (n bigint PRIMARY KEY)");
    fleet.archived(0);
    fleet.as_operator("walg-wrap", ["push", "-t", "s0", "--from", "primary"]).run_within(LONG).ok();
    for _ in 0..3 {
        fleet.sql(0, "SELECT pg_logical_emit_message(false, 'fill', repeat('fill', 100000))");
    }
    fleet.sql(0, "SELECT pg_switch_wal()");
    settled(&fleet);
    fleet.sql(0, "CHECKPOINT");
    for node in &fleet.shards[0].nodes[1..] {
        until_replayed(fleet.primary(0), &node.server);
        node.server.sql("CHECKPOINT").unwrap();
    }
    for _ in 0..2 {
        fleet.archived(0);
    }
    fleet
}

fn own(path: &Path) {
    Account::server().unwrap().own(path).unwrap();
}

/// Waits until every server that runs has archived what it means to.
fn settled(fleet: &Fleet) {
    let waiting = "SELECT string_agg(name, ' ') FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";
    for node in fleet.shards[0].nodes.iter().filter(|node| node.server.pid().is_some()) {
        until("all is archived", || node.server.sql(waiting).is_ok_and(|names| names.is_empty()).then_some(()));
    }
}

/// Inserts rows; the time of the commit. It is on disk, unlike others' here, for servers die right behind it.
fn mark(fleet: &Fleet, rows: Range<u32>) -> String {
    let insert = format!("INSERT INTO marks SELECT generate_series({}, {})", rows.start, rows.end - 1);
    fleet.sql(0, &format!("SET synchronous_commit = on; {insert}"));
    let time = "to_char(pg_xact_commit_timestamp(xmin) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    fleet.sql(0, &format!("SELECT {time} FROM marks WHERE n = {}", rows.start))
}

/// Makes a stopped server a standby from its next start on, and tells one that runs whom to follow.
fn follow(server: &Server, leader: Option<&Server>) {
    let path = server.data().join("postgresql.auto.conf");
    let mut settings = fs::read_to_string(&path).unwrap();
    let leader = leader.map(|leader| leader.conninfo("postgres")).unwrap_or_default();
    writeln!(settings, "primary_conninfo = '{leader}'\nprimary_slot_name = ''").unwrap();
    fs::write(&path, settings).unwrap();
    let signal = server.data().join("standby.signal");
    fs::write(&signal, "").unwrap();
    own(&signal);
    server.reload();
}

/// Lets the second server take over from the first, which is dead by now, and all others follow it.
fn fail_over(fleet: &mut Fleet) {
    let nodes = &mut fleet.shards[0].nodes;
    nodes.swap(0, 1);
    let (leader, others) = nodes.split_first().unwrap();
    leader.server.promote().unwrap();
    for node in others.iter().filter(|node| node.server.pid().is_some()) {
        follow(&node.server, Some(&leader.server));
    }
}

/// Where the last timeline of the first server left the one before: the segment and the position.
fn left(fleet: &Fleet, timeline: u32) -> (Segment, Lsn) {
    let history = fleet.primary(0).data().join(format!("pg_wal/{timeline:08X}.history"));
    let history = History::parse(Timeline(timeline), &fs::read(history).unwrap()).unwrap();
    let switch = history.switches().last().unwrap().clone();
    (Segment::containing(switch.parent, switch.at, SegmentSize::DEFAULT), switch.at)
}

fn key(segment: Segment) -> String {
    names::wal(WalFile::Segment(segment), Codec::Lz4)
}

fn archive(fleet: &Fleet, key: &str) -> PathBuf {
    fleet.path().join("archive/s0").join(key)
}

fn verify(fleet: &Fleet) -> Outcome {
    fleet.as_operator("walg-wrap", ["verify", "-t", "s0"]).run_within(LONG)
}

#[track_caller]
fn is_clean(fleet: &Fleet) {
    let outcome = verify(fleet).ok();
    let found = outcome.lines().pop().unwrap();
    assert_eq!((&found["errors"], &found["warnings"]), (&0.into(), &0.into()), "{}", outcome.transcript());
}

/// That the log is told of as broken in this segment, and nowhere else.
#[track_caller]
fn is_broken(fleet: &Fleet, segment: Segment) {
    let outcome = verify(fleet).code_is(1);
    let rule = |line: &Value| line["rule"] == "wal";
    let found: Vec<Value> = outcome.lines().into_iter().filter(rule).map(|line| line["object"].clone()).collect();
    assert_eq!(found, [Value::from(key(segment))], "{}", outcome.transcript());
}

#[track_caller]
fn covers(fleet: &Fleet, code: i32, more: &[&str]) {
    fleet.tool("pitr", [&["coverage", "-t", "s0"], more].concat()).run_within(LONG).code_is(code);
}

/// Restores to a point, and compares the rows that are few.
#[track_caller]
fn reaches(fleet: &Fleet, name: &str, goal: &[&str], rows: &str) {
    let into = destination(fleet, name).display().to_string();
    let restore = [&["restore", "-t", "s0", "--into", into.as_str()], goal].concat();
    let outcome = fleet.tool("pitr", restore).run_within(LONG).ok();
    let restored = outcome.lines().into_iter().find(|line| line["schema"] == RESTORED).unwrap();
    let copy = Copy::start(fleet, &restored);
    assert_eq!(copy.app("SELECT string_agg(n::text, ',' ORDER BY n) FROM marks WHERE n < 10"), rows);
}

/// A segment as it was archived.
fn content(fleet: &Fleet, segment: Segment) -> Vec<u8> {
    let stored = fs::read(archive(fleet, &key(segment))).unwrap();
    let mut content = Vec::new();
    Codec::Lz4.reader(&stored[..]).unwrap().read_to_end(&mut content).unwrap();
    content
}

/// A file of a data folder beside the fleet's.
fn put(fleet: &Fleet, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = fleet.file(format!("beside/{name}"), content);
    let folders = path.ancestors().take_while(|path| *path != fleet.path());
    folders.for_each(own);
    path
}

/// A file of the WAL in that folder, and what pushes it.
fn beside(fleet: &Fleet, name: &str, content: &[u8]) -> Run {
    for file in ["global/pg_control", "PG_VERSION"] {
        put(fleet, file, fs::read(fleet.primary(0).data().join(file)).unwrap());
    }
    let path = put(fleet, &format!("pg_wal/{name}"), content);
    fleet.as_operator("walg-wrap", ["wal-push", "-t", "s0", path.to_str().unwrap()])
}

/// Puts a segment into the archive in place of what is there, with sums that fit.
fn replace(fleet: &Fleet, segment: Segment, content: &[u8]) {
    let key = key(segment);
    fs::remove_file(archive(fleet, &key)).unwrap();
    fs::remove_file(archive(fleet, &names::sidecar(&key))).unwrap();
    beside(fleet, &segment.to_string(), content).run().ok();
}

/// The same with zeros from a position on.
fn cut(segment: Segment, content: &[u8], from: Lsn) -> Vec<u8> {
    let from = usize::try_from(from.0 - segment.start().0).unwrap();
    let mut cut = content.to_vec();
    cut[from..].fill(0);
    cut
}

#[test]
fn servers_that_went_down_and_up_archive_on_and_have_lost_nothing() {
    let mut fleet = archiving("always", 2);
    let before = mark(&fleet, 1..2);
    // As a stack does: all are stopped, all start as standbys, another leads.
    let nodes = &mut fleet.shards[0].nodes;
    for node in nodes.iter_mut() {
        node.server.stop(Shutdown::Fast).unwrap();
    }
    for other in [0, 2] {
        follow(&nodes[other].server, Some(&nodes[1].server));
    }
    for at in [1, 0, 2] {
        nodes[at].server.launch().unwrap();
    }
    fail_over(&mut fleet);
    let after = mark(&fleet, 2..3);
    fleet.archived(0);
    let (segment, _) = left(&fleet, 2);
    until("the last segment is archived", || archive(&fleet, &key(segment)).exists().then_some(()));
    // Every server goes on archiving, although they don't agree about what is behind the end.
    let [one, other] = [0, 1]
        .map(|replica| fs::read(fleet.replica(0, replica).data().join("pg_wal").join(segment.to_string())).unwrap());
    assert!(one != other, "the servers agree, and nothing is tried here");
    settled(&fleet);
    is_clean(&fleet);
    covers(&fleet, 0, &[]);
    reaches(&fleet, "before", &["--to", &before], "1");
    reaches(&fleet, "after", &["--to", &after], "1,2");
}

#[test]
fn a_failover_keeps_what_the_replica_had_and_a_hole_is_a_hole() {
    let mut fleet = archiving("always", 2);
    mark(&fleet, 100..9000);
    let before = mark(&fleet, 1..2);
    for replica in 0..2 {
        until_replayed(fleet.primary(0), fleet.replica(0, replica));
    }
    fleet.shards[0].nodes[0].server.stop(Shutdown::Kill).unwrap();
    fail_over(&mut fleet);
    let (last, end) = left(&fleet, 2);
    let first = Segment { timeline: Timeline(2), ..last };
    assert!(end.0 - last.start().0 > 20 * PAGE_SIZE as u64, "{end}");
    until("the last segment is archived", || archive(&fleet, &key(last)).exists().then_some(()));
    settled(&fleet);
    // The new timeline's first segment isn't there yet, and what came before it can be reached.
    assert!(!archive(&fleet, &key(first)).exists());
    is_clean(&fleet);
    covers(&fleet, 0, &["--to", &before]);
    reaches(&fleet, "early", &["--latest"], "1");
    let after = mark(&fleet, 2..3);
    fleet.archived(0);
    settled(&fleet);
    is_clean(&fleet);
    covers(&fleet, 0, &["--to", &after]);
    reaches(&fleet, "before", &["--to", &before], "1");
    reaches(&fleet, "after", &["--to", &after], "1,2");
    // Without it, what came after is lost, and what came before is not.
    let (object, aside) = (archive(&fleet, &key(first)), fleet.path().join("aside"));
    fs::rename(&object, &aside).unwrap();
    covers(&fleet, 0, &["--to", &before]);
    covers(&fleet, 1, &["--to", &after]);
    fs::rename(&aside, &object).unwrap();

    let whole = [last, first].map(|segment| content(&fleet, segment));
    // Behind the end nothing is missed.
    replace(&fleet, last, &cut(last, &whole[0], end));
    is_clean(&fleet);
    covers(&fleet, 0, &["--timeline", "1", "--to", &before]);
    // Before it, at the border of a page and at that of a record, something is.
    for back in [PAGE_SIZE as u64 * 9, 8] {
        let from = Lsn((end.0 - back) & !7);
        replace(&fleet, last, &cut(last, &whole[0], from));
        is_broken(&fleet, last);
        covers(&fleet, 1, &["--timeline", "1", "--to", &before]);
    }
    replace(&fleet, last, &whole[0]);
    // No timeline leaves the new one.
    replace(&fleet, first, &cut(first, &whole[1], Lsn(end.0 + 64)));
    is_broken(&fleet, first);
    covers(&fleet, 1, &["--to", &after]);
    replace(&fleet, first, &cut(first, &whole[1], Lsn((end.0 - 1) & !8191)));
    is_broken(&fleet, first);
    replace(&fleet, first, &whole[1]);
    is_clean(&fleet);
}

#[test]
fn the_end_of_a_timeline_is_archived_once_whatever_is_behind_it() {
    let mut fleet = archiving("always", 2);
    mark(&fleet, 100..9000);
    for replica in 0..2 {
        until_replayed(fleet.primary(0), fleet.replica(0, replica));
    }
    fleet.shards[0].nodes[0].server.stop(Shutdown::Kill).unwrap();
    fail_over(&mut fleet);
    mark(&fleet, 1..2);
    fleet.archived(0);
    let (last, end) = left(&fleet, 2);
    until("the last segment is archived", || archive(&fleet, &key(last)).exists().then_some(()));
    let (name, whole) = (last.to_string(), content(&fleet, last));
    let at = usize::try_from(end.0 - last.start().0).unwrap();
    let mut other = whole.clone();
    other[at..].fill(0xAB);
    let refused = |content: &[u8]| {
        beside(&fleet, &name, content).run().code_is(1).no_lines().says("the archive holds another");
    };
    // Where no history says that the timeline was left there, it is another segment.
    refused(&other);
    let history = fs::read(fleet.primary(0).data().join("pg_wal/00000002.history")).unwrap();
    put(&fleet, "pg_wal/00000002.history", history);
    let pushed = beside(&fleet, &name, &other).run().ok();
    assert_eq!(pushed.line("s0")["changed"], false, "{}", pushed.transcript());
    // One that ends anywhere else, or has something else before, is.
    let mut damaged = other.clone();
    damaged[at - 40] ^= 1;
    refused(&damaged);
    refused(&cut(last, &other, Lsn(end.0 - 8)));
    assert!(content(&fleet, last) == whole, "it was replaced");
    // The archive has less of it: only where the next timeline's segment begins with all of it.
    replace(&fleet, last, &cut(last, &whole, last.start().plus(9 * PAGE_SIZE as u64)));
    refused(&other);
    let first = Segment { timeline: Timeline(2), ..last };
    put(&fleet, &format!("pg_wal/{first}"), content(&fleet, first));
    beside(&fleet, &name, &other).run().ok();
}

#[test]
fn a_timeline_that_goes_on_behind_a_branch_is_needed_whole() {
    let fleet = archiving("on", 0);
    let before = mark(&fleet, 1..2);
    // As when a copy was restored to this point and promoted.
    let left: Lsn = fleet.sql(0, "SELECT pg_current_wal_insert_lsn()").parse().unwrap();
    let last = Segment::containing(Timeline(1), left, SegmentSize::DEFAULT);
    beside(&fleet, "00000002.history", format!("1\t{left}\tbefore 2000-01-01 00:00:00+00\n").as_bytes()).run().ok();
    let behind = mark(&fleet, 2..3);
    fleet.archived(0);
    mark(&fleet, 3..4);
    fleet.archived(0);
    is_clean(&fleet);
    covers(&fleet, 0, &["--to", &before]);
    covers(&fleet, 0, &["--timeline", "1", "--to", &behind]);
    reaches(&fleet, "before", &["--to", &before], "1");
    reaches(&fleet, "latest", &["--latest"], "1");
    reaches(&fleet, "behind", &["--timeline", "1", "--to", &behind], "1,2");
    replace(&fleet, last, &cut(last, &content(&fleet, last), left));
    is_broken(&fleet, last);
    let plan = ["plan", "-t", "s0", "--timeline", "1", "--to", &behind];
    let planned = fleet.tool("pitr", plan).run_within(LONG).code_is(1);
    assert!(planned.stdout.contains("zeros where a record must be"), "{}", planned.transcript());
}

#[test]
fn a_promotion_right_behind_a_switch_of_segments_is_no_gap() {
    let mut fleet = archiving("always", 1);
    let before = mark(&fleet, 1..2);
    fleet.archived(0);
    until_replayed(fleet.primary(0), fleet.replica(0, 0));
    fleet.shards[0].nodes[0].server.stop(Shutdown::Kill).unwrap();
    fail_over(&mut fleet);
    let after = mark(&fleet, 2..3);
    fleet.archived(0);
    settled(&fleet);
    is_clean(&fleet);
    covers(&fleet, 0, &[]);
    reaches(&fleet, "before", &["--to", &before], "1");
    reaches(&fleet, "after", &["--to", &after], "1,2");
}

#[test]
fn a_server_that_promotes_itself_over_and_over_leaves_no_gap() {
    let mut fleet = archiving("on", 0);
    let mut times = vec![mark(&fleet, 1..2)];
    for (round, how) in (2..).zip([Shutdown::Fast, Shutdown::Immediate]) {
        let server = &mut fleet.shards[0].nodes[0].server;
        server.stop(how).unwrap();
        follow(server, None);
        server.launch().unwrap();
        server.promote().unwrap();
        times.push(mark(&fleet, round..round + 1));
    }
    fleet.archived(0);
    settled(&fleet);
    let partial = names::wal(WalFile::Partial(left(&fleet, 3).0), Codec::Lz4);
    assert!(archive(&fleet, &partial).exists(), "{partial}");
    is_clean(&fleet);
    covers(&fleet, 0, &[]);
    for (time, rows) in times.iter().zip(["1", "1,2", "1,2,3"]) {
        reaches(&fleet, &format!("to-{}", rows.len()), &["--to", time], rows);
    }
}

/// What `restore_command` brings replaces what is in `pg_wal`, where `pg_rewind` looks for the record at which a
/// server that was ahead has parted from the others.
#[test]
fn a_standby_keeps_a_segment_that_goes_on_where_the_archives_ends() {
    let fleet = archiving("on", 0);
    mark(&fleet, 100..9000);
    let name = fleet.sql(0, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    fleet.archived(0);
    let WalFile::Segment(segment) = WalFile::parse(&name, SegmentSize::DEFAULT).unwrap() else { panic!("{name}") };
    let whole = content(&fleet, segment);
    let left = cut(segment, &whole, segment.start().plus(5 * PAGE_SIZE as u64));
    replace(&fleet, segment, &left);
    let own = fleet.path().join(format!("beside/pg_wal/{name}"));
    let came = own.with_file_name("RECOVERYXLOG");
    let fetch = |whom: &str| {
        let _ = fs::remove_file(&came);
        let args = ["wal-fetch", "-q", "-t", "s0", "--for", whom, &name, came.to_str().unwrap()];
        fleet.as_operator("walg-wrap", args).run()
    };
    put(&fleet, &format!("pg_wal/{name}"), &whole);
    fetch("standby").code_is(1).no_lines();
    assert!(!came.exists(), "it would be put in the place of what is longer");
    assert!(fs::read(&own).unwrap() == whole, "and is left alone");
    // For a restore nothing but the archive counts.
    fetch("pitr").ok();
    assert!(fs::read(&came).unwrap() == left);
    // What isn't longer, or is something else, is no reason.
    for other in [left.clone(), {
        let mut other = whole.clone();
        other[9000] ^= 1;
        other
    }] {
        put(&fleet, &format!("pg_wal/{name}"), other);
        fetch("standby").ok();
        assert!(fs::read(&came).unwrap() == left);
    }
    replace(&fleet, segment, &whole);
    put(&fleet, &format!("pg_wal/{name}"), &left);
    fetch("standby").ok();
    assert!(fs::read(&came).unwrap() == whole);
}

//! Whatever an archive holds and whatever is to be kept: what stays can be restored, and nothing that the
//! rules keep is lost.

#![expect(clippy::unwrap_used, reason = "what these tests are made of may fail as they do")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flotilla::config::Config;
use flotilla::{Code, Error};
use flotilla_archive::Archive;
use flotilla_archive::catalog::{Backup, Catalog};
use flotilla_archive::retention::{By, Outcome, Policy, Step, delete, plan};
use flotilla_archive::wal::{History, Timeline};
use proptest::prelude::*;

const SEGMENT: u64 = 16 << 20;
/// Segments that an archive has, and the hours from one to the next.
const SEGMENTS: u64 = 30;
const HOURS: i64 = 12;

/// A backup of a random archive.
#[derive(Clone, Debug)]
struct Made {
    /// Whether it is there at all at its segment.
    exists: bool,
    delta: bool,
    permanent: bool,
    fault: Fault,
    /// How many segments later it ends.
    length: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Unfinished,
    Unreadable,
    NoPart,
}

#[derive(Clone, Debug)]
struct World {
    /// At every second segment.
    backups: Vec<Made>,
    /// Where the second timeline begins, if there is one, and how far the first goes on all the same.
    switch: Option<(u64, u64)>,
    /// Segments of which there is none.
    holes: BTreeSet<u64>,
    full: Option<usize>,
    days: Option<u32>,
    least: usize,
    /// After how many steps the first run ends.
    stop: usize,
}

fn made() -> impl Strategy<Value = Made> {
    let fault = prop_oneof![
        12 => Just(Fault::None),
        1 => Just(Fault::Unfinished),
        1 => Just(Fault::Unreadable),
        1 => Just(Fault::NoPart),
    ];
    (prop::bool::weighted(0.7), prop::bool::weighted(0.5), prop::bool::weighted(0.15), fault, 0..2_u64)
        .prop_map(|(exists, delta, permanent, fault, length)| Made { exists, delta, permanent, fault, length })
}

fn world() -> impl Strategy<Value = World> {
    let switch = prop::option::of((3..SEGMENTS - 3, 0..4_u64));
    let rules = prop_oneof![
        (1..4_usize).prop_map(|full| (Some(full), None)),
        (1..14_u32).prop_map(|days| (None, Some(days))),
        (1..4_usize, 1..14_u32).prop_map(|(full, days)| (Some(full), Some(days))),
    ];
    let holes = prop::collection::btree_set(1..SEGMENTS, 0..3);
    (prop::collection::vec(made(), 14), switch, holes, rules, 1..4_usize, 0..8_usize).prop_map(
        |(backups, switch, holes, (full, days), least, stop)| World { backups, switch, holes, full, days, least, stop },
    )
}

fn digits(timeline: u32, number: u64) -> String {
    format!("{timeline:08X}{:08X}{:08X}", number / 256, number % 256)
}

fn hours(count: i64) -> TimeDelta {
    TimeDelta::hours(count)
}

/// When a segment was written.
fn time(now: DateTime<Utc>, number: u64) -> DateTime<Utc> {
    now - hours(HOURS * (i64::try_from(SEGMENTS).unwrap() - i64::try_from(number).unwrap()))
}

fn put(root: &Path, key: &str, content: &[u8], at: DateTime<Utc>) {
    let path = root.join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(at.into()).unwrap();
}

impl World {
    fn timeline(&self, number: u64) -> u32 {
        self.switch.map_or(1, |(switch, _)| if number >= switch { 2 } else { 1 })
    }

    fn write(&self, root: &Path, now: DateTime<Utc>) {
        for number in (1..=SEGMENTS).filter(|number| !self.holes.contains(number)) {
            let name = digits(self.timeline(number), number);
            put(root, &format!("wal_005/{name}.lz4"), b"log", time(now, number));
        }
        if let Some((switch, more)) = self.switch {
            for number in switch..=(switch + more).min(SEGMENTS) {
                put(root, &format!("wal_005/{}.lz4", digits(1, number)), b"log", time(now, number));
            }
            let history = format!("1\t0/{:X}\tno recovery target specified\n", switch * SEGMENT + 100);
            put(root, "wal_005/00000002.history", history.as_bytes(), time(now, switch));
        }
        put(root, "wal_005/notes.txt", b"nobody knows what this is", time(now, 1));
        put(root, "basebackups_005/strange", b"nor this", time(now, 1));
        let mut before: Option<(String, String, u64, u32)> = None;
        for (made, number) in self.backups.iter().zip((1..).step_by(2)).filter(|(made, _)| made.exists) {
            let start = number * SEGMENT + 140;
            let finish = (number + made.length) * SEGMENT + 180;
            let at = time(now, number + made.length) - TimeDelta::minutes(1);
            let parent = before.clone().filter(|_| made.delta);
            let segment = digits(self.timeline(number), number);
            let name = match &parent {
                Some((parent, ..)) => format!("base_{segment}_D_{}", &parent[5..29]),
                None => format!("base_{segment}"),
            };
            let folder = format!("basebackups_005/{name}");
            put(root, &format!("{folder}/tar_partitions/pg_control.tar.lz4"), b"part", at);
            if made.fault != Fault::NoPart {
                put(root, &format!("{folder}/tar_partitions/part_001.tar.lz4"), b"part", at);
            }
            let files = r#"{"Files":{},"TarFileSets":{"part_001.tar.lz4":["/x"]},"DatabasesByNames":{}}"#;
            put(root, &format!("{folder}/files_metadata.json"), files.as_bytes(), at);
            let mut sentinel = serde_json::json!({
                "LSN": start, "FinishLSN": finish, "PgVersion": 150_000, "SystemIdentifier": 7, "Version": 2,
                "IsPermanent": made.permanent, "StartTime": at, "FinishTime": at,
            });
            if let Some((parent, full, since, count)) = &parent {
                let delta = serde_json::json!({
                    "DeltaLSN": since, "DeltaFrom": parent, "DeltaFullName": full, "DeltaCount": count + 1,
                });
                sentinel.as_object_mut().unwrap().extend(delta.as_object().unwrap().clone());
            }
            let sentinel = match made.fault {
                Fault::Unfinished => None,
                Fault::Unreadable => Some(b"{".to_vec()),
                Fault::None | Fault::NoPart => Some(serde_json::to_vec(&sentinel).unwrap()),
            };
            if let Some(sentinel) = sentinel {
                put(root, &format!("basebackups_005/{name}_backup_stop_sentinel.json"), &sentinel, at);
                let (full, count) = parent.map_or((name.clone(), 0), |(_, full, _, count)| (full, count + 1));
                before = Some((name, full, start, count));
            }
        }
    }

    fn policy(&self, now: DateTime<Utc>) -> Policy {
        Policy {
            full: self.full,
            days: self.days,
            dumps: None,
            dump_days: None,
            least: self.least,
            garbage_after: Duration::from_hours(24),
            now,
        }
    }
}

/// What can be restored, found out without the code that is tested.
struct Seen {
    catalog: Catalog,
    files: BTreeSet<String>,
}

impl Seen {
    async fn look(archive: &Archive, root: &Path) -> Self {
        let mut files = BTreeSet::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for path in entries.map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        Self { catalog: Catalog::load(archive).await.unwrap(), files }
    }

    fn way(&self, timeline: Timeline) -> History {
        self.catalog.way_to(timeline).unwrap_or_else(|| History::first(timeline))
    }

    fn number(at: flotilla_archive::wal::Lsn) -> u64 {
        at.0 / SEGMENT
    }

    fn has_segment(&self, way: &History, number: u64) -> bool {
        self.files.contains(&format!("wal_005/{}.lz4", way.segment(number, self.catalog.size)))
    }

    fn is_restorable(&self, backup: &Backup) -> bool {
        let mut at = Some(backup);
        let mut depth = backup.sentinel.delta_count.unwrap_or(0);
        while let Some(one) = at {
            let part = |name: &str| format!("basebackups_005/{}/tar_partitions/{name}", one.name);
            if !self.files.contains(&part("part_001.tar.lz4")) || !self.files.contains(&part("pg_control.tar.lz4")) {
                return false;
            }
            at = match &one.sentinel.delta_from {
                None => break,
                Some(parent) => self.catalog.backups.iter().find(|known| known.name.as_str() == parent),
            };
            depth = depth.saturating_sub(1);
            if at.is_none() {
                return false;
            }
        }
        let way = self.way(backup.timeline());
        let (start, finish) = (backup.sentinel.start_lsn, backup.sentinel.finish_lsn);
        depth == 0 && (Self::number(start)..=Self::number(finish)).all(|number| self.has_segment(&way, number))
    }

    fn restorable(&self) -> BTreeSet<String> {
        let sound = self.catalog.backups.iter().filter(|backup| self.is_restorable(backup));
        sound.map(|backup| backup.name.to_string()).collect()
    }

    /// The segments, by the timeline at which recovery aims, that can be replayed to.
    fn reach(&self) -> BTreeSet<(u32, u64)> {
        let mut reach = BTreeSet::new();
        for timeline in self.catalog.timelines() {
            let way = self.way(timeline);
            for backup in self.catalog.backups.iter().filter(|backup| self.is_restorable(backup)) {
                if way.leaves(backup.timeline()).is_none_or(|left| backup.sentinel.start_lsn >= left) {
                    continue;
                }
                let from = Self::number(backup.sentinel.start_lsn);
                let there = (from..).take_while(|number| self.has_segment(&way, *number));
                let finish = Self::number(backup.sentinel.finish_lsn);
                reach.extend(there.filter(|number| *number >= finish).map(|number| (timeline.0, number)));
            }
        }
        reach
    }

    fn names(&self) -> BTreeSet<String> {
        self.catalog.backups.iter().map(|backup| backup.name.to_string()).collect()
    }
}

async fn open(folder: &Path) -> Archive {
    let config = folder.join("flotilla.toml");
    let text = format!(
        "[cluster]\nname = \"test\"\nbuckets = 16\nkey_type = \"bigint\"\ndbname = \"app\"\n[archive]\nencryption = \
         \"none\"\n[[archive.stores]]\nname = \"here\"\nurl = \"file://{}\"\n[[shards]]\nname = \"s1\"\n\
         [[shards.nodes]]\nname = \"s1-a\"\nhost = \"127.0.0.1\"\n",
        folder.join("store").display()
    );
    fs::write(&config, text).unwrap();
    let config = Config::load(Some(&config)).unwrap();
    Archive::open(&config, config.shard("s1").unwrap(), None).await.unwrap()
}

/// Runs retention; the first run ends after some steps.
async fn retire(archive: &Archive, policy: &Policy, stop: Option<usize>) -> Result<Outcome, Error> {
    let by = By { run: format!("{stop:?}"), place: "here".to_owned() };
    let (mut outcome, mut count) = (Outcome::default(), 0);
    let mut after = |_: Step<'_>| {
        count += 1;
        if stop == Some(count) { Err(Error::new(Code::OutputClosed, "the test ends here")) } else { Ok(()) }
    };
    delete(archive, policy, &by, &mut outcome, &mut after).await.map(|()| outcome)
}

async fn holds(world: World) -> Result<(), TestCaseError> {
    // Everything is made durable a hundred times over: in memory, that is for nothing.
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let root = folder.path().join("store/s1");
    let now = Utc::now();
    world.write(&root, now);
    // A neighbour whose name begins alike.
    world.write(&folder.path().join("store/s10"), now);
    let neighbour = Seen::look(&open(folder.path()).await, &folder.path().join("store/s10")).await.files;
    let archive = open(folder.path()).await;
    let policy = world.policy(now);
    let before = Seen::look(&archive, &root).await;

    let planned = plan(&archive, &policy).await;
    let after_plan = Seen::look(&archive, &root).await;
    prop_assert_eq!(&after_plan.files, &before.files, "a plan changes nothing");
    let Ok(planned) = planned else {
        // Nothing can be restored: nothing goes.
        prop_assert!(before.catalog.backups.iter().all(|b| b.is_delta() || !before.is_restorable(b)));
        prop_assert!(retire(&archive, &policy, None).await.is_err());
        prop_assert_eq!(&Seen::look(&archive, &root).await.files, &before.files);
        return Ok(());
    };

    let stopped = retire(&archive, &policy, Some(world.stop)).await;
    let between = Seen::look(&archive, &root).await;
    for name in between.names().intersection(&before.restorable()) {
        prop_assert!(between.restorable().contains(name), "{} is listed and can't be restored", name);
    }
    let outcome = retire(&archive, &policy, None).await.unwrap();
    prop_assert!(stopped.is_err() || !outcome.changed || planned.is_empty());
    let after = Seen::look(&archive, &root).await;
    prop_assert!(!after.files.contains("flotilla/retain.json"));

    // What stays can be restored as before.
    let kept: BTreeSet<String> = planned.kept.iter().map(|kept| kept.name.to_string()).collect();
    prop_assert!(after.names().is_subset(&kept) && kept.intersection(&before.names()).count() == after.names().len());
    for name in before.restorable().intersection(&after.names()) {
        prop_assert!(after.restorable().contains(name), "{} could be restored before", name);
    }
    // Permanent ones stay.
    for backup in before.catalog.backups.iter().filter(|backup| backup.is_permanent()) {
        prop_assert!(after.names().contains(backup.name.as_str()), "{} is permanent", backup.name);
    }
    // Redundancy, and the newest.
    let sound = |seen: &Seen| {
        let mut fulls: Vec<_> =
            seen.catalog.backups.iter().filter(|b| !b.is_delta() && seen.is_restorable(b)).cloned().collect();
        fulls.sort_by_key(Backup::finished);
        fulls
    };
    let (had, has) = (sound(&before), sound(&after));
    prop_assert!(has.len() >= had.len().min(world.least));
    prop_assert_eq!(has.last().map(|b| b.name.clone()), had.last().map(|b| b.name.clone()));
    if let Some(count) = world.full {
        let ordinary = before.catalog.backups.iter().filter(|b| !b.is_delta() && !b.is_permanent());
        let mut ordinary: Vec<&Backup> = ordinary.collect();
        ordinary.sort_by_key(|backup| backup.finished());
        for backup in ordinary.iter().rev().take(count) {
            prop_assert!(after.names().contains(backup.name.as_str()), "{} is one of {}", backup.name, count);
        }
    }
    // Every moment of the days, and everything since the oldest backup that the log is kept for.
    let reached = before.reach();
    let is_lost = |(timeline, number): &&(u32, u64)| !after.reach().contains(&(*timeline, *number));
    if let Some(days) = world.days {
        let latest = before.catalog.wal.iter().map(|object| object.written);
        let latest = latest.chain(before.catalog.backups.iter().map(|b| b.written)).max().unwrap_or(now);
        let begin = latest - TimeDelta::days(i64::from(days));
        let lost: Vec<_> = reached.iter().filter(|(_, number)| time(now, *number) >= begin).filter(is_lost).collect();
        prop_assert!(lost.is_empty(), "lost of the window: {:?}", lost);
    }
    for object in before.catalog.wal.iter() {
        let (stays, key) = (object.file.number().is_none_or(|number| number >= planned.wal_before), object.key());
        prop_assert!(!stays || after.files.contains(&key), "{} is needed", key);
    }
    // What isn't this archive's.
    for stranger in ["wal_005/notes.txt", "basebackups_005/strange"] {
        prop_assert!(after.files.contains(stranger));
    }
    let other = Seen::look(&archive, &folder.path().join("store/s10")).await.files;
    prop_assert_eq!(other, neighbour, "the neighbour is as it was");
    // Again: nothing to do.
    prop_assert!(plan(&archive, &policy).await.unwrap().is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_stays_can_be_restored_and_nothing_that_is_wanted_goes(world in world()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(holds(world))?;
    }
}

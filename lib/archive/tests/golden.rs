//! What WAL-G 3.0.7 wrote of a PostgreSQL 15 with a tablespace: a full backup, a delta, a permanent
//! one, one packed by zstd and encrypted. Read here without WAL-G.

#![expect(clippy::unwrap_used, reason = "what these tests are made of may fail as they do")]

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use flotilla_archive::backup::{BackupLabel, Control, ControlState, TablespaceMap};
use flotilla_archive::codec::Codec;
use flotilla_archive::crypt::{Decrypting, Key, KeyTransform};
use flotilla_archive::documents::{Database, FileEntry, FilesWriter, Metadata, Sentinel, Visit, read_files};
use flotilla_archive::names::{self, Object};
use flotilla_archive::pages::{Increment, IncrementWriter, apply};
use flotilla_archive::tarball::read_members;
use flotilla_archive::wal::{Event, Expected, Lsn, Records, SegmentSize, Timeline};
use flotilla_archive::{Corrupt, tarball};

const SYSTEM: u64 = 7_712_049_647_243_547_405;

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn unpacked(name: &str) -> Vec<u8> {
    let (_, codec) = Codec::of_name(name);
    let mut content = Vec::new();
    codec.reader(&golden(name)[..]).unwrap().read_to_end(&mut content).unwrap();
    content
}

fn members(tar: &[u8]) -> Vec<(tarball::Member, Vec<u8>)> {
    let mut members = Vec::new();
    let mut each = |member: &tarball::Member, content: &mut dyn Read| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        members.push((member.clone(), bytes));
        Ok(())
    };
    read_members(tar, &mut each).unwrap();
    members
}

/// Documents that say the same, but for zeros at the end of a time's fraction, which Go leaves out.
fn same_json(ours: &[u8], theirs: &[u8]) {
    let keys = |json: &[u8]| {
        let map: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(json).unwrap();
        map.into_iter().filter(|(key, _)| !key.to_lowercase().contains("time")).collect::<Vec<_>>()
    };
    assert_eq!(keys(ours), keys(theirs));
}

#[test]
fn every_object_is_known_by_its_name() {
    let names = String::from_utf8(golden("names.txt")).unwrap();
    for name in names.lines() {
        let object = Object::of(name, SegmentSize::DEFAULT);
        assert!(!matches!(object, Object::Unknown(_) | Object::Own(_) | Object::WalExtra(_)), "{name}: {object:?}");
        let again = match object {
            Object::Sentinel(backup) => names::sentinel(&backup),
            Object::Metadata(backup) => names::metadata(&backup),
            Object::FilesMetadata(backup) => names::files_metadata(&backup),
            Object::Part { backup, name, .. } => names::part(&backup, &name),
            Object::Wal { file, codec } => names::wal(file, codec),
            other => panic!("{other:?}"),
        };
        assert_eq!(again, name);
        let sums = names::sidecar(name);
        assert!(!names::has_segment_run(&sums) && names::has_segment_run(name), "{sums}");
        assert_eq!(names::sidecar_of(&sums).as_deref(), Some(name));
    }
}

#[test]
fn sentinels_and_metadata_are_read_and_written_alike() {
    for name in ["full.sentinel.json", "delta.sentinel.json", "permanent.sentinel.json"] {
        let sentinel = Sentinel::parse(&golden(name)).unwrap();
        same_json(&sentinel.to_json(), &golden(name));
        assert_eq!(Sentinel::parse(&sentinel.to_json()).unwrap(), sentinel);
        assert_eq!(sentinel.system_identifier, Some(SYSTEM));
        assert_eq!(sentinel.is_permanent, name.starts_with("permanent"));
        assert_eq!(sentinel.spec.as_ref().unwrap().locations["16384"], "/tmp/wg/ts");
        assert!(sentinel.has_files_metadata() && sentinel.others.is_empty());
    }
    let delta = Sentinel::parse(&golden("delta.sentinel.json")).unwrap().delta().unwrap().unwrap();
    assert_eq!(delta.parent.as_str(), "base_000000010000000000000002");
    assert_eq!((delta.since, delta.count), (Lsn(0x0200_0028), 1));
    let metadata = Metadata::parse(&golden("permanent.metadata.json")).unwrap();
    same_json(&metadata.to_json(), &golden("permanent.metadata.json"));
    let sentinel = Sentinel::parse(&golden("permanent.sentinel.json")).unwrap();
    assert_eq!(Metadata::of(&sentinel).unwrap(), metadata);
}

/// WAL-G 3.0.9 leaves `Spec` and `ChkpNum` out where 3.0.7 writes null.
#[test]
fn a_sentinel_without_spec_is_one() {
    let mut json: serde_json::Value = serde_json::from_slice(&golden("full.sentinel.json")).unwrap();
    let map = json.as_object_mut().unwrap();
    map.remove("Spec");
    map.remove("ChkpNum");
    let sentinel = Sentinel::parse(&serde_json::to_vec(&json).unwrap()).unwrap();
    assert_eq!(sentinel.spec, None);
}

#[test]
fn a_delta_named_in_part_is_refused() {
    let mut json: serde_json::Value = serde_json::from_slice(&golden("delta.sentinel.json")).unwrap();
    json.as_object_mut().unwrap().remove("DeltaLSN");
    Sentinel::parse(&serde_json::to_vec(&json).unwrap()).unwrap_err();
}

#[derive(Debug, Default, PartialEq)]
struct Seen {
    files: Vec<(String, FileEntry)>,
    parts: Vec<(String, Vec<String>)>,
    databases: Vec<(String, Database)>,
}

impl Visit for Seen {
    fn file(&mut self, name: String, entry: FileEntry) -> Result<(), Corrupt> {
        self.files.push((name, entry));
        Ok(())
    }

    fn member(&mut self, part: &str, name: String) -> Result<(), Corrupt> {
        match self.parts.last_mut().filter(|(last, _)| last == part) {
            Some((_, members)) => members.push(name),
            None => self.parts.push((part.to_owned(), vec![name])),
        }
        Ok(())
    }

    fn database(&mut self, name: String, database: Database) -> Result<(), Corrupt> {
        self.databases.push((name, database));
        Ok(())
    }
}

#[test]
fn files_are_read_and_written_alike_entry_by_entry() {
    let json = golden("delta.files.json");
    let mut seen = Seen::default();
    read_files(&json[..], &mut seen).unwrap();
    assert!(seen.files.iter().any(|(name, entry)| name == "/base/5/1259" && entry.is_incremented));
    assert!(seen.files.iter().any(|(name, entry)| name == "/PG_VERSION" && entry.is_skipped));
    let mut writer = FilesWriter::new(Vec::new()).unwrap();
    seen.files.iter().for_each(|(name, entry)| writer.file(name, entry).unwrap());
    seen.parts.iter().for_each(|(part, names)| writer.part(part, names.iter().map(String::as_str)).unwrap());
    seen.databases.iter().for_each(|(name, database)| writer.database(name, database).unwrap());
    let mut again = Seen::default();
    read_files(&writer.finish().unwrap()[..], &mut again).unwrap();
    assert_eq!(again, seen);
}

#[test]
fn pg_control_is_in_a_part_of_its_own() {
    let members = members(&unpacked("pg_control.tar.lz4"));
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].0.name, "/global/pg_control");
    let control = Control::parse(&members[0].1).unwrap();
    assert_eq!(control.system_identifier, SYSTEM);
    assert_eq!((control.state, control.timeline), (ControlState::InProduction, Timeline(1)));
    assert_eq!((control.segment_size, control.checksum_version), (SegmentSize::DEFAULT, 1));
    for bit in 0..8 * 292 {
        let mut bytes = members[0].1.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Control::parse(&bytes).is_err(), "bit {bit}");
    }
}

fn label_and_map(tar: &[u8]) -> (BackupLabel, TablespaceMap) {
    let members = members(tar);
    let content = |name: &str| &members.iter().find(|(member, _)| member.name == name).unwrap().1;
    let label = BackupLabel::parse(content("backup_label"), SegmentSize::DEFAULT).unwrap();
    assert_eq!(label.to_string().as_bytes(), content("backup_label"));
    let map = TablespaceMap::parse(content("tablespace_map")).unwrap();
    assert_eq!(map.to_string().as_bytes(), content("tablespace_map"));
    (label, map)
}

#[test]
fn the_label_says_where_the_backup_began() {
    let (label, map) = label_and_map(&unpacked("backup_label.tar.lz4"));
    assert_eq!((label.start, label.timeline), (Lsn(0x0400_0028), Timeline(1)));
    assert_eq!(map.0[&16384], "/tmp/wg/ts");
}

#[test]
fn what_libsodium_encrypted_is_decrypted() {
    let sealed = golden("encrypted.backup_label.tar.zst");
    let key = Key::new("planted-key-of-32-characters-xx", KeyTransform::None).unwrap();
    let open = |sealed: &[u8]| {
        let mut tar = Vec::new();
        Codec::Zstd.reader(Decrypting::new(sealed, &key)?)?.read_to_end(&mut tar).map(|_| tar)
    };
    assert_eq!(label_and_map(&open(&sealed).unwrap()).0.start, Lsn(0x0600_0028));
    for cut in 0..sealed.len() {
        assert!(open(&sealed[..cut]).is_err(), "cut at {cut}");
    }
    for byte in 0..sealed.len() {
        let mut bytes = sealed.clone();
        bytes[byte] ^= 1 << (byte % 8);
        assert!(open(&bytes).is_err(), "bit in byte {byte}");
    }
}

#[test]
fn changed_pages_are_read() {
    let bytes = unpacked("increment.zst");
    let mut increment = Increment::new(&bytes[..]).unwrap();
    let blocks = increment.blocks().to_vec();
    let mut read = Vec::new();
    while let Some((block, _)) = increment.next_page().unwrap() {
        read.push(block);
    }
    assert_eq!((read, blocks.len()), (blocks, 1));
}

/// As WAL-G stores a file that grew after it had asked for its size.
#[test]
fn changed_pages_behind_the_files_size_are_left_out() {
    let blocks = [0, 2, 3];
    let mut writer = IncrementWriter::new(Vec::new(), 2 * 8192, &blocks).unwrap();
    for block in blocks {
        writer.page(&[u8::try_from(block).unwrap() + 1; 8192]).unwrap();
    }
    let file = tempfile::tempfile().unwrap();
    apply(&writer.finish().unwrap()[..], &file).unwrap();
    let mut content = Vec::new();
    (&file).read_to_end(&mut content).unwrap();
    assert_eq!(content, [[1; 8192], [0; 8192]].concat());
}

fn records(segment: &[u8]) -> Result<Vec<(Lsn, Option<Event>)>, String> {
    let expected = Expected { system: Some(SYSTEM), timeline: Some(Timeline(1)), ..Expected::default() };
    let mut records = Records::new(segment, Lsn(0x0400_0000), expected);
    let mut events = Vec::new();
    while let Some(record) = records.next_record().map_err(|fault| fault.to_string())? {
        events.push((record.at, Event::of(&record)?));
    }
    Ok(events)
}

#[test]
fn a_segment_is_read_up_to_its_switch() {
    let segment = unpacked("segment.zst");
    let events = records(&segment).unwrap();
    assert!(events.iter().any(|(_, event)| matches!(event, Some(Event::BackupEnd { start: Lsn(0x0400_0028) }))));
    assert_eq!(events.last().unwrap().1, Some(Event::Switch));
}

/// Every bit of the segment that is used counts: of headers, of records, of what follows the switch.
#[test]
fn a_flipped_bit_in_the_log_is_found() {
    let mut segment = unpacked("segment.zst");
    let used = segment.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    // Padding between records and behind a page's header isn't covered by any checksum.
    let mut missed = Vec::new();
    for bit in (0..8 * used).step_by(3) {
        segment[bit / 8] ^= 1 << (bit % 8);
        if records(&segment).is_ok() {
            missed.push(bit / 8);
        }
        segment[bit / 8] ^= 1 << (bit % 8);
    }
    missed.dedup();
    // The header's padding, the second padding of every record's header, the flag that allows removal.
    assert!(missed.len() * 8 < used, "{} of {used} bytes: {missed:?}", missed.len());
    for byte in [used + 9, segment.len() - 1] {
        segment[byte] ^= 1;
        records(&segment).unwrap_err();
        segment[byte] ^= 1;
    }
}

#[test]
fn another_clusters_segment_is_refused() {
    let segment = unpacked("segment.zst");
    let expected = Expected { system: Some(SYSTEM + 1), ..Expected::default() };
    let fault = Records::new(&segment[..], Lsn(0x0400_0000), expected).next_record().unwrap_err();
    assert_eq!(fault.to_string(), format!("WAL at 0/4000000: the segment is of system identifier {SYSTEM}"));
    let fault = Records::new(&segment[..], Lsn(0x0500_0000), Expected::default()).next_record().unwrap_err();
    assert_eq!(fault.to_string(), "WAL at 0/5000000: the page is of position 0/4000000");
}

//! Names, timelines, pages: what is written down in few bytes.

use flotilla_archive::backup::{TablespaceMap, is_excluded_file, is_paged};
use flotilla_archive::names::{BackupName, has_segment_run, sidecar, sidecar_of};
use flotilla_archive::pages::{self, IncrementWriter, PAGE_SIZE, Page, Selection};
use flotilla_archive::wal::{History, Lsn, Segment, SegmentSize, Timeline, WalFile};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_sidecars_name_leads_back_and_holds_no_run(object in "[a-zA-Z0-9/._-]{0,80}|[0-9A-F-]{20,60}") {
        let name = sidecar(&object);
        prop_assert!(!has_segment_run(&name));
        prop_assert_eq!(sidecar_of(&name), Some(object));
    }

    #[test]
    fn a_segment_is_its_name(timeline in 1_u32.., at in any::<u64>(), power in 20_u32..=30) {
        let size = SegmentSize::new(1 << power).unwrap();
        let segment = Segment::containing(Timeline(timeline), Lsn(at), size);
        prop_assert_eq!(Segment::parse(&segment.to_string(), size).unwrap(), segment);
        prop_assert!(segment.start().0 <= at && at - segment.start().0 < size.bytes());
    }

    #[test]
    fn a_map_of_tablespaces_is_read_as_written(paths in prop::collection::btree_map(1_u32.., "/[ -~\n\r\\\\]{0,20}", 0..5)) {
        let map = TablespaceMap(paths);
        prop_assert_eq!(TablespaceMap::parse(map.to_string().as_bytes()).unwrap(), map);
    }
}

#[test]
fn files_of_the_log_are_told_apart() {
    let size = SegmentSize::DEFAULT;
    let good = [
        "00000001000000000000000A",
        "00000001000000000000000A.partial",
        "0000000A.history",
        "00000001000000000000000A.00000028.backup",
    ];
    for name in good {
        assert_eq!(WalFile::parse(name, size).unwrap().to_string(), name);
    }
    for name in [
        "",
        "00000001000000000000010A",
        "00000000000000000000000A",
        "00000001000000000000000a",
        "1.history",
        "00000001000000000000000A.",
        "00000001000000000000000A.00000028.Backup",
    ] {
        assert!(WalFile::parse(name, size).is_err(), "{name}");
    }
}

#[test]
fn names_of_backups_are_told_apart() {
    let full: BackupName = "base_00000001000000000000000A".parse().unwrap();
    assert_eq!(full.parent_digits(), None);
    let delta: BackupName = "base_00000002000000000000000B_D_00000001000000000000000A".parse().unwrap();
    assert_eq!(delta.parent_digits(), Some(full.start_digits()));
    assert_eq!(delta.timeline(), Some(Timeline(2)));
    assert_eq!(BackupName::delta(delta.start(SegmentSize::DEFAULT).unwrap(), &full), delta);
    for name in [
        "base_",
        "base_00000001000000000000000A_",
        "base_00000001000000000000000A_D_1",
        "base_00000001000000000000000Ax",
        "Base_00000001000000000000000A",
    ] {
        assert!(name.parse::<BackupName>().is_err(), "{name}");
    }
}

#[test]
fn a_history_leads_over_each_switch_to_its_timeline() {
    let text = "1\t0/3000060\tno recovery target specified\n\n# note\n2\t0/5000000\tbefore 2000-01-01\n";
    let history = History::parse(Timeline(3), text.as_bytes()).unwrap();
    let at = |at: u64| history.timeline_at(Lsn(at)).0;
    assert_eq!([at(0x0300_005F), at(0x0300_0060), at(0x04FF_FFFF), at(0x0500_0000)], [1, 2, 2, 3]);
    let names: Vec<String> =
        history.segments(Lsn(0x0200_0028), Lsn(0x0500_0001), SegmentSize::DEFAULT).map(|s| s.to_string()).collect();
    assert_eq!(
        names,
        [
            "000000010000000000000002",
            "000000020000000000000003",
            "000000020000000000000004",
            "000000030000000000000005"
        ]
    );
    assert_eq!(history.leaves(Timeline(2)), Some(Lsn(0x0500_0000)));
    assert_eq!(history.leaves(Timeline(4)), None);
    assert_eq!(History::parse(Timeline(3), history.to_string().as_bytes()).unwrap(), history);
    for bad in ["1\t0/3\n1\t0/4\n", "2\t0/9\n1\t0/10\n", "1\t0/9\n2\t0/3\n", "3\t0/9\n", "x\t0/1\n", "1 0/1\n"] {
        assert!(History::parse(Timeline(3), bad.as_bytes()).is_err(), "{bad:?}");
    }
}

#[test]
fn only_relations_main_forks_are_paged() {
    for name in ["/base/5/16385", "/base/5/16385.1", "/pg_tblspc/1/PG_15/5/7"] {
        assert!(is_paged(name, 8192), "{name}");
        assert!(!is_paged(name, 0) && !is_paged(name, 8193));
    }
    for name in ["/base/5/16385_vm", "/global/1213", "/pg_xact/0000", "/base/5/PG_VERSION", "/base/5/t3_1"] {
        assert!(!is_paged(name, 8192), "{name}");
    }
    assert!(is_excluded_file("t3_16384.1") && is_excluded_file("postmaster.pid") && !is_excluded_file("toast"));
}

/// A page of zeros but for a header that PostgreSQL would write.
fn page(lsn: u32) -> Box<[u8; PAGE_SIZE]> {
    let mut page = Box::new([0; PAGE_SIZE]);
    page[4..8].copy_from_slice(&lsn.to_le_bytes());
    for (at, field) in [(12, 24_u16), (14, 8192), (16, 8192), (18, 8196)] {
        page[at..at + 2].copy_from_slice(&field.to_le_bytes());
    }
    page
}

#[test]
fn changed_pages_are_selected_written_and_applied() {
    let (old, new, changed) = (page(50), Box::new([0; PAGE_SIZE]), page(100));
    let file = [&old[..], &changed[..], &new[..]].concat();
    let Selection::Blocks(blocks) = pages::select(&file[..], Lsn(100)).unwrap() else { panic!("all pages are valid") };
    assert_eq!(blocks, [1, 2]);
    let mut increment = IncrementWriter::new(Vec::new(), file.len() as u64, &blocks).unwrap();
    increment.page(&changed).unwrap();
    increment.page(&new).unwrap();
    let bytes = increment.finish().unwrap();
    assert_eq!(bytes.len() as u64, IncrementWriter::<Vec<u8>>::length(&blocks));
    let target = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut &target, &old.repeat(4)).unwrap();
    pages::apply(&bytes[..], &target).unwrap();
    let mut found = vec![0; file.len()];
    std::os::unix::fs::FileExt::read_exact_at(&target, &mut found, 0).unwrap();
    assert_eq!((found, target.metadata().unwrap().len()), (file.clone(), file.len() as u64));
    for cut in [0, 3, 15, 17, 24, 9000, bytes.len() - 1] {
        pages::apply(&bytes[..cut], &target).unwrap_err();
    }
    pages::apply(&[&bytes[..], b"x"].concat()[..], &target).unwrap_err();
    let mut broken = file;
    broken[PAGE_SIZE + 18] = 0;
    assert_eq!(pages::select(&broken[..], Lsn(100)).unwrap(), Selection::Invalid(1));
}

#[test]
fn a_damaged_page_is_found_by_its_checksum() {
    let mut bytes = page(77);
    let sum = pages::checksum(Page::new(&bytes), 9);
    bytes[8..10].copy_from_slice(&sum.to_le_bytes());
    assert!(!pages::is_damaged(Page::new(&bytes), 9) && pages::is_damaged(Page::new(&bytes), 10));
    bytes[4000] ^= 1;
    assert!(pages::is_damaged(Page::new(&bytes), 9));
    assert!(!pages::is_damaged(Page::new(&[0; PAGE_SIZE]), 3));
    assert_eq!(pages::first_block("16384.2"), 262_144);
}

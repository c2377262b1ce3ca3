//! Pages and records of the log, in a segment of 1 MiB that these bytes begin.

use flotilla_archive::wal::{Event, Expected, Lsn, PageHeader, Records, SegmentSize};

pub(crate) fn run(bytes: &[u8]) {
    let _ = PageHeader::parse(bytes);
    let size = SegmentSize::new(1 << 20).expect("a size");
    let mut segment = bytes.to_vec();
    segment.resize(bytes.len().next_multiple_of(8192), 0);
    let start = Lsn(0x0400_0000);
    let mut records = Records::new(&segment[..], start, Expected { size, ..Expected::default() });
    let mut last = Lsn(0);
    loop {
        match records.next_record() {
            Err(fault) => {
                assert!(fault.at >= start, "{fault}");
                break;
            }
            Ok(None) => break,
            Ok(Some(record)) => {
                assert!(record.at > last && record.end > record.at, "{record:?}");
                last = record.at;
                let _ = (record.blocks(), Event::of(&record));
            }
        }
    }
}

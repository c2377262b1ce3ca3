//! Files by which recovery begins: label, map of tablespaces, control file, history; changed pages.

use flotilla_archive::backup::{BackupLabel, Control, TablespaceMap};
use flotilla_archive::pages::Increment;
use flotilla_archive::wal::{History, SegmentSize, Timeline};

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(label) = BackupLabel::parse(bytes, SegmentSize::DEFAULT) {
        assert_eq!(label.to_string().as_bytes(), bytes);
    }
    if let Ok(map) = TablespaceMap::parse(bytes) {
        assert_eq!(TablespaceMap::parse(map.to_string().as_bytes()).expect("a map reads back"), map);
    }
    let _ = Control::parse(bytes);
    if let Ok(history) = History::parse(Timeline(7), bytes) {
        assert_eq!(History::parse(Timeline(7), history.to_string().as_bytes()).expect("a history reads back"), history);
        let spans = history.spans();
        assert_eq!(spans.last().expect("there is a last one").timeline, Timeline(7));
        assert!(spans.windows(2).all(|pair| pair[0].end == Some(pair[1].begin)), "{spans:?}");
    }
    if let Ok(mut increment) = Increment::new(bytes) {
        let count = increment.blocks().len();
        let mut pages = 0;
        while let Ok(Some(_)) = increment.next_page() {
            pages += 1;
        }
        assert!(pages <= count && pages * 8192 <= bytes.len());
    }
}

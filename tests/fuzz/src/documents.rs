//! JSON of an archive: sentinel, metadata, the list of files, sums; and names of objects.

use flotilla_archive::Corrupt;
use flotilla_archive::documents::{FileEntry, FilesWriter, Metadata, Sentinel, Sidecar, Visit, read_files};
use flotilla_archive::names::{self, Object};
use flotilla_archive::wal::SegmentSize;

/// Writes what is read.
struct Again(FilesWriter<Vec<u8>>);

impl Visit for Again {
    fn file(&mut self, name: String, entry: FileEntry) -> Result<(), Corrupt> {
        self.0.file(&name, &entry).map_err(|error| Corrupt::new(error.to_string()))
    }

    fn member(&mut self, _part: &str, _name: String) -> Result<(), Corrupt> {
        Ok(())
    }
}

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(sentinel) = Sentinel::parse(bytes) {
        assert_eq!(Sentinel::parse(&sentinel.to_json()).expect("a sentinel reads back"), sentinel);
    }
    if let Ok(metadata) = Metadata::parse(bytes) {
        assert_eq!(Metadata::parse(&metadata.to_json()).expect("metadata reads back"), metadata);
    }
    if let Ok(sums) = Sidecar::parse("wal_005/00000001.history.lz4", bytes) {
        assert_eq!(Sidecar::parse(&sums.object, &sums.to_json()).expect("sums read back"), sums);
    }
    let mut again = Again(FilesWriter::new(Vec::new()).expect("memory can be written"));
    if read_files(bytes, &mut again).is_ok() {
        let json = again.0.finish().expect("memory can be written");
        let mut third = Again(FilesWriter::new(Vec::new()).expect("memory can be written"));
        read_files(&json[..], &mut third).expect("a list of files reads back");
        assert_eq!(third.0.finish().expect("memory can be written"), json);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let sums = names::sidecar(text);
    assert!(!names::has_segment_run(&sums), "{sums}");
    assert_eq!(names::sidecar_of(&sums).as_deref(), Some(text));
    if let Object::Wal { file, codec } = Object::of(text, SegmentSize::DEFAULT) {
        assert_eq!(names::wal(file, codec), text);
    }
}

//! Either side reads what the other wrote, with the real `wal-g` where there is one on the PATH.

#![expect(clippy::unwrap_used, reason = "what these tests are made of may fail as they do")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flotilla_archive::codec::Codec;
use flotilla_archive::crypt::{Decrypting, Encrypting, Key, KeyTransform};
use flotilla_archive::documents::{FileEntry, FilesWriter, Metadata, Sentinel};
use flotilla_archive::names::{self, BackupName};
use flotilla_archive::pages::{self, IncrementWriter, PAGE_SIZE, Selection};
use flotilla_archive::tarball::{Kind, Member, TarWriter};
use flotilla_archive::wal::{Lsn, Segment, SegmentSize, Timeline, WalFile};

const KEY: &str = "planted-Zx81-a-key-of-many-letters";

/// A store in a folder, and the ways to pack what is in it.
struct Store {
    place: tempfile::TempDir,
    codec: Codec,
    sealed: bool,
}

impl Store {
    /// Every way that both sides know. Says loudly when there is no `wal-g` to compare with.
    #[expect(clippy::print_stderr, reason = "a check that did not run must be seen")]
    fn each() -> Vec<Self> {
        let Ok(version) = Command::new("wal-g").arg("--version").output() else {
            eprintln!("NOT CHECKED: there is no wal-g on the PATH, so nothing was compared with it.");
            return Vec::new();
        };
        eprintln!("compared with {}", String::from_utf8_lossy(&version.stdout));
        let ways = [(Codec::Lz4, false), (Codec::Zstd, false), (Codec::Lz4, true), (Codec::Zstd, true)];
        ways.map(|(codec, sealed)| Self { place: tempfile::tempdir().unwrap(), codec, sealed }).into()
    }

    fn root(&self) -> PathBuf {
        let root = self.place.path().join("store");
        fs::create_dir_all(&root).unwrap();
        root
    }

    fn wal_g(&self, args: &[&str]) {
        let mut command = Command::new("wal-g");
        #[expect(clippy::disallowed_methods, reason = "wal-g is found as its caller finds it")]
        let path = std::env::var_os("PATH").unwrap();
        command.args(args).env_clear().env("PATH", path).env("HOME", self.place.path());
        command.env("WALG_FILE_PREFIX", self.root()).env("PGDATA", self.place.path().join("data"));
        command.env("WALG_COMPRESSION_METHOD", if self.codec == Codec::Lz4 { "lz4" } else { "zstd" });
        // A prefetched segment would be taken from a folder rather than from the store.
        command.env("WALG_DOWNLOAD_CONCURRENCY", "1");
        if self.sealed {
            command.env("WALG_LIBSODIUM_KEY", KEY);
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "wal-g {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn write(&self, key: &str, content: &[u8]) {
        let path = self.root().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn packed(&self, content: &[u8]) -> Vec<u8> {
        let mut packing = self.codec.writer(Vec::new(), None).unwrap();
        packing.write_all(content).unwrap();
        let packed = packing.finish().unwrap();
        if !self.sealed {
            return packed;
        }
        let mut sealing = Encrypting::new(Vec::new(), &self.key()).unwrap();
        sealing.write_all(&packed).unwrap();
        sealing.finish().unwrap()
    }

    fn read(&self, key: &str) -> Vec<u8> {
        let file = File::open(self.root().join(key)).unwrap();
        let source: Box<dyn Read + Send> =
            if self.sealed { Box::new(Decrypting::new(file, &self.key()).unwrap()) } else { Box::new(file) };
        let mut content = Vec::new();
        self.codec.reader(source).unwrap().read_to_end(&mut content).unwrap();
        content
    }

    fn key(&self) -> Key {
        assert!(self.sealed);
        Key::new(KEY, KeyTransform::None).unwrap()
    }

    fn data(&self) -> PathBuf {
        let data = self.place.path().join("data");
        fs::create_dir_all(data.join("pg_wal")).unwrap();
        data
    }
}

fn segment() -> Vec<u8> {
    let packed = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/segment.zst")).unwrap();
    let mut content = Vec::new();
    Codec::Zstd.reader(&packed[..]).unwrap().read_to_end(&mut content).unwrap();
    content
}

#[test]
fn either_side_reads_the_others_segments() {
    let segment = segment();
    for store in Store::each() {
        let name = "000000010000000000000004";
        let pushed = store.data().join("pg_wal").join(name);
        fs::write(&pushed, &segment).unwrap();
        store.wal_g(&["wal-push", pushed.to_str().unwrap()]);
        let file = WalFile::parse(name, SegmentSize::DEFAULT).unwrap();
        assert!(store.read(&names::wal(file, store.codec)) == segment, "{} {}", store.codec, store.sealed);

        let next = WalFile::parse("000000010000000000000009", SegmentSize::DEFAULT).unwrap();
        store.write(&names::wal(next, store.codec), &store.packed(&segment));
        let fetched = store.place.path().join("fetched");
        store.wal_g(&["wal-fetch", &next.to_string(), fetched.to_str().unwrap()]);
        assert!(fs::read(&fetched).unwrap() == segment, "{} {}", store.codec, store.sealed);
    }
}

/// A page of a relation, changed last at this position.
fn page(lsn: u32) -> Vec<u8> {
    let mut page = vec![0; PAGE_SIZE];
    page[4..8].copy_from_slice(&lsn.to_le_bytes());
    for (at, field) in [(12, 24_u16), (14, 8192), (16, 8192), (18, 8196)] {
        page[at..at + 2].copy_from_slice(&field.to_le_bytes());
    }
    page
}

/// A backup in the making: its tar, and what its documents will say.
struct Making {
    tar: TarWriter<Vec<u8>>,
    files: Vec<(String, FileEntry)>,
    members: Vec<String>,
}

impl Making {
    fn new() -> Self {
        Self { tar: TarWriter::new(Vec::new()), files: Vec::new(), members: Vec::new() }
    }

    fn entry(&mut self, name: &str, is_incremented: bool, is_skipped: bool) {
        let mtime = chrono::DateTime::from_timestamp(1_700_000_000, 5).unwrap();
        let entry = FileEntry { is_incremented, is_skipped, mtime, corrupt_blocks: None, updates_count: 0 };
        self.files.push((name.to_owned(), entry));
    }

    fn put(&mut self, name: &str, content: Option<&[u8]>, incremented: bool) {
        let (kind, mode) = if content.is_some() { (Kind::File, 0o600) } else { (Kind::Directory, 0o700) };
        let content = content.unwrap_or_default();
        let own = fs::metadata("/proc/self").unwrap();
        let (uid, gid) = (u64::from(own.uid()), u64::from(own.gid()));
        let size = content.len() as u64;
        let member = Member { name: name.to_owned(), kind, size, mode, uid, gid, mtime: 1_700_000_000 };
        self.tar.file(&member, &mut &content[..]).unwrap();
        self.members.push(name.to_owned());
        self.entry(name, incremented, false);
    }

    fn store(self, store: &Store, sentinel: &Sentinel, name: &BackupName) {
        let part = |stem: &str| store.codec.named(stem);
        store.write(&names::part(name, &part("part_001.tar")), &store.packed(&self.tar.finish().unwrap()));
        let mut control = Self::new();
        control.put("/global/pg_control", Some(&[7; 8192]), false);
        store.write(&names::part(name, &part("pg_control.tar")), &store.packed(&control.tar.finish().unwrap()));
        let mut label = Self::new();
        label.put("backup_label", Some(b"START WAL LOCATION"), false);
        store.write(&names::part(name, &part("backup_label.tar")), &store.packed(&label.tar.finish().unwrap()));
        let mut writer = FilesWriter::new(Vec::new()).unwrap();
        self.files.iter().for_each(|(name, entry)| writer.file(name, entry).unwrap());
        writer.part(&part("part_001.tar"), self.members.iter().map(String::as_str)).unwrap();
        store.write(&names::files_metadata(name), &writer.finish().unwrap());
        store.write(&names::metadata(name), &Metadata::of(sentinel).unwrap().to_json());
        store.write(&names::sentinel(name), &sentinel.to_json());
    }
}

/// What WAL-G wrote of another backup, with other positions.
fn sentinel(golden: &str, start: u64) -> Sentinel {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(golden);
    let mut sentinel = Sentinel::parse(&fs::read(path).unwrap()).unwrap();
    (sentinel.spec, sentinel.start_lsn, sentinel.finish_lsn) = (None, Lsn(start), Lsn(start + 256));
    sentinel
}

#[test]
fn wal_g_restores_a_delta_on_a_full_backup_written_here() {
    for store in Store::each() {
        let size = SegmentSize::DEFAULT;
        let full = BackupName::full(Segment::containing(Timeline(1), Lsn(0x0200_0028), size));
        let delta = BackupName::delta(Segment::containing(Timeline(1), Lsn(0x0400_0028), size), &full);
        let before = [page(1), page(2), page(3)].concat();
        let after = [page(1), page(0x0200_0100)].concat();
        let long = format!("/base/{}", "d".repeat(120));

        let mut making = Making::new();
        for folder in ["/", "/base", "/base/5", "/global"] {
            making.put(folder, None, false);
        }
        making.put("/PG_VERSION", Some(b"15\n"), false);
        making.put("/base/5/16385", Some(&before), false);
        making.put(&long, Some(b"long"), false);
        making.store(&store, &sentinel("full.sentinel.json", 0x0200_0028), &full);

        let mut making = Making::new();
        for folder in ["/", "/base", "/base/5", "/global"] {
            making.put(folder, None, false);
        }
        let Selection::Blocks(blocks) = pages::select(&after[..], Lsn(0x0200_0028)).unwrap() else { panic!("valid") };
        let mut increment = IncrementWriter::new(Vec::new(), after.len() as u64, &blocks).unwrap();
        increment.page(after[PAGE_SIZE..].as_chunks().0.first().unwrap()).unwrap();
        making.put("/base/5/16385", Some(&increment.finish().unwrap()), true);
        making.entry("/PG_VERSION", false, true);
        making.entry(&long, false, true);
        making.store(&store, &sentinel("delta.sentinel.json", 0x0400_0028), &delta);

        let target = store.place.path().join("restored");
        store.wal_g(&["backup-fetch", target.to_str().unwrap(), delta.as_str()]);
        let read = |name: &str| fs::read(target.join(name)).unwrap();
        let found = BTreeMap::from([
            ("PG_VERSION", read("PG_VERSION")),
            ("pg_control", read("global/pg_control")),
            ("long", read(&long[1..])),
        ]);
        let expected = [("PG_VERSION", b"15\n".to_vec()), ("pg_control", vec![7; 8192]), ("long", b"long".to_vec())];
        assert_eq!(found, BTreeMap::from(expected));
        assert!(read("base/5/16385") == after, "{} {}", store.codec, store.sealed);
    }
}

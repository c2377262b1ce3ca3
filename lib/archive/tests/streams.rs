//! What is packed, encrypted or put into a tar comes out the same, and no cut and no bit goes unseen.

#![expect(clippy::unwrap_used, reason = "what these tests are made of may fail as they do")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};

use flotilla_archive::codec::Codec;
use flotilla_archive::crypt::{Decrypting, Encrypting, Key, KeyTransform};
use flotilla_archive::tarball::{Kind, Member, Roots, TarWriter, read_members};
use proptest::prelude::*;

const WRITTEN: [Codec; 2] = [Codec::Lz4, Codec::Zstd];

fn key() -> Key {
    Key::new("planted-Zx81-a-key-of-many-letters", KeyTransform::None).unwrap()
}

fn pack(codec: Codec, content: &[u8]) -> Vec<u8> {
    let mut packer = codec.writer(Vec::new(), None).unwrap();
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

fn unpack(codec: Codec, packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    codec.reader(packed)?.read_to_end(&mut content).map(|_| content)
}

fn seal(content: &[u8]) -> Vec<u8> {
    let mut sealing = Encrypting::new(Vec::new(), &key()).unwrap();
    sealing.write_all(content).unwrap();
    sealing.finish().unwrap()
}

fn open(sealed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    Decrypting::new(sealed, &key())?.read_to_end(&mut content).map(|_| content)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_packed_comes_out_and_every_change_is_seen(
        content in prop::collection::vec(0_u8..4, 0..20_000),
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        for codec in WRITTEN {
            let packed = pack(codec, &content);
            prop_assert_eq!(&unpack(codec, &packed).unwrap(), &content);
            let at = at.index(packed.len());
            prop_assert!(unpack(codec, &packed[..at]).is_err(), "{} cut at {}", codec, at);
            let mut flipped = packed.clone();
            flipped[at] ^= 1 << bit;
            // A bit that changes nothing of the content may be one of the header's unused ones.
            prop_assert!(unpack(codec, &flipped).map_or(true, |found| found == content), "{} bit in {}", codec, at);
            let twice = [&packed[..], &packed[..]].concat();
            prop_assert!(unpack(codec, &twice).is_err(), "{} twice", codec);
            prop_assert!(unpack(codec, &[&packed[..], b"\0"].concat()).is_err(), "{} and a byte", codec);
        }
    }

    #[test]
    fn what_is_encrypted_comes_out_and_every_change_is_seen(
        length in prop_oneof![0_usize..20_000, Just(8192), Just(16_384), Just(262_144)],
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let content: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let sealed = seal(&content);
        prop_assert_eq!(sealed.len(), 24 + length + 17 * (length / 8192 + 1));
        prop_assert_eq!(&open(&sealed).unwrap(), &content);
        let at = at.index(sealed.len());
        prop_assert!(open(&sealed[..at]).is_err());
        let mut flipped = sealed.clone();
        flipped[at] ^= 1 << bit;
        prop_assert!(open(&flipped).is_err());
        prop_assert!(open(&[&sealed[..], b"\0"].concat()).is_err());
    }
}

/// WAL-G's own reader takes such a stream for whole.
#[test]
fn an_encrypted_stream_that_ends_between_messages_is_cut_off() {
    let sealed = seal(&vec![7; 3 * 8192]);
    let error = open(&sealed[..24 + 2 * 8209]).unwrap_err();
    assert_eq!(error.to_string(), "the encrypted stream is cut off");
}

/// The decoder takes the end of a block for the end of the frame.
#[test]
fn an_lz4_frame_that_ends_between_blocks_is_cut_off() {
    let content: Vec<u8> = (0..9_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let packed = pack(Codec::Lz4, &content);
    assert_eq!(packed[4..6], [0x64, 0x50], "independent blocks of 256 KiB, and a checksum");
    let first = 7 + 4 + (u32::from_le_bytes(packed[7..11].try_into().unwrap()) & 0x7FFF_FFFF) as usize;
    let error = unpack(Codec::Lz4, &packed[..first]).unwrap_err();
    assert_eq!(error.to_string(), "the lz4 stream is cut off");
}

/// WAL-G flushes with an empty block before the end.
#[test]
fn an_empty_block_of_an_lz4_frame_is_not_its_end() {
    let packed = pack(Codec::Lz4, b"content");
    let end = packed.len() - 8;
    let with = [&packed[..end], &[0, 0, 0, 0x80], &packed[end..]].concat();
    assert_eq!(unpack(Codec::Lz4, &with).unwrap(), b"content");
    unpack(Codec::Lz4, &with[..end + 4]).unwrap_err();
}

#[test]
fn keys_are_made_as_libsodium_users_of_wal_g_know_them() {
    let hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    Key::new(&format!(" {hex}\n"), KeyTransform::Hex).unwrap();
    Key::new("ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8=", KeyTransform::Base64).unwrap();
    for (text, transform) in [
        ("short", KeyTransform::None),
        (&hex[2..], KeyTransform::Hex),
        ("zz", KeyTransform::Hex),
        ("AAAA", KeyTransform::Base64),
    ] {
        let error = Key::new(text, transform).unwrap_err().to_string();
        assert!(!error.contains(text), "{error}");
    }
}

fn member(name: &str, kind: Kind, size: u64) -> Member {
    Member { name: name.to_owned(), kind, size, mode: 0o600, uid: 100, gid: 200, mtime: 1_700_000_000 }
}

#[test]
fn members_of_any_name_and_size_come_out_of_a_tar() {
    let long = format!("/base/{}", "d".repeat(300));
    let split = format!("/base/{}/{}", "a".repeat(80), "b".repeat(80));
    let files = [("/PG_VERSION", 3), ("/base/5/1", 0), (&split, 512), (&long, 70_000), ("/ü", 1), ("backup_label", 9)];
    let mut tar = TarWriter::new(Vec::new());
    let root = Member { mode: 0o700, ..member("/", Kind::Directory, 0) };
    tar.empty(&root).unwrap();
    for (name, size) in files {
        let content = vec![b'x'; usize::try_from(size).unwrap()];
        assert_eq!(tar.file(&member(name, Kind::File, size), &mut &content[..]).unwrap(), 0);
    }
    let tar = tar.finish().unwrap();
    let mut expected = vec![(root, 0)];
    expected.extend(files.map(|(name, size)| (member(name, Kind::File, size), size)));
    let mut found = Vec::new();
    let mut each = |member: &Member, content: &mut dyn Read| {
        found.push((member.clone(), std::io::copy(content, &mut std::io::sink())?));
        Ok(())
    };
    read_members(&tar[..], &mut each).unwrap();
    assert_eq!(found, expected);
    for cut in (0..tar.len() - 512).step_by(256) {
        assert!(read_members(&tar[..cut], &mut |_, _| Ok(())).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_file_that_shrank_is_filled_up() {
    let mut tar = TarWriter::new(Vec::new());
    assert_eq!(tar.file(&member("/f", Kind::File, 10), &mut &b"1234"[..]).unwrap(), 6);
    let tar = tar.finish().unwrap();
    let mut content = Vec::new();
    read_members(&tar[..], &mut |_, bytes| bytes.read_to_end(&mut content).map(drop)).unwrap();
    assert_eq!(content, b"1234\0\0\0\0\0\0");
}

#[test]
fn nothing_is_restored_outside_of_its_folders() {
    let place = tempfile::tempdir().unwrap();
    let (data, space, outside) = (place.path().join("data"), place.path().join("space"), place.path().join("outside"));
    for folder in [&data, &space, &outside] {
        fs::create_dir(folder).unwrap();
    }
    std::os::unix::fs::symlink(&outside, data.join("link")).unwrap();
    fs::create_dir(data.join("pg_tblspc")).unwrap();
    let roots = Roots::open(&data, &BTreeMap::from([("16384".to_owned(), space.clone())])).unwrap();
    for name in ["/../x", "/a/../../x", "//x", "/./x", "", "/link/x", "/link", "/pg_tblspc/9/x", "/pg_tblspc/../x"] {
        assert!(roots.create(name, 0o600).is_err(), "{name:?}");
    }
    assert!(roots.directory("/link/d", 0o700).is_err() && roots.directory("/link", 0o700).is_err());
    roots.directory("/", 0o700).unwrap();
    roots.directory("/base", 0o700).unwrap();
    roots.directory("/base", 0o700).unwrap();
    roots.create("/base/1", 0o600).unwrap().write_all(b"1").unwrap();
    roots.create("/base/1", 0o600).unwrap_err();
    roots.directory("/pg_tblspc/16384/PG_15", 0o700).unwrap();
    roots.create("/pg_tblspc/16384/PG_15/2", 0o600).unwrap().write_all(b"2").unwrap();
    assert_eq!(fs::read(space.join("PG_15/2")).unwrap(), b"2");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(roots.open_file("/base/1").unwrap().metadata().unwrap().len(), 1);
}

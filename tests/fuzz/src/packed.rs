//! Packed and encrypted objects: the first byte says by what.

use std::io::{Read, Write};

use flotilla_archive::codec::Codec;
use flotilla_archive::crypt::{Decrypting, Key, KeyTransform};

/// More than this isn't unpacked: a few bytes can hold gigabytes.
const MOST: u64 = 1 << 20;

fn drain(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    reader.take(MOST).read_to_end(&mut content).map(|_| content)
}

pub(crate) fn run(bytes: &[u8]) {
    let [kind, bytes @ ..] = bytes else { return };
    let codec = [Codec::Lz4, Codec::Zstd, Codec::Gzip, Codec::None][usize::from(kind % 4)];
    if kind & 16 != 0 {
        let key = Key::new("planted-key-of-32-characters-xx", KeyTransform::None).expect("a key");
        if let Ok(content) = Decrypting::new(bytes, &key).and_then(drain) {
            assert!(content.len() < bytes.len(), "what is encrypted is longer");
        }
        return;
    }
    let Ok(content) = codec.reader(bytes).and_then(drain) else { return };
    // Packing takes megabytes each time, so not for every input.
    if kind & 32 != 0
        && let Ok(mut packer) = codec.writer(Vec::new(), None)
    {
        packer.write_all(&content).expect("memory can be written");
        let packed = packer.finish().expect("memory can be written");
        assert_eq!(codec.reader(&packed[..]).and_then(drain).expect("what was packed is unpacked"), content);
    }
}

//! PostgreSQL's extended hash functions, for the key types that placement allows.
//!
//! The algorithm is Bob Jenkins' lookup3 in the form that PostgreSQL gives it in
//! `src/common/hashfn.c` (`hash_bytes_extended`, `hash_uint32_extended`); how an integer becomes
//! 32 bits is in `src/backend/access/hash/hashfunc.c` (`hashint8extended`), seed and combining
//! step are in `src/include/catalog/partition.h` and `src/include/common/hashfn.h`. The results
//! are those of a little-endian server: a big-endian one places rows elsewhere.

/// `HASH_PARTITION_SEED`: the seed of every hash partition's hash.
pub const SEED: u64 = 0x7A5B_2236_7996_DCFD;

/// What `hash_combine64` adds when the first key column is folded into an empty row hash.
const COMBINE: u64 = 0x49a0_f4dd_15e5_a8e3;

/// The three words of lookup3's state.
type State = (u32, u32, u32);

/// The row hash of an integer key; `smallint`, `integer` and `bigint` of equal value agree.
#[inline]
pub const fn integer(key: i64) -> u64 {
    /// The state for four bytes under the seed, mixed once, at compile time.
    const SEEDED: State = seeded(4);
    let bits = key.cast_unsigned();
    let high = low_word(bits >> 32);
    let word = low_word(bits) ^ if key >= 0 { high } else { !high };
    let (a, b, c) = SEEDED;
    row(finish((a.wrapping_add(word), b, c)))
}

/// The row hash of a uuid key, given its 16 bytes.
#[inline]
pub fn uuid(key: [u8; 16]) -> u64 {
    bytes(&key)
}

/// The row hash of a text key under any deterministic collation, given its UTF-8 bytes.
#[inline]
pub fn bytes(key: &[u8]) -> u64 {
    // PostgreSQL keeps lengths in 32 bits, and no value of its is longer.
    let (mut a, mut b, mut c) = seeded(low_word(key.len() as u64));
    let mut blocks = key.chunks_exact(12);
    for block in &mut blocks {
        a = a.wrapping_add(word(&block[..4]));
        b = b.wrapping_add(word(&block[4..8]));
        c = c.wrapping_add(word(&block[8..]));
        (a, b, c) = mix((a, b, c));
    }
    let mut tail = [0; 12];
    let rest = blocks.remainder();
    tail[..rest.len()].copy_from_slice(rest);
    a = a.wrapping_add(word(&tail[..4]));
    b = b.wrapping_add(word(&tail[4..8]));
    // lookup3 reserves the lowest byte of the last word for the length, hence the shift.
    c = c.wrapping_add(word(&tail[8..]) << 8);
    row(finish((a, b, c)))
}

/// The state before any data: length and seed.
const fn seeded(length: u32) -> State {
    let start = 0x9e37_79b9_u32.wrapping_add(length).wrapping_add(3_923_095);
    mix((start.wrapping_add(low_word(SEED >> 32)), start.wrapping_add(low_word(SEED)), start))
}

/// lookup3's reversible mixing of three words.
const fn mix((mut a, mut b, mut c): State) -> State {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    (a, b, c)
}

/// lookup3's last step; the result is the second and third word.
const fn finish((mut a, mut b, mut c): State) -> u64 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    c = (c ^ b).wrapping_sub(b.rotate_left(24));
    (b as u64) << 32 | c as u64
}

/// The row hash of a one-column key: `hash_combine64` with nothing before it.
const fn row(hash: u64) -> u64 {
    hash.wrapping_add(COMBINE)
}

/// The low 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "the low word is what is asked for")]
const fn low_word(bits: u64) -> u32 {
    bits as u32
}

/// Four bytes as a little-endian word.
fn word(four: &[u8]) -> u32 {
    four.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::{bytes, integer, uuid};

    #[test]
    fn integers_hash_as_the_server_hashes_them() {
        for (key, hash) in [
            (0, 901_916_981_443_598_768),
            (1, 11_274_504_255_086_170_040),
            (2, 16_968_177_202_474_426_746),
            (42, 12_669_485_132_091_644_514),
            (-1, 288_437_243_775_528_869),
            (i64::MAX, 10_244_051_894_435_199_606),
            (i64::MIN, 17_701_988_066_039_669_119),
        ] {
            assert_eq!(integer(key), hash, "{key}");
        }
        assert_eq!(integer(1), integer(1 << 32), "the server folds 64 bits into 32");
    }

    #[test]
    fn uuids_hash_as_the_server_hashes_them() {
        assert_eq!(uuid([0; 16]), 24_427_445_038_037_925);
        let key = 0xf47a_c10b_58cc_4372_a567_0e02_b2c3_d479_u128.to_be_bytes();
        assert_eq!(uuid(key), 13_151_439_750_603_563_370);
    }

    #[test]
    fn texts_hash_as_the_server_hashes_them() {
        for (key, hash) in [
            ("", 18_051_608_080_690_800_806),
            ("a", 17_047_028_206_024_085_342),
            ("alice", 6_935_103_486_496_203_733),
            ("ünïcode", 6_720_670_880_444_040_996),
        ] {
            assert_eq!(bytes(key.as_bytes()), hash, "{key:?}");
        }
    }
}

//! Checksums of pages (`checksum_impl.h`): 32 lanes of a variant of FNV-1a, folded.

use super::header::{PAGE_SIZE, Page};

/// How many blocks a file of a relation has at most: 1 GiB.
pub const BLOCKS_PER_FILE: u32 = 131_072;

const LANES: usize = 32;
const PRIME: u32 = 16_777_619;

const OFFSETS: [u32; LANES] = [
    0x5B1F_36E9,
    0xB852_5960,
    0x02AB_50AA,
    0x1DE6_6D2A,
    0x79FF_467A,
    0x9BB9_F8A3,
    0x217E_7CD2,
    0x83E1_3D2C,
    0xF8D4_474F,
    0xE39E_B970,
    0x42C6_AE16,
    0x9932_16FA,
    0x7B09_3B5D,
    0x98DA_FF3C,
    0xF718_902A,
    0x0B1C_9CDB,
    0xE58F_764B,
    0x1876_36BC,
    0x5D7B_3BB1,
    0xE73D_E7DE,
    0x92BE_C979,
    0xCCA6_C0B2,
    0x304A_0979,
    0x85AA_43D4,
    0x7831_25BB,
    0x6CA8_EAA2,
    0xE407_EAC6,
    0x4B5C_FC3E,
    0x9FBF_8C76,
    0x15CA_20BE,
    0xF2CA_9FD3,
    0x959B_D756,
];

/// The checksum of a page of this block number, counted through all files of the relation's fork.
pub fn checksum(page: Page<'_>, block: u32) -> u16 {
    let mut sums = OFFSETS;
    let (rows, _) = page.bytes().as_chunks::<{ 4 * LANES }>();
    for (number, row) in rows.iter().enumerate() {
        let (words, _) = row.as_chunks::<4>();
        for (lane, (sum, word)) in sums.iter_mut().zip(words).enumerate() {
            let mut word = u32::from_le_bytes(*word);
            if number == 0 && lane == 2 {
                // The checksum itself counts as zero.
                word &= 0xFFFF_0000;
            }
            *sum = mix(*sum, word);
        }
    }
    for _ in 0..2 {
        for sum in &mut sums {
            *sum = mix(*sum, 0);
        }
    }
    let folded = sums.iter().fold(0, |folded, sum| folded ^ sum) ^ block;
    u16::try_from(folded % 65_535 + 1).unwrap_or(u16::MAX)
}

fn mix(sum: u32, word: u32) -> u32 {
    let mixed = sum ^ word;
    mixed.wrapping_mul(PRIME) ^ mixed >> 17
}

/// The first block of a file of a relation, by the number behind the dot of its name.
pub fn first_block(name: &str) -> u32 {
    let segment = name.rsplit_once('.').and_then(|(_, number)| number.parse::<u32>().ok()).unwrap_or(0);
    segment.saturating_mul(BLOCKS_PER_FILE)
}

/// Whether the page is damaged where checksums are on. A page on which nothing was ever put has none.
pub fn is_damaged(page: Page<'_>, block: u32) -> bool {
    if page.is_new() {
        return !page.is_zero();
    }
    page.checksum() != checksum(page, block)
}

const _: () = assert!(PAGE_SIZE.is_multiple_of(4 * LANES));

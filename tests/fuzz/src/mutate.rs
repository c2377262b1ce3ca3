//! Mutations of inputs, the same for the same seed.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// The longest input.
const MOST: usize = 4096;

/// Bytes at which readers change their mind.
const EDGES: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\0",
    b"\"",
    b"'",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b",",
    b";",
    b":",
    b"=",
    b"/",
    b"%",
    b"-",
    b"+",
    b".",
    b"*",
    b"#",
    b" ",
    b"\t",
    b"null",
    b"true",
    b"\\x",
    b"\\u",
    b"\\ud800",
    b"%00",
    b"://",
    b"::",
    b"0",
    b"-0",
    b"1e999",
    b"18446744073709551616",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"65536",
    b"NaN",
    b"\xff",
    b"\xc3\xa9",
    b"\xf0\x9f\x91\xa9",
    b"\xe2\x80\xa8",
    b"{{{{{{{{",
    b"[[[[[[[[",
    b"\0\0\0\x04",
    b"\xff\xff\xff\xff",
];

/// Inputs made from a corpus.
#[derive(Debug)]
pub struct Mutations<'a> {
    corpus: &'a [Vec<u8>],
    random: StdRng,
}

impl<'a> Mutations<'a> {
    /// Inputs from this corpus, which must not be empty.
    pub fn new(corpus: &'a [Vec<u8>], seed: u64) -> Self {
        Self { corpus, random: StdRng::seed_from_u64(seed) }
    }

    fn one(&mut self) -> Vec<u8> {
        let mut bytes = self.corpus.choose(&mut self.random).cloned().unwrap_or_default();
        for _ in 0..self.random.random_range(1..=6) {
            self.change(&mut bytes);
        }
        bytes.truncate(MOST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.random_range(0..=bytes.len());
        let to = random.random_range(at..=bytes.len().min(at + 16));
        match random.random_range(0..8) {
            0 => bytes.insert(at, random.random()),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            3 => drop(bytes.drain(at..to)),
            4 => {
                let copy = bytes[at..to].to_vec();
                for _ in 0..random.random_range(1..=40) {
                    bytes.splice(at..at, copy.iter().copied());
                }
            }
            5 => {
                let other = self.corpus.choose(random).map_or(&[][..], Vec::as_slice);
                let from = random.random_range(0..=other.len());
                bytes.splice(at..to, other[from..].iter().copied());
            }
            6 => bytes.truncate(at),
            _ => {
                let edge = EDGES.choose(random).copied().unwrap_or_default();
                bytes.splice(at..to, edge.iter().copied());
            }
        }
    }
}

impl Iterator for Mutations<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        Some(self.one())
    }
}

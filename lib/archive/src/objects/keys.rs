//! Names of objects in little memory.
//!
//! Names that come one after another have most of their beginning in common, so each is kept as how much
//! it shares with the one before it, and the rest: a segment's name of 36 bytes takes about 10.

use std::fmt;

/// Names in the order in which they were added.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    packed: Vec<u8>,
    last: String,
    length: usize,
}

impl Keys {
    /// Adds a name of at most 64 KiB; what is longer is cut, for no object has such a one.
    pub(crate) fn push(&mut self, key: &str) {
        push(&mut self.packed, if self.length == 0 { "" } else { &self.last }, key);
        key.clone_into(&mut self.last);
        self.length += 1;
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = String> {
        let mut unpacked = Unpacked::of(&self.packed);
        std::iter::from_fn(move || unpacked.step().then(|| unpacked.key.clone()))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Appends a name behind the one before it.
pub(super) fn push(packed: &mut Vec<u8>, before: &str, key: &str) {
    let (before, key) = (before.as_bytes(), key.as_bytes());
    let shared = before.iter().zip(key).take_while(|(one, other)| one == other).count().min(usize::from(u16::MAX));
    let rest = &key[shared..key.len().min(shared + usize::from(u16::MAX))];
    let short = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
    packed.extend_from_slice(&short(shared));
    packed.extend_from_slice(&short(rest.len()));
    packed.extend_from_slice(rest);
}

/// Walks over packed names.
pub(super) struct Unpacked<'a> {
    rest: &'a [u8],
    bytes: Vec<u8>,
    /// The name at hand.
    pub(super) key: String,
}

impl<'a> Unpacked<'a> {
    pub(super) fn of(packed: &'a [u8]) -> Self {
        Self { rest: packed, bytes: Vec::new(), key: String::new() }
    }

    /// Goes on to the next name; false at the end.
    pub(super) fn step(&mut self) -> bool {
        let Some((head, rest)) = self.rest.split_at_checked(4) else { return false };
        let length = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let (own, rest) = rest.split_at(length(2));
        self.bytes.truncate(length(0));
        self.bytes.extend_from_slice(own);
        self.rest = rest;
        // A name was a string when it was packed.
        self.key.clear();
        self.key.push_str(std::str::from_utf8(&self.bytes).unwrap_or_default());
        true
    }
}

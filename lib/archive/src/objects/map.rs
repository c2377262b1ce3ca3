//! A map by objects' names, in their order, in little memory.

use std::fmt;

use super::keys::{Unpacked, push};

/// How many names share a leaf: a look-up walks over half of them.
const LEAF: usize = 128;

/// A map by names, of which a million take about 12 MB besides their values.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyMap<V> {
    /// Leaves of at least one name each, the least first.
    leaves: Vec<Leaf<V>>,
    length: usize,
    /// The greatest name, behind which most are added.
    last: String,
}

#[derive(Clone, PartialEq, Eq)]
struct Leaf<V> {
    first: Box<str>,
    /// The names, the first one too.
    packed: Vec<u8>,
    values: Vec<V>,
}

impl<V> Default for KeyMap<V> {
    fn default() -> Self {
        Self { leaves: Vec::new(), length: 0, last: String::new() }
    }
}

impl<V: fmt::Debug> fmt::Debug for KeyMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<V> Leaf<V> {
    fn of(key: &str, value: V) -> Self {
        let mut packed = Vec::new();
        push(&mut packed, "", key);
        Self { first: key.into(), packed, values: vec![value] }
    }

    /// Where the name is, or would be.
    fn find(&self, key: &str) -> Result<usize, usize> {
        let mut unpacked = Unpacked::of(&self.packed);
        let mut at = 0;
        while unpacked.step() {
            match unpacked.key.as_str().cmp(key) {
                std::cmp::Ordering::Less => at += 1,
                std::cmp::Ordering::Equal => return Ok(at),
                std::cmp::Ordering::Greater => break,
            }
        }
        Err(at)
    }

    fn keys(&self) -> Vec<String> {
        let mut unpacked = Unpacked::of(&self.packed);
        std::iter::from_fn(|| unpacked.step().then(|| unpacked.key.clone())).collect()
    }

    /// Packs the names anew.
    fn pack(&mut self, keys: &[String]) {
        self.packed = Vec::with_capacity(self.packed.len() + 16);
        let mut before = "";
        for key in keys {
            push(&mut self.packed, before, key);
            before = key;
        }
        self.first = keys.first().map_or("", String::as_str).into();
    }

    fn shrink(&mut self) {
        self.packed.shrink_to_fit();
        self.values.shrink_to_fit();
    }
}

impl<V> KeyMap<V> {
    /// How many names.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The number of the leaf in which the name is, or would be.
    fn leaf(&self, key: &str) -> Option<usize> {
        if self.leaves.is_empty() {
            return None;
        }
        Some(self.leaves.partition_point(|leaf| &*leaf.first <= key).saturating_sub(1))
    }

    /// The value of a name.
    pub fn get(&self, key: &str) -> Option<&V> {
        let leaf = &self.leaves[self.leaf(key)?];
        leaf.find(key).ok().map(|at| &leaf.values[at])
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let at = self.leaf(key)?;
        let leaf = &mut self.leaves[at];
        leaf.find(key).ok().map(|at| &mut leaf.values[at])
    }

    /// Whether there is such a name.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Gives a name a value.
    pub fn insert(&mut self, key: &str, value: V) {
        if self.leaves.is_empty() || key > self.last.as_str() {
            return self.append(key, value);
        }
        let number = self.leaf(key).unwrap_or(0);
        let leaf = &mut self.leaves[number];
        let at = match leaf.find(key) {
            Ok(at) => {
                leaf.values[at] = value;
                return;
            }
            Err(at) => at,
        };
        self.length += 1;
        // Behind a full leaf begins a new one: what comes in its order fills leaves.
        if at == LEAF {
            leaf.shrink();
            self.leaves.insert(number + 1, Leaf::of(key, value));
            return;
        }
        let mut keys = leaf.keys();
        keys.insert(at, key.to_owned());
        leaf.values.insert(at, value);
        if keys.len() > LEAF {
            let half = keys.len() / 2;
            let mut other = Leaf { first: "".into(), packed: Vec::new(), values: leaf.values.split_off(half) };
            other.pack(&keys[half..]);
            leaf.pack(&keys[..half]);
            leaf.shrink();
            other.shrink();
            self.leaves.insert(number + 1, other);
        } else {
            leaf.pack(&keys);
        }
    }

    /// Adds a name that is greater than all.
    fn append(&mut self, key: &str, value: V) {
        match self.leaves.last_mut() {
            Some(leaf) if leaf.values.len() < LEAF => {
                push(&mut leaf.packed, &self.last, key);
                leaf.values.push(value);
            }
            full => {
                if let Some(full) = full {
                    full.shrink();
                }
                self.leaves.push(Leaf::of(key, value));
            }
        }
        self.length += 1;
        key.clone_into(&mut self.last);
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (String, &V)> {
        self.range("")
    }

    /// Those from a name on.
    pub(crate) fn range<'m>(&'m self, from: &str) -> impl Iterator<Item = (String, &'m V)> + use<'m, V> {
        let skipped = self.leaf(from).unwrap_or(0);
        let from = from.to_owned();
        let all = self.leaves[skipped..].iter().flat_map(|leaf| {
            let mut unpacked = Unpacked::of(&leaf.packed);
            leaf.values.iter().map_while(move |value| unpacked.step().then(|| (unpacked.key.clone(), value)))
        });
        all.skip_while(move |(key, _)| *key < from)
    }

    /// Those whose names begin so.
    pub(crate) fn below<'m>(&'m self, prefix: &str) -> impl Iterator<Item = (String, &'m V)> + use<'m, V> {
        let wanted = prefix.to_owned();
        self.range(prefix).take_while(move |(key, _)| key.starts_with(&wanted))
    }

    /// Leaves out what isn't to be kept.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        for leaf in std::mem::take(self).leaves {
            for (key, value) in leaf.keys().into_iter().zip(leaf.values) {
                if keep(&key) {
                    self.append(&key, value);
                }
            }
        }
    }
}

impl<'a, V> FromIterator<(&'a str, V)> for KeyMap<V> {
    fn from_iter<I: IntoIterator<Item = (&'a str, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        entries.into_iter().for_each(|(key, value)| map.insert(key, value));
        map
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::KeyMap;
    use crate::objects::keys::Keys;

    proptest::proptest! {
        /// Whatever order names come in, the map is the one that the standard library has.
        #[test]
        fn it_is_a_map(
            entries in proptest::collection::vec(("(wal/0{0,3}|ä)?[0-9a-c]{0,3}", 0_u32..9), 0..900),
            asked in "(wal/0{0,3}|ä)?[0-9a-c]{0,3}",
        ) {
            let (mut ours, mut known) = (KeyMap::default(), BTreeMap::new());
            let mut keys = Keys::default();
            for (key, value) in &entries {
                ours.insert(key, *value);
                known.insert(key.clone(), *value);
                keys.push(key);
            }
            let all = |map: &KeyMap<u32>| map.iter().map(|(key, value)| (key, *value)).collect::<Vec<_>>();
            let expected: Vec<(String, u32)> = known.clone().into_iter().collect();
            proptest::prop_assert_eq!(all(&ours), expected);
            proptest::prop_assert_eq!(ours.len(), known.len());
            proptest::prop_assert_eq!(ours.get(&asked), known.get(&asked));
            let below: Vec<String> = ours.below(&asked).map(|(key, _)| key).collect();
            let expected: Vec<String> = known.keys().filter(|key| key.starts_with(&asked)).cloned().collect();
            proptest::prop_assert_eq!(below, expected);
            for (key, value) in &mut known {
                *value += 1;
                *ours.get_mut(key).unwrap() += 1;
            }
            ours.retain(|key| key.len() % 2 == 0);
            known.retain(|key, _| key.len() % 2 == 0);
            proptest::prop_assert_eq!(all(&ours), known.into_iter().collect::<Vec<_>>());
            let added: Vec<String> = entries.iter().map(|(key, _)| key.clone()).collect();
            proptest::prop_assert_eq!(keys.iter().collect::<Vec<_>>(), added);
        }
    }
}

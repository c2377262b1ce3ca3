//! Ranges of buckets as people and files write them: `0-511`.

use std::fmt;

use super::{Bucket, Buckets};
use crate::{Error, Result};

/// A run of buckets, both ends included. Ordered by its first bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketRange {
    first: Bucket,
    last: Bucket,
}

/// A set of buckets, kept as the fewest ranges, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketSet(Vec<BucketRange>);

impl BucketRange {
    /// The range from `first` to `last`, if both exist and are in order.
    pub fn new(first: u32, last: u32, buckets: Buckets) -> Result<Self> {
        if first > last {
            return Err(Error::config(format!("bucket range {first}-{last} is upside down"))
                .hint(format!("Write {last}-{first}.")));
        }
        Ok(Self { first: buckets.bucket(first)?, last: buckets.bucket(last)? })
    }

    /// Reads `first-last`, or one bucket's number.
    pub fn parse(text: &str, buckets: Buckets) -> Result<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (number(first), number(last)) {
            (Some(first), Some(last)) => Self::new(first, last, buckets),
            _ => Err(Error::config(format!("invalid bucket range {text:?}"))
                .hint("Write the first and the last bucket, as in 0-511, or one bucket's number.")),
        }
    }

    /// The first bucket.
    pub const fn first(self) -> Bucket {
        self.first
    }

    /// The last bucket.
    pub const fn last(self) -> Bucket {
        self.last
    }

    /// How many buckets it holds; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(self) -> u32 {
        self.last.get() - self.first.get() + 1
    }

    /// Whether it holds the bucket.
    pub fn contains(self, bucket: Bucket) -> bool {
        self.first <= bucket && bucket <= self.last
    }

    /// What it shares with another range.
    pub fn overlap(self, other: Self) -> Option<Self> {
        let both = Self { first: self.first.max(other.first), last: self.last.min(other.last) };
        (both.first <= both.last).then_some(both)
    }

    /// Every bucket in order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Bucket> {
        (self.first.get()..=self.last.get()).map(Bucket::unchecked)
    }

    /// All buckets in `parts` runs whose lengths differ by one at most; fewer runs than parts, if
    /// there are fewer buckets.
    pub fn even(buckets: Buckets, parts: u32) -> Vec<Self> {
        // A 64-bit product, since 65536 parts of 65536 buckets don't fit into 32 bits.
        let edge = |part: u32| u64::from(part) * u64::from(buckets.get()) / u64::from(parts);
        let bucket = |number: u64| Bucket::unchecked(u32::try_from(number).unwrap_or(u32::MAX));
        (0..parts)
            .map(|part| (edge(part), edge(part + 1)))
            .filter(|(start, end)| start < end)
            .map(|(start, end)| Self { first: bucket(start), last: bucket(end - 1) })
            .collect()
    }
}

impl BucketSet {
    /// The union of ranges, merged.
    pub fn new(ranges: impl IntoIterator<Item = BucketRange>) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut merged: Vec<BucketRange> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match merged.last_mut() {
                Some(before) if range.first.get() <= before.last.get() + 1 => before.last = before.last.max(range.last),
                _ => merged.push(range),
            }
        }
        Self(merged)
    }

    /// The set as its ranges, in order.
    pub fn ranges(&self) -> &[BucketRange] {
        &self.0
    }

    /// Whether there is no bucket in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many buckets it holds.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|range| range.len()).sum()
    }

    /// Whether it holds the bucket.
    pub fn contains(&self, bucket: Bucket) -> bool {
        let after = self.0.partition_point(|range| range.first <= bucket);
        after > 0 && self.0[after - 1].contains(bucket)
    }

    /// Every bucket in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Bucket> {
        self.0.iter().flat_map(|range| range.iter())
    }

    /// The buckets that are missing from it.
    #[must_use]
    pub fn gaps(&self, buckets: Buckets) -> Self {
        let mut gaps = Vec::new();
        let mut next = 0;
        for range in &self.0 {
            if next < range.first.get() {
                gaps.push(BucketRange {
                    first: Bucket::unchecked(next),
                    last: Bucket::unchecked(range.first.get() - 1),
                });
            }
            next = range.last.get() + 1;
        }
        if next < buckets.get() {
            gaps.push(BucketRange { first: Bucket::unchecked(next), last: Bucket::unchecked(buckets.get() - 1) });
        }
        Self(gaps)
    }

    /// The buckets that are in both sets.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Self {
        Self::new(self.0.iter().flat_map(|ours| other.0.iter().filter_map(|theirs| ours.overlap(*theirs))))
    }

    /// The buckets that more than one of the ranges holds.
    pub fn doubled(ranges: &[BucketRange]) -> Self {
        let mut sorted = ranges.to_vec();
        sorted.sort_unstable();
        let mut reach: Option<BucketRange> = None;
        let mut doubled = Vec::new();
        for range in sorted {
            doubled.extend(reach.and_then(|reach| reach.overlap(range)));
            reach =
                Some(reach.map_or(range, |reach| BucketRange { first: reach.first, last: reach.last.max(range.last) }));
        }
        Self::new(doubled)
    }
}

impl FromIterator<Bucket> for BucketSet {
    fn from_iter<I: IntoIterator<Item = Bucket>>(buckets: I) -> Self {
        Self::new(buckets.into_iter().map(|bucket| BucketRange { first: bucket, last: bucket }))
    }
}

impl fmt::Display for BucketRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return self.first.fmt(f);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl fmt::Display for BucketSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            range.fmt(f)?;
        }
        Ok(())
    }
}

/// A bucket's number in plain digits.
fn number(digits: &str) -> Option<u32> {
    let plain = digits.len() <= 9 && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BucketRange, BucketSet};
    use crate::placement::Buckets;

    fn buckets(count: u32) -> Buckets {
        Buckets::new(count).expect("a power of two")
    }

    fn range(text: &str) -> BucketRange {
        BucketRange::parse(text, buckets(1024)).expect(text)
    }

    fn set(texts: &[&str]) -> BucketSet {
        BucketSet::new(texts.iter().map(|text| range(text)))
    }

    #[test]
    fn ranges_are_read_strictly() {
        assert_eq!(range("0-511").to_string(), "0-511");
        assert_eq!(range("7").to_string(), "7");
        assert_eq!(range("7-7").to_string(), "7");
        for text in ["", "-", "-5", "5-", "5-4", "a-b", " 1-2", "1 - 2", "+1", "0-1024", "1-2-3", "99999999999"] {
            assert!(BucketRange::parse(text, buckets(1024)).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sets_merge_and_show_what_is_missing_or_doubled() {
        let all = set(&["512-1023", "0-255", "256-511"]);
        assert_eq!(all.to_string(), "0-1023");
        assert!(all.gaps(buckets(1024)).is_empty());
        assert_eq!(set(&["10-20", "30"]).gaps(buckets(1024)).to_string(), "0-9, 21-29, 31-1023");
        assert_eq!(BucketSet::default().gaps(buckets(4)).to_string(), "0-3");
        assert_eq!(set(&["0-9"]).overlap(&set(&["5", "8-12"])).to_string(), "5, 8-9");
        let ranges = ["0-100", "5-10", "50-60", "100-200"].map(range);
        assert_eq!(BucketSet::doubled(&ranges).to_string(), "5-10, 50-60, 100");
    }

    proptest! {
        #[test]
        fn an_even_split_covers_everything_once(bits in 0_u32..=16, parts in 1_u32..300) {
            let buckets = buckets(1 << bits);
            let ranges = BucketRange::even(buckets, parts);
            prop_assert!(BucketSet::doubled(&ranges).is_empty());
            prop_assert!(BucketSet::new(ranges.iter().copied()).gaps(buckets).is_empty());
            let lengths = ranges.iter().map(|range| range.len());
            prop_assert!(lengths.clone().max().unwrap_or(0) - lengths.min().unwrap_or(0) <= 1);
        }

        #[test]
        fn a_set_is_what_its_buckets_say(members in proptest::collection::vec(any::<bool>(), 64)) {
            let buckets = buckets(64);
            let set: BucketSet = buckets.iter().filter(|bucket| members[bucket.index()]).collect();
            for bucket in buckets.iter() {
                prop_assert_eq!(set.contains(bucket), members[bucket.index()]);
                prop_assert_eq!(set.gaps(buckets).contains(bucket), !members[bucket.index()]);
            }
            prop_assert_eq!(set.iter().collect::<BucketSet>(), set);
        }
    }
}

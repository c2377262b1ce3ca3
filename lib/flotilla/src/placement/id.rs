//! Row ids: k-sorted 63-bit numbers that carry their bucket.
//!
//! ```text
//!  0 | milliseconds since 2024-01-01T00:00:00Z | bucket  | sequence
//!  1 | 41 bits, good until 2093                | log2(N) | 22 - log2(N) bits
//! ```
//!
//! Time and sequence together are a *tick*. Ticks come from one hybrid logical clock per shard (the
//! sequence `flotilla.tick_seq`), which never repeats and never goes back; a bucket lives on one
//! shard; so (tick, bucket) is unique in the cluster without coordination.
//!
//! An id carries the bucket of its owner's key; it isn't a key itself. The exception is a *user's
//! id*, which is both: its own hash falls into the bucket that it carries.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{Bucket, BucketSet, Buckets, Key, KeyType, hash};
use crate::{Error, Result};

/// 2024-01-01T00:00:00Z in Unix milliseconds: where the ids' time begins.
pub const EPOCH_MS: i64 = 1_704_067_200_000;

/// Bits below the time: bucket and sequence.
const LOW_BITS: u32 = 22;

/// Bits of the time.
const TIME_BITS: u32 = 41;

/// How a cluster lays out its ids: follows from its number of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdLayout {
    buckets: Buckets,
}

/// A reading of a shard's hybrid logical clock: milliseconds, then sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(i64);

/// A row id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(i64);

/// What a row id says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdParts {
    /// When it was made, by the shard's hybrid logical clock.
    pub at: DateTime<Utc>,
    /// Milliseconds since [`EPOCH_MS`].
    pub ms: i64,
    /// The bucket of the key that it was made for.
    pub bucket: Bucket,
    /// Its place within the millisecond.
    pub sequence: u32,
}

impl IdLayout {
    /// The layout for this many buckets.
    pub const fn new(buckets: Buckets) -> Self {
        Self { buckets }
    }

    /// How many bits the sequence has.
    pub const fn sequence_bits(self) -> u32 {
        LOW_BITS - self.buckets.bits()
    }

    /// The first tick of a moment; none before 2024 or after 2093.
    pub fn tick_at(self, at: DateTime<Utc>) -> Option<Tick> {
        let ms = at.timestamp_millis() - EPOCH_MS;
        (0..1 << TIME_BITS).contains(&ms).then(|| Tick(ms << self.sequence_bits()))
    }

    /// A tick as a shard hands it out.
    pub fn tick(self, number: i64) -> Result<Tick> {
        if number >= 0 && number >> (TIME_BITS + self.sequence_bits()) == 0 {
            return Ok(Tick(number));
        }
        Err(Error::input(format!("tick {number} is out of range"))
            .hint("Ticks run from 2024 to 2093; check the clock of the shard that made it."))
    }

    /// The id of a tick in a bucket.
    #[inline]
    pub const fn id(self, tick: Tick, bucket: Bucket) -> RowId {
        let bits = self.sequence_bits();
        let sequence = tick.0 & ((1 << bits) - 1);
        RowId((tick.0 >> bits) << LOW_BITS | (bucket.get() as i64) << bits | sequence)
    }

    /// The bucket that an id carries.
    #[inline]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "masked to the bucket's bits")]
    pub const fn bucket(self, id: RowId) -> Bucket {
        Bucket::unchecked((id.0 >> self.sequence_bits()) as u32 & (self.buckets.get() - 1))
    }

    /// Everything that an id says.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "masked to the sequence's bits")]
    pub fn parts(self, id: RowId) -> IdParts {
        let ms = id.0 >> LOW_BITS;
        IdParts {
            at: DateTime::from_timestamp_millis(EPOCH_MS + ms).unwrap_or_default(),
            ms,
            bucket: self.bucket(id),
            sequence: (id.0 & ((1 << self.sequence_bits()) - 1)) as u32,
        }
    }

    /// The user's ids that a tick yields among these buckets: none, one or a few.
    ///
    /// The search starts at another bucket for each tick, so that no bucket gets more users than
    /// its neighbours when the caller takes the first alone. It costs one hash per bucket, and one
    /// tick in N finds a given bucket.
    pub fn user_ids(self, tick: Tick, owned: &BucketSet) -> impl Iterator<Item = RowId> {
        let start = tick.0.unsigned_abs() % u64::from(owned.len().max(1));
        let start = usize::try_from(start).unwrap_or(0);
        let rotated = owned.iter().skip(start).chain(owned.iter().take(start));
        rotated.filter_map(move |bucket| {
            let id = self.id(tick, bucket);
            (self.buckets.of_hash(hash::integer(id.0)) == bucket).then_some(id)
        })
    }
}

impl Tick {
    /// The number, as the shard's sequence counts it.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The tick `offset` later.
    #[must_use]
    pub const fn after(self, offset: u32) -> Self {
        Self(self.0 + offset as i64)
    }
}

impl RowId {
    /// An id from its number, if it isn't negative.
    pub fn new(number: i64) -> Result<Self> {
        if number >= 0 {
            return Ok(Self(number));
        }
        Err(Error::input(format!("row id {number} is negative"))
            .hint("Row ids are positive; a negative number can only be a key (--by key)."))
    }

    /// Reads an id written in digits.
    #[inline]
    pub fn parse(text: &str) -> Result<Self> {
        match KeyType::Bigint.parse(text)? {
            Key::Bigint(number) => Self::new(number),
            Key::Uuid(_) | Key::Text(_) => Err(Error::internal("an integer was read as another type")),
        }
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use proptest::prelude::*;

    use super::{BucketSet, EPOCH_MS, IdLayout, Key, RowId};
    use crate::placement::{BucketRange, Buckets};

    fn layout(count: u32) -> IdLayout {
        IdLayout::new(Buckets::new(count).expect("a power of two"))
    }

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn ids_begin_in_2024_and_end_in_2093() {
        assert_eq!(DateTime::from_timestamp_millis(EPOCH_MS), Some(time("2024-01-01T00:00:00Z")));
        let layout = layout(1024);
        assert_eq!(layout.sequence_bits(), 12);
        assert!(layout.tick_at(time("2023-12-31T23:59:59.999Z")).is_none());
        assert!(layout.tick_at(time("2093-01-01T00:00:00Z")).is_some());
        assert!(layout.tick_at(time("2094-01-01T00:00:00Z")).is_none());
        assert!(layout.tick(-1).is_err());
        assert!(layout.tick(1 << 53).is_err());
        assert_eq!(layout.parts(RowId(i64::MAX)).at.to_rfc3339(), "2093-09-06T15:47:35.551+00:00");
    }

    #[test]
    fn a_known_id_says_what_it_was_made_of() {
        let layout = layout(1024);
        let tick = layout.tick_at(time("2026-11-23T07:02:11.482Z")).expect("in range").after(5);
        let parts = layout.parts(layout.id(tick, layout.buckets.bucket(733).expect("it exists")));
        assert_eq!((parts.bucket.get(), parts.sequence), (733, 5));
        assert_eq!(parts.at, time("2026-11-23T07:02:11.482Z"));
    }

    #[test]
    fn ids_are_positive_digits() {
        assert!(RowId::parse("-1").is_err());
        assert!(RowId::parse("01").is_err());
        assert!(RowId::parse("9223372036854775808").is_err());
        assert_eq!(RowId::parse("9223372036854775807").map(RowId::get).ok(), Some(i64::MAX));
    }

    #[test]
    fn a_users_id_hashes_into_the_bucket_that_it_carries() {
        let layout = layout(64);
        let owned = BucketSet::new([BucketRange::parse("16-31", layout.buckets).expect("a range")]);
        let start = layout.tick_at(time("2026-01-01T00:00:00Z")).expect("in range");
        let ids: Vec<_> = (0..4096).flat_map(|offset| layout.user_ids(start.after(offset), &owned)).collect();
        assert!((800..1250).contains(&ids.len()), "about a quarter of an id a tick: {}", ids.len());
        for id in ids {
            assert!(owned.contains(layout.bucket(id)));
            assert_eq!(Key::Bigint(id.get()).bucket(layout.buckets), layout.bucket(id));
        }
        assert_eq!(layout.user_ids(start, &BucketSet::default()).count(), 0);
    }

    proptest! {
        #[test]
        fn packing_loses_nothing(bits in 0_u32..=16, ms in 0_i64..1 << 41, low in any::<u32>(), bucket in any::<u32>()) {
            let layout = layout(1 << bits);
            let sequence = i64::from(low) & ((1 << layout.sequence_bits()) - 1);
            let bucket = layout.buckets.bucket(bucket & (layout.buckets.get() - 1)).expect("masked");
            let tick = layout.tick(ms << layout.sequence_bits() | sequence).expect("in range");
            let id = layout.id(tick, bucket);
            let parts = layout.parts(id);
            prop_assert!(id.get() >= 0);
            prop_assert_eq!((parts.ms, parts.bucket, i64::from(parts.sequence)), (ms, bucket, sequence));
            prop_assert_eq!(RowId::parse(&id.to_string()).ok(), Some(id));
        }

        #[test]
        fn later_ticks_of_a_later_millisecond_sort_after(ms in 0_i64..(1 << 41) - 1, one in 0_u32..1024, two in 0_u32..1024) {
            let layout = layout(1024);
            let bucket = |number| layout.buckets.bucket(number).expect("it exists");
            let earlier = layout.id(layout.tick(ms << 12 | 4095).expect("in range"), bucket(one));
            let later = layout.id(layout.tick((ms + 1) << 12).expect("in range"), bucket(two));
            prop_assert!(earlier < later);
        }
    }
}

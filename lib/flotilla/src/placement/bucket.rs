//! How many buckets there are, and which of them a key falls into.

use std::fmt;

use serde::Serialize;

use crate::{Error, Result};

/// The number of buckets: a power of two, fixed for a cluster's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Buckets(u32);

/// One bucket, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u32);

impl Buckets {
    /// The largest count: it leaves 6 bits of a row id, 64 ids a millisecond, to the sequence.
    pub const MAX: u32 = 1 << 16;

    /// The count of a cluster that names none.
    pub const DEFAULT: Self = Self(1024);

    /// A count, if it is a power of two between 1 and [`Buckets::MAX`].
    pub fn new(count: u32) -> Result<Self> {
        if count.is_power_of_two() && count <= Self::MAX {
            return Ok(Self(count));
        }
        let hint = match count.checked_next_power_of_two() {
            Some(above) if above <= Self::MAX => {
                format!("Use {} or {above}; 1024 suits most clusters.", (above / 2).max(1))
            }
            _ => format!("Use a power of two up to {}; 1024 suits most clusters.", Self::MAX),
        };
        Err(Error::config(format!("{count} buckets: the count must be a power of two from 1 to {}", Self::MAX))
            .hint(hint))
    }

    /// The count itself.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// How many bits of a row id name the bucket.
    pub const fn bits(self) -> u32 {
        self.0.trailing_zeros()
    }

    /// The bucket that a row hash falls into.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a bucket is the hash's low bits")]
    pub const fn of_hash(self, hash: u64) -> Bucket {
        Bucket(hash as u32 & (self.0 - 1))
    }

    /// The bucket with this number, if there is one.
    pub fn bucket(self, number: u32) -> Result<Bucket> {
        if number < self.0 {
            return Ok(Bucket(number));
        }
        Err(Error::input(format!("bucket {number} does not exist")).hint(format!(
            "This cluster has {} buckets: 0 to {}.",
            self.0,
            self.0 - 1
        )))
    }

    /// Every bucket in order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Bucket> + ExactSizeIterator {
        (0..self.0).map(Bucket)
    }
}

impl Bucket {
    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Its number, to index a table of all buckets.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// A bucket whose range the caller has checked.
    pub(super) const fn unchecked(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Buckets;
    use crate::placement::hash;

    #[test]
    fn only_powers_of_two_are_counts() {
        for count in [1, 2, 1024, Buckets::MAX] {
            assert_eq!(Buckets::new(count).map(Buckets::get).ok(), Some(count));
        }
        for count in [0, 3, 1000, Buckets::MAX + 1, Buckets::MAX * 2, u32::MAX] {
            assert!(Buckets::new(count).is_err(), "{count}");
        }
        let error = Buckets::new(1000).expect_err("1000 is no power of two");
        assert_eq!(error.message(), "1000 buckets: the count must be a power of two from 1 to 65536");
        assert_eq!(error.record().hint.as_deref(), Some("Use 512 or 1024; 1024 suits most clusters."));
    }

    #[test]
    fn a_bucket_is_the_remainder() {
        let buckets = Buckets::new(1024).expect("a power of two");
        assert_eq!(u64::from(buckets.of_hash(hash::integer(42)).get()), 12_669_485_132_091_644_514 % 1024);
        assert!(buckets.bucket(1023).is_ok());
        assert!(buckets.bucket(1024).is_err());
    }
}

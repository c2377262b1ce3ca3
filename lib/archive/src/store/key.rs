//! Names of objects: paths of plain segments, below a store's own path.

use super::error::{Class, Result, StoreError};

/// S3's limit on a whole key, in bytes.
const LIMIT: usize = 1024;

/// Refuses a name that not every store can hold, or that leads out of the store.
pub(super) fn check(key: &str) -> Result<()> {
    let plain = !key.is_empty()
        && key.len() <= LIMIT
        && key.split('/').all(|segment| !matches!(segment, "" | "." | "..") && segment.len() <= 255)
        && !key.bytes().any(|byte| byte.is_ascii_control());
    if plain { Ok(()) } else { Err(StoreError::new(Class::Other, format!("{key:?} is no name of an object"))) }
}

/// Refuses a beginning of names, as for listing, that leads out of the store. It may end anywhere.
pub(super) fn check_prefix(prefix: &str) -> Result<()> {
    if prefix.is_empty() {
        return Ok(());
    }
    let (folders, last) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    if !folders.is_empty() || prefix.starts_with('/') {
        check(folders)?;
    }
    if last.is_empty() || last == "." || last == ".." { Ok(()) } else { check(last) }
}

/// Joins a store's path and a name below it.
pub(super) fn join(base: &str, key: &str) -> String {
    if base.is_empty() { key.to_owned() } else { format!("{base}/{key}") }
}

#[cfg(test)]
mod tests {
    use super::{check, check_prefix, join};

    #[test]
    fn names_stay_below_their_store() {
        for good in ["a", "wal_005/000000010000000000000003.lz4", "x/y/z.json", "a..b", "ä/ö"] {
            assert!(check(good).is_ok() && check_prefix(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0b", "a\nb"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["", "a/", "wal_005/0000"] {
            assert!(check_prefix(good).is_ok(), "{good}");
        }
        for bad in ["/", "../", "a/../b", "a//"] {
            assert!(check_prefix(bad).is_err(), "{bad:?}");
        }
        assert_eq!((join("", "a"), join("s0", "a")), ("a".to_owned(), "s0/a".to_owned()));
    }

    proptest::proptest! {
        /// Whatever is taken for a name is a path below the folder that it is joined to.
        #[test]
        fn no_name_leads_out(key in ".{0,60}") {
            if check(&key).is_ok() {
                let path = std::path::Path::new("/store").join(&key);
                let plain = path.components().skip(2).all(|c| matches!(c, std::path::Component::Normal(_)));
                proptest::prop_assert!(plain && path.starts_with("/store"));
            }
        }
    }
}

//! Keys, ids and ranges of buckets.

use flotilla::placement::{BucketRange, Buckets, IdLayout, KeyType, RowId};

use crate::refusal;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let buckets = Buckets::DEFAULT;
    for key_type in KeyType::ALL {
        match key_type.parse(text) {
            Err(error) => refusal(&error),
            Ok(key) => {
                let again = key_type.parse(&key.to_string()).expect("a key reads back");
                assert_eq!((&again, again.bucket(buckets)), (&key, key.bucket(buckets)));
            }
        }
        if let Ok(value) = serde_json::from_str(text)
            && let Err(error) = key_type.parse_json(&value)
        {
            refusal(&error);
        }
    }
    match RowId::parse(text) {
        Err(error) => refusal(&error),
        Ok(id) => {
            assert_eq!(id.to_string(), text);
            assert!(IdLayout::new(buckets).bucket(id).get() < buckets.get());
        }
    }
    match BucketRange::parse(text, buckets) {
        Err(error) => refusal(&error),
        Ok(range) => assert_eq!(BucketRange::parse(&range.to_string(), buckets).expect("a range reads back"), range),
    }
}

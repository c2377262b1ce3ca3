//! Lines to route: the field on the first line, or nothing; the line after it.

use flotilla::placement::{Buckets, KeyType};
use shardctl::fuzz::route;

use crate::refusal;

pub(crate) fn run(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (field, line) = (&bytes[..end], &bytes[end + 1..]);
    let Ok(field) = std::str::from_utf8(field) else { return };
    let buckets = Buckets::DEFAULT;
    for key_type in KeyType::ALL.map(Some).into_iter().chain([None]) {
        let plain = route(line, None, key_type, buckets).inspect_err(refusal);
        // The same value in an object belongs to the same bucket.
        if let (Ok(plain), Ok(text)) = (plain, std::str::from_utf8(line)) {
            let object = serde_json::json!({ "other": [text, {}], "key": text, "z": null }).to_string();
            let nested = route(object.as_bytes(), Some("key"), key_type, buckets).expect("a key in an object");
            assert_eq!(nested, plain);
        }
        let _ = route(line, Some(field), key_type, buckets).inspect_err(refusal);
    }
}

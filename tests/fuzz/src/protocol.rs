//! What a server, or a pooler for it, sends: rows and errors.

use flotilla::fuzz::messages;
use flotilla::pg::value::Kind;

use crate::refusal;

pub(crate) fn run(bytes: &[u8]) {
    let kinds = [Kind::Text, Kind::Integer, Kind::Json, Kind::Array(Box::new(Kind::Float), ',')];
    match messages(bytes, &kinds) {
        Err(error) => refusal(&error),
        Ok((rows, errors)) => {
            for row in rows {
                let value: serde_json::Value = serde_json::from_str(&row).expect("a row is JSON");
                assert_eq!(value.as_object().map(serde_json::Map::len), Some(kinds.len()), "{row}");
                assert!(!row.contains('\n'), "{row:?}");
            }
            for error in errors {
                assert_ne!(error.code(), flotilla::Code::Internal, "{error:?}");
                serde_json::to_string(&error.record()).expect("an error is JSON");
            }
        }
    }
}

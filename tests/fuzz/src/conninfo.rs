//! Connection strings: URIs and pairs.

use flotilla::fuzz;
use flotilla::pg::Conninfo;

use crate::refusal;

/// A word that occurs nowhere else.
const SECRET: &str = "planted-Zx81-secret";

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Conninfo::parse(text) {
        Err(error) => refusal(&error),
        Ok(info) => {
            if let Err(error) = fuzz::endpoint(info) {
                refusal(&error);
            }
        }
    }
    // In front: behind, it may be the value of an option that stands without one.
    let text = format!("password={SECRET} {text}");
    let shown = match Conninfo::parse(&text) {
        Ok(info) => format!("{info:?}"),
        Err(error) => format!("{:?}", error.record()),
    };
    assert!(!shown.contains(SECRET), "{text:?} shows the secret: {shown}");
    let error = Conninfo::from_argument(&text).expect_err("a password in an argument");
    refusal(&error);
    assert!(!format!("{:?}", error.record()).contains(SECRET), "{text:?} shows the secret");
}

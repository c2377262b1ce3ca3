//! Lines of PgBouncer's `auth_file`.

use shardctl::fuzz::verifier;

use crate::parts;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = verifier(text);
    let Some((role, secret)) = parts(bytes) else { return };
    let quoted = |word: &str| format!("\"{}\"", word.replace('"', "\"\""));
    let line = format!("{} {}", quoted(role), quoted(secret));
    assert_eq!(verifier(&line), Some((role.to_owned(), secret.to_owned())), "{line}");
}

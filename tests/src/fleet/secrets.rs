//! The passwords of a fleet's roles, and what servers and poolers know of them.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flotilla_native::places;

use super::template;
use crate::sandbox::Sandbox;

/// The roles that log in by password, and their passwords. Words that occur nowhere else, so that a
/// leaked one is found.
pub const PASSWORDS: [(&str, &str); 6] = [
    ("app", "planted-Zx81-app"),
    ("app_ro", "planted-Zx81-reader"),
    ("analytics", "planted-Zx81-analytics"),
    ("migrator", "planted-Zx81-migrator"),
    ("monitor", "planted-Zx81-monitor"),
    ("backup", "planted-Zx81-backup"),
];

/// Puts the passwords and their verifiers where the tools that run in the sandbox find them.
pub(super) fn give(sandbox: &mut Sandbox) {
    sandbox.file("passwords", passwords());
    sandbox.file("secrets/userlist.txt", verifiers());
    sandbox.set("PGPASSFILE", sandbox.path().join("passwords").display().to_string());
}

/// `.pgpass`: the same roles and passwords on every server.
fn passwords() -> String {
    PASSWORDS.map(|(role, password)| format!("*:*:*:{role}:{password}\n")).concat()
}

/// PgBouncer's `auth_file`. Made once, for it costs as much as it is meant to cost whoever guesses; and the templates
/// of shards have the same.
pub(super) fn verifiers() -> String {
    let cache = places::cache().expect("the cache folder");
    let file = cache.join("templates").join(format!("verifiers-{}", template::hash(&PASSWORDS)));
    fs::read_to_string(&file).unwrap_or_else(|_| make(&file))
}

fn make(file: &Path) -> String {
    let verifier = |password: &str| postgres_protocol::password::scram_sha_256(password.as_bytes());
    let text = PASSWORDS.map(|(role, password)| format!("\"{role}\" \"{}\"\n", verifier(password))).concat();
    let templates = file.parent().expect("the templates' folder");
    fs::create_dir_all(templates).expect("the templates' folder");
    let mut new = tempfile::NamedTempFile::new_in(templates).expect("a file beside the templates");
    new.write_all(text.as_bytes()).expect("a file beside the templates");
    // Of several processes that come here at once the first one's count.
    match new.persist_noclobber(file) {
        Ok(_) => text,
        Err(_) => fs::read_to_string(file).expect("the verifiers"),
    }
}

//! The binaries under test, and the refusal of old ones.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Binaries that were found to be fresh by this process.
static FRESH: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// The folder of the binaries: those of the profile that this test was built in.
pub fn folder() -> PathBuf {
    let me = std::env::current_exe().expect("a process knows its own path");
    // <profile>/deps/suites-<hash>
    let deps = me.parent().expect("a binary lies in a folder");
    if deps.ends_with("deps") { deps.parent().expect("deps lies in a folder").to_owned() } else { deps.to_owned() }
}

/// The path of a tool's binary.
///
/// Cargo builds it apart from the tests, so `cargo test` can run tests of today against a tool of
/// yesterday. That would prove nothing, and is refused.
pub fn binary(name: &str) -> PathBuf {
    let path = folder().join(name);
    let mut fresh = FRESH.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = fresh.get_or_insert_default();
    if !fresh.contains(name) {
        check_fresh(name, &path);
        fresh.insert(name.to_owned());
    }
    path
}

/// Compares the binary with each file that it was made from, as cargo's list beside it names them.
fn check_fresh(name: &str, path: &Path) {
    let profile = if cfg!(debug_assertions) { "" } else { " --release" };
    let remedy = format!("build it: cargo build{profile} --locked --workspace --bins");
    let Ok(built) = fs::metadata(path).and_then(|meta| meta.modified()) else {
        panic!("there is no binary {}; {remedy}", path.display());
    };
    let list = path.with_extension("d");
    let Ok(text) = fs::read_to_string(&list) else {
        panic!("cargo's list of sources {} is missing; {remedy}", list.display());
    };
    for source in sources(&text) {
        let changed = fs::metadata(&source).and_then(|meta| meta.modified()).unwrap_or_else(|_| SystemTime::now());
        assert!(changed <= built, "{name} is older than {}, which it is made from; {remedy}", source.display());
    }
}

/// The prerequisites of a makefile rule, where a blank within a path is escaped.
fn sources(rule: &str) -> Vec<PathBuf> {
    let Some((_, list)) = rule.split_once(": ") else { return Vec::new() };
    let mut paths = vec![String::new()];
    let mut letters = list.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&' ') => paths.last_mut().expect("never empty").extend(letters.next()),
            ' ' | '\n' => paths.push(String::new()),
            other => paths.last_mut().expect("never empty").push(other),
        }
    }
    paths.into_iter().filter(|path| !path.is_empty()).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::sources;
    use std::path::PathBuf;

    #[test]
    fn a_rule_lists_its_sources() {
        let paths = sources("/t/tool: /a/b.rs /with\\ blank/c.rs\n");
        assert_eq!(paths, [PathBuf::from("/a/b.rs"), PathBuf::from("/with blank/c.rs")]);
    }
}

//! `haproxy.cfg`: words that are read are read the same when each is quoted; rules judge anything.

use std::path::PathBuf;

use poolcfg::check::{Settings, check_texts};
use poolcfg::haproxy::cfg::Cfg;
use poolcfg::version::{Version, Versions};

/// The same on every machine, whatever is installed.
pub(crate) fn versions() -> Versions {
    Versions { pgbouncer: Some(Version::new(1, 18)), haproxy: Some(Version::new(2, 6)) }
}

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let cfg = Cfg::parse(&text);
    for line in cfg.sections.iter().flat_map(|section| &section.lines) {
        // A line feed inside a word can only come from an escape, which single quotes can't hold.
        if line.words.iter().any(|word| word.contains(['\'', '\n', '\r']) || word.is_empty()) {
            continue;
        }
        let quoted = line.words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let again = Cfg::parse(&format!("global\n{quoted}\n"));
        let words = again.sections.first().and_then(|section| section.lines.first()).map(|line| &line.words);
        let sections = again.sections.len() > 1 || words.is_none();
        assert!(sections || words == Some(&line.words), "{quoted:?}");
    }
    let settings = Settings { versions: versions(), ..Settings::default() };
    check_texts(vec![(PathBuf::from("h.cfg"), text.into_owned())], None, &settings).expect("a file is judged");
}

//! `pgbouncer.ini`: what is read is read the same when it is written plainly; rules judge anything.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use poolcfg::check::{Settings, check_texts};
use poolcfg::pgbouncer::ini::{Ini, pairs};

use crate::haproxy::versions;

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut none = |_: &Path| Err(Error::from(ErrorKind::NotFound));
    let ini = Ini::parse(Path::new("p.ini"), &text, &mut none);
    let mut plain = String::new();
    let mut section = None;
    for entry in &ini.entries {
        if section != Some(entry.section) {
            section = Some(entry.section);
            let _ = writeln!(plain, "[{}]", ini.section_of(entry));
        }
        let _ = writeln!(plain, "{} = {}", entry.key, entry.value);
        if let Ok(found) = pairs(&entry.value) {
            let quoted = |(key, value): &(String, String)| format!("{key}='{}'", value.replace('\'', "''"));
            let again = found.iter().map(quoted).collect::<Vec<_>>().join(" ");
            assert_eq!(pairs(&again).as_ref(), Ok(&found), "{again:?}");
        }
    }
    let again = Ini::parse(Path::new("p.ini"), &plain, &mut none);
    let said = |ini: &Ini| {
        let entries = ini.entries.iter().map(|e| (ini.section_of(e).to_owned(), e.key.clone(), e.value.clone()));
        entries.collect::<Vec<_>>()
    };
    assert!(again.broken.is_none() && said(&ini) == said(&again), "{plain:?}");
    // Included files and files of passwords would be looked for on this machine.
    if !text.contains("%include") && !text.contains("auth_file") {
        let settings = Settings { versions: versions(), ..Settings::default() };
        check_texts(vec![(PathBuf::from("p.ini"), text.into_owned())], None, &settings).expect("a file is judged");
    }
}

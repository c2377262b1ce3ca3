//! Password files: `host:port:dbname:user` on the first line, separated by tabs, the file after it.

use flotilla::fuzz::{Login, password};

use crate::parts;

pub(crate) fn run(bytes: &[u8]) {
    let Some((login, text)) = parts(bytes) else { return };
    let mut fields = login.split('\t');
    let mut field = || fields.next().unwrap_or_default();
    let (host, port, dbname, user) = (field(), field(), field(), field());
    let login = Login { host, port: port.parse().unwrap_or(5432), dbname, user };
    let _ = password(text, &login);
    // The line that a hint names, put first, is the one that is found.
    let line = login.line();
    if !line.contains(['\n', '\r']) && !line.starts_with('#') && !user.is_empty() && !dbname.is_empty() {
        let found = password(&format!("{line}\n{text}"), &login);
        assert_eq!(found.as_deref(), Some("PASSWORD"), "{line:?}");
    }
}

//! Service files: the service on the first line, the file after it.

use flotilla::fuzz::service;

use crate::{parts, refusal};

pub(crate) fn run(bytes: &[u8]) {
    let Some((name, text)) = parts(bytes) else { return };
    let _ = service(text, name).inspect_err(refusal);
    // A section that is put first is the one that is read.
    if !name.contains(['\r', ']', '[']) && name.trim() == name {
        let first = format!("[{name}]\nhost=here\n[other]\n{text}");
        let found = service(&first, name).expect("a section of one line").expect("the section");
        assert_eq!(format!("{found:?}"), r#"{"host": "here"}"#);
    }
}

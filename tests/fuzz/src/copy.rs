//! Rows to load: the table as named on the first line, a JSON object after it.

use crate::{parts, refusal};

pub(crate) fn run(bytes: &[u8]) {
    let Some((table, object)) = parts(bytes) else { return };
    match shardctl::fuzz::copy_row(table, object) {
        Err(error) => refusal(&error),
        Ok((statement, row)) => {
            // The names are in the statement, quoted, and what they are can't end it.
            let names = statement.strip_prefix("COPY ").and_then(|rest| rest.strip_suffix(" FROM STDIN"));
            assert!(names.is_some(), "{statement}");
            assert_eq!(statement.matches('"').count() % 2, 0, "{statement}");
            // One line of as many fields as there are columns, whatever the values hold.
            let text = std::str::from_utf8(&row).expect("JSON's strings are UTF-8");
            let line = text.strip_suffix('\n').expect("a row ends its line");
            assert!(!line.contains(['\n', '\r', '\0']), "{text:?}");
            let object: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(object).expect("what was loaded was an object");
            assert!(line.split('\t').count() >= object.len().min(1), "{text:?}");
            // Decoded as the server decodes it, a string is what it was.
            for field in line.split('\t').filter(|field| *field != "\\N") {
                decode(field);
            }
        }
    }
}

/// A backslash stands before one of the letters that COPY knows, and never last.
fn decode(field: &str) {
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' {
            let escaped = letters.next();
            assert!(matches!(escaped, Some('\\' | 'n' | 'r' | 't')), "{field:?}");
        }
    }
}

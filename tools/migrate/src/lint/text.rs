//! A script's SQL, and where each part of it stands in the file.

use std::ops::Range;

use flotilla::migrations::scripts::placeholders::Piece;
use flotilla::migrations::scripts::{Placeholders, Script};

/// SQL with placeholders replaced, and the way back to the file.
#[derive(Debug)]
pub(crate) struct Text {
    /// The SQL.
    pub(crate) sql: String,
    /// The file's text without byte order mark.
    original: String,
    spans: Vec<Span>,
    /// Placeholders without a value, or not closed: where, and how they were written.
    pub(crate) unresolved: Vec<(usize, String)>,
}

#[derive(Debug)]
struct Span {
    /// Where it begins in the SQL.
    sql: usize,
    /// Where it begins in the file.
    original: usize,
    /// Whether it is the file's own text; a value has one place, that of its placeholder.
    verbatim: bool,
}

impl Text {
    /// A script's text with its placeholders replaced; one without a value stays as it is written.
    pub(crate) fn of(script: &Script, placeholders: &Placeholders) -> Self {
        let original = script.plain_text();
        let mut text =
            Self { sql: String::new(), original: original.to_owned(), spans: Vec::new(), unresolved: Vec::new() };
        if script.options.placeholders == Some(false) {
            text.push(original, 0, true);
            return text;
        }
        let named = script.placeholders(placeholders);
        let mut at = 0;
        for piece in named.pieces(original) {
            at += match piece {
                Piece::Text(own) => {
                    text.push(own, at, true);
                    own.len()
                }
                Piece::Placeholder { written, value } => {
                    if value.is_none() {
                        text.unresolved.push((text.sql.len(), written.to_owned()));
                    }
                    text.push(value.unwrap_or(written), at, false);
                    written.len()
                }
                Piece::Unclosed(rest) => {
                    let shown = rest.lines().next().unwrap_or(rest).chars().take(40).collect();
                    text.unresolved.push((text.sql.len(), shown));
                    text.push(rest, at, true);
                    rest.len()
                }
            };
        }
        text
    }

    fn push(&mut self, part: &str, original: usize, verbatim: bool) {
        self.spans.push(Span { sql: self.sql.len(), original, verbatim });
        self.sql.push_str(part);
    }

    /// Line and character in the file, from 1, of a place in the SQL.
    pub(crate) fn place(&self, at: usize) -> (usize, usize) {
        let span = self.spans.iter().rev().find(|span| span.sql <= at);
        let at = span.map_or(0, |span| span.original + if span.verbatim { at - span.sql } else { 0 });
        let before = floor(&self.original, at);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }

    /// The SQL with these parts blanked out; places stay what they are.
    pub(crate) fn without(&self, parts: &[Range<usize>]) -> String {
        let mut bytes = self.sql.clone().into_bytes();
        for part in parts {
            for byte in &mut bytes[part.clone()] {
                if *byte != b'\n' && *byte != b'\r' {
                    *byte = b' ';
                }
            }
        }
        // Whole characters were blanked, so that this loses nothing.
        String::from_utf8(bytes).unwrap_or_else(|_| self.sql.clone())
    }
}

/// The text up to a place, or to the beginning of the character that it is in.
fn floor(text: &str, at: usize) -> &str {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    &text[..at]
}

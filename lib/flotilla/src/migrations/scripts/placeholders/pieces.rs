//! A text taken apart at its placeholders, for what must know where each part came from.

use super::{Marks, Placeholders};

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that stays as it is.
    Text(&'a str),
    /// A placeholder.
    Placeholder {
        /// As it was written, with its marks.
        written: &'a str,
        /// Its value; none was given where it is missing.
        value: Option<&'a str>,
    },
    /// A placeholder that isn't closed: the rest of the text.
    Unclosed(&'a str),
}

impl Placeholders {
    /// The parts of a text, in order; put together again they are the text.
    pub fn pieces<'a>(&'a self, text: &'a str) -> Vec<Piece<'a>> {
        let Marks { prefix, suffix } = &self.marks;
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(prefix.as_str()) {
            let (before, marked) = rest.split_at(at);
            if !before.is_empty() {
                pieces.push(Piece::Text(before));
            }
            let Some(end) = marked[prefix.len()..].find(suffix.as_str()) else {
                pieces.push(Piece::Unclosed(marked));
                return pieces;
            };
            let name = &marked[prefix.len()..prefix.len() + end];
            let (written, behind) = marked.split_at(prefix.len() + end + suffix.len());
            let value = self.values.get(&name.to_lowercase()).map(String::as_str);
            pieces.push(Piece::Placeholder { written, value });
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest));
        }
        pieces
    }
}

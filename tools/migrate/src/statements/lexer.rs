//! Where a statement ends: PostgreSQL's lexical rules, as psql applies them.
//!
//! A semicolon ends a statement unless it stands in a string, a quoted name, a comment, parentheses,
//! or the body of a routine between `BEGIN ATOMIC` and `END`. Sources: PostgreSQL 15's
//! documentation, chapter 4.1, and psql's behaviour; a property test holds it to PostgreSQL's own
//! scanner. It is needed beside that scanner because a script may hold the data of a COPY, which is
//! no SQL.

/// Finds the end of statements in a text.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

/// A statement's place in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Where its first token begins.
    pub(super) start: usize,
    /// Where it ends: at the semicolon, or at the end of the text.
    pub(super) end: usize,
    /// Whether a semicolon ends it.
    pub(super) terminated: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0 }
    }

    /// Where the next statement would be looked for.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Goes on from another place, which must be the beginning of a character.
    pub(super) fn jump(&mut self, at: usize) {
        self.at = at;
    }

    /// The next statement; nothing but comments and semicolons make none.
    pub(super) fn next(&mut self) -> Option<Span> {
        let mut start = None;
        let mut depth = 0_usize;
        let mut body = Body::default();
        while let Some(&byte) = self.text.get(self.at) {
            let begin = self.at;
            match byte {
                b if b.is_ascii_whitespace() || b == 0x0b => {
                    self.at += 1;
                    continue;
                }
                b'-' if self.peek(1) == Some(b'-') => {
                    self.skip_line();
                    continue;
                }
                b'/' if self.peek(1) == Some(b'*') => {
                    self.skip_comment();
                    continue;
                }
                b';' if depth == 0 && !body.is_open() => {
                    self.at += 1;
                    if let Some(start) = start {
                        return Some(Span { start, end: begin, terminated: true });
                    }
                    continue;
                }
                b'\'' => self.skip_quoted(b'\'', false),
                b'"' => self.skip_quoted(b'"', false),
                b'$' => self.skip_dollar(),
                b'(' => {
                    depth += 1;
                    self.at += 1;
                }
                b')' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b if is_name_start(b) => self.word(&mut body, depth),
                b if b.is_ascii_digit() => self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.'),
                _ => self.at += 1,
            }
            start.get_or_insert(begin);
        }
        start.map(|start| Span { start, end: self.text.len(), terminated: false })
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, holds: impl Fn(u8) -> bool) {
        while self.text.get(self.at).is_some_and(|&b| holds(b)) {
            self.at += 1;
        }
    }

    fn skip_line(&mut self) {
        self.skip_while(|b| b != b'\n' && b != b'\r');
    }

    /// Comments nest.
    fn skip_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.text.len() {
            match (self.text[self.at], self.peek(1)) {
                (b'/', Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// A doubled quote is two quoted texts side by side, which ends at the same place.
    fn skip_quoted(&mut self, quote: u8, backslash: bool) {
        self.at += 1;
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' if backslash => self.at += 1,
                b if b == quote => return,
                _ => {}
            }
        }
        self.at = self.at.min(self.text.len());
    }

    fn skip_dollar(&mut self) {
        let tag_end = self.text[self.at + 1..].iter().position(|&b| !is_name_part(b) || b == b'$');
        let tag = tag_end.map(|length| &self.text[self.at..=self.at + 1 + length]);
        let is_tag =
            |tag: &[u8]| tag.last() == Some(&b'$') && (tag.len() == 2 || is_name_start(tag[1])) && tag.len() >= 2;
        let Some(tag) = tag.filter(|tag| is_tag(tag)) else {
            // A parameter such as $1, or a stray sign.
            self.at += 1;
            return;
        };
        let body = self.at + tag.len();
        let finder = self.text[body..].windows(tag.len()).position(|window| window == tag);
        self.at = finder.map_or(self.text.len(), |found| body + found + tag.len());
    }

    /// A name or keyword, and what its being there means.
    fn word(&mut self, body: &mut Body, depth: usize) {
        let begin = self.at;
        self.skip_while(is_name_part);
        let word = &self.text[begin..self.at];
        if self.peek(0) == Some(b'\'') && word.eq_ignore_ascii_case(b"e") {
            self.skip_quoted(b'\'', true);
        } else if depth == 0 {
            body.word(word);
        }
    }
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name_part(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// Whether we are inside a routine's body of the SQL-standard form.
#[derive(Debug, Default)]
struct Body {
    /// The first words of the statement: CREATE [OR REPLACE] FUNCTION or PROCEDURE.
    words: usize,
    create: bool,
    routine: bool,
    begin: bool,
    depth: usize,
}

impl Body {
    fn is_open(&self) -> bool {
        self.depth > 0
    }

    fn word(&mut self, word: &[u8]) {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        self.words += 1;
        if self.depth > 0 {
            // CASE is the only other thing that END ends.
            if is("case") {
                self.depth += 1;
            } else if is("end") {
                self.depth -= 1;
            }
        } else if self.words == 1 {
            self.create = is("create");
        } else if self.create && self.words <= 4 && (is("function") || is("procedure")) {
            self.routine = true;
        } else if self.routine && self.begin && is("atomic") {
            self.depth = 1;
        }
        self.begin = is("begin");
    }
}

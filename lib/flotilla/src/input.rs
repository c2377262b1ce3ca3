//! Lines from a pipe: bounded, counted, checked, and with what is wrong said by line number.

use std::io::{self, Read};

use serde_json::{Map, Value};

use crate::error::{Code, Error, Result};

/// The longest line that is read, in bytes. A longer one is an error of that line alone.
pub const LINE_LIMIT: usize = 1 << 20;

/// How much is read at once, in bytes.
const CHUNK: usize = 1 << 16;

/// One line of input, without its end.
#[derive(Debug)]
pub struct InputLine<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes, or what is wrong with it as a line.
    pub bytes: Result<&'a [u8]>,
}

/// Reads lines with bounded memory.
pub struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    number: u64,
    limit: usize,
    finished: bool,
}

impl<R: Read> Lines<R> {
    /// Lines of at most [`LINE_LIMIT`] bytes.
    pub fn new(source: R) -> Self {
        Self::with_limit(source, LINE_LIMIT)
    }

    /// Lines of at most `limit` bytes.
    pub fn with_limit(source: R, limit: usize) -> Self {
        Self { source, buffer: vec![0; CHUNK], start: 0, end: 0, number: 0, limit, finished: false }
    }

    /// Whether a whole line is in memory, so that asking for it can't wait for the writer.
    pub fn is_ready(&self) -> bool {
        memchr::memchr(b'\n', &self.buffer[self.start..self.end]).is_some()
    }

    /// The next line, or `None` at the end. Reading itself may fail.
    pub fn next_line(&mut self) -> io::Result<Option<InputLine<'_>>> {
        let mut searched = self.start;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[searched..self.end]) {
                let (from, to) = (self.start, searched + at);
                self.start = to + 1;
                return Ok(Some(self.line(from, to)));
            }
            searched = self.end;
            if self.end - self.start > self.limit {
                return self.skip_long().map(Some);
            }
            if self.finished {
                if self.start == self.end {
                    return Ok(None);
                }
                let (from, to) = (self.start, self.end);
                self.start = to;
                return Ok(Some(self.line(from, to)));
            }
            let moved = self.fill()?;
            searched -= moved;
        }
    }

    /// Reads more; returns by how much the unread bytes were moved to the front.
    fn fill(&mut self) -> io::Result<usize> {
        let moved = self.start;
        if moved > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= moved;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.finished = true,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
            return Ok(moved);
        }
    }

    fn line(&mut self, from: usize, to: usize) -> InputLine<'_> {
        self.number += 1;
        if to - from > self.limit {
            return InputLine { number: self.number, bytes: Err(self.too_long()) };
        }
        let bytes = &self.buffer[from..to];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        InputLine { number: self.number, bytes: Ok(bytes) }
    }

    /// Reads past a line that is too long without keeping it.
    fn skip_long(&mut self) -> io::Result<InputLine<'_>> {
        self.number += 1;
        self.start = self.end;
        while !self.finished {
            self.fill()?;
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[..self.end]) {
                self.start = at + 1;
                break;
            }
            self.start = self.end;
        }
        Ok(InputLine { number: self.number, bytes: Err(self.too_long()) })
    }

    fn too_long(&self) -> Error {
        Error::input(format!("line {} is longer than {} bytes", self.number, self.limit))
            .hint("Split the input into lines: one key or one JSON object on each.")
    }
}

/// A line as text: UTF-8 without NUL bytes.
pub fn text(bytes: &[u8], number: u64) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Error::input(format!("line {number} is not valid UTF-8")).source(e).hint("Convert the input to UTF-8.")
    })?;
    if memchr::memchr(0, bytes).is_some() {
        return Err(Error::input(format!("line {number} contains a NUL byte"))
            .hint("PostgreSQL's text can't hold a NUL byte; remove it."));
    }
    Ok(text)
}

/// A line as a JSON object.
pub fn object(text: &str, number: u64) -> Result<Map<String, Value>> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Error::input(format!("line {number} is not a JSON object"))
            .hint("Each line must be one whole JSON object, for example {\"target\":\"s0\"}.")),
        Err(e) => Err(Error::input(format!("line {number} is not valid JSON"))
            .source(e)
            .hint("Each line must be one whole JSON object; was the writer cut off?")),
    }
}

/// Refuses a line whose `schema` is of a major version that this release doesn't know.
pub fn check_major(map: &Map<String, Value>, number: u64) -> Result<()> {
    let Some(schema) = map.get("schema").and_then(Value::as_str) else { return Ok(()) };
    let major = schema.rsplit_once('/').and_then(|(_, major)| major.parse::<u32>().ok());
    match major {
        Some(1) => Ok(()),
        _ => Err(Error::new(
            Code::Input,
            format!("line {number} is of schema \"{schema}\", which this release doesn't know"),
        )
        .hint("Use tools of the same release on both ends of the pipe.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8], limit: usize) -> Vec<String> {
        let mut lines = Lines::with_limit(input, limit);
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().expect("a slice reads") {
            seen.push(match line.bytes {
                Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Err(e) => format!("!{}", e.message()),
            });
        }
        seen
    }

    #[test]
    fn lines_end_with_lf_or_crlf_or_the_input() {
        assert_eq!(all(b"a\nb\r\n\nc", 100), ["a", "b", "", "c"]);
        assert!(all(b"", 100).is_empty());
    }

    #[test]
    fn a_long_line_is_one_error_and_the_rest_goes_on() {
        let mut input = vec![b'x'; 300_000];
        input.extend_from_slice(b"\nnext\n");
        assert_eq!(all(&input, 1000), ["!line 1 is longer than 1000 bytes", "next"]);
    }
}

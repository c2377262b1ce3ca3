//! A bound on the strings of a JSON document that is read in passing.

use std::io::{self, Read};

use crate::Corrupt;

/// The longest string: paths and names are far shorter, and a bad document must not fill the memory.
const LONGEST: usize = 1 << 20;
const BUFFER: usize = 128 << 10;

/// Gives the bytes of a document on, and stops at a string that is too long.
pub(super) struct Guard<R> {
    inner: R,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    inside: bool,
    escaped: bool,
    length: usize,
}

impl<R: Read> Guard<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: vec![0; BUFFER], at: 0, filled: 0, inside: false, escaped: false, length: 0 }
    }

    fn check(&mut self) -> io::Result<()> {
        for &byte in &self.buffer[..self.filled] {
            self.length += 1;
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.inside => self.escaped = true,
                b'"' => (self.inside, self.length) = (!self.inside, 0),
                _ if !self.inside && !byte.is_ascii_digit() => self.length = 0,
                _ => {}
            }
            if self.length > LONGEST {
                return Err(Corrupt::new("files_metadata.json: a string or number is longer than 1 MiB").into());
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.filled {
            (self.at, self.filled) = (0, self.inner.read(&mut self.buffer)?);
            self.check()?;
        }
        let length = buffer.len().min(self.filled - self.at);
        buffer[..length].copy_from_slice(&self.buffer[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

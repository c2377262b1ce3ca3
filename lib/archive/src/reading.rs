//! Reading into a buffer, and reading what comes in pieces.

use std::io::{self, Read};

use bytes::Bytes;

/// Fills as much of the buffer as there is to read; how much that is.
pub(crate) fn fill(source: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What comes in pieces, as a reader; it ends when `next` gives none. A piece may be empty.
pub(crate) struct Pieces<F> {
    next: F,
    piece: Bytes,
}

impl<F: FnMut() -> Option<io::Result<Bytes>>> Pieces<F> {
    pub(crate) fn new(next: F) -> Self {
        Self { next, piece: Bytes::new() }
    }
}

impl<F: FnMut() -> Option<io::Result<Bytes>>> Read for Pieces<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match (self.next)() {
                None => return Ok(0),
                Some(piece) => self.piece = piece?,
            }
        }
        let taken = self.piece.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&self.piece.split_to(taken));
        Ok(taken)
    }
}

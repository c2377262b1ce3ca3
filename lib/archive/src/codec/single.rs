//! A packed stream that must be whole and alone in its object.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use super::{BUFFER, Codec, cut, trailing};
use crate::Corrupt;

/// What an object's bytes come from: it remembers whether they have ended.
pub(super) struct Source<R> {
    inner: BufReader<R>,
    /// Whether anything has come.
    began: bool,
    /// Whether somebody asked for more than there was.
    ended: bool,
    /// The last bytes that were taken.
    last: [u8; 8],
}

impl<R: Read> Source<R> {
    fn new(inner: R) -> Self {
        Self { inner: BufReader::with_capacity(BUFFER, inner), began: false, ended: false, last: [0; 8] }
    }

    /// Whether an lz4 frame's last block was an empty one: WAL-G flushes with such, and the decoder takes
    /// them for the end. At the true end the mark and a checksum stand last.
    fn behind_an_empty_block(&self) -> bool {
        self.last[4..] == [0, 0, 0, 0x80]
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.began |= read > 0;
        let tail = &buffer[read.saturating_sub(8)..read];
        self.last.copy_within(tail.len().., 0);
        self.last[8 - tail.len()..].copy_from_slice(tail);
        self.ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        Ok(bytes)
    }

    fn consume(&mut self, amount: usize) {
        self.began |= amount > 0;
        self.inner.consume(amount);
    }
}

/// A decoder that can give back its source.
pub(super) trait Decoder: Read {
    type Source: Read;
    fn source(&mut self) -> &mut Source<Self::Source>;
}

impl<R: Read> Decoder for lz4_flex::frame::FrameDecoder<Source<R>> {
    type Source = R;
    fn source(&mut self) -> &mut Source<R> {
        self.get_mut()
    }
}

impl<R: Read> Decoder for zstd::Decoder<'static, Source<R>> {
    type Source = R;
    fn source(&mut self) -> &mut Source<R> {
        self.get_mut()
    }
}

impl<R: Read> Decoder for flate2::bufread::GzDecoder<Source<R>> {
    type Source = R;
    fn source(&mut self) -> &mut Source<R> {
        self.get_mut()
    }
}

/// Reads one packed stream, and refuses an end that came too early and bytes behind it.
pub(super) struct Single<D> {
    decoder: D,
    codec: Codec,
    /// Whether the decoder itself tells an early end from a right one.
    tells: bool,
    done: bool,
}

impl<R: Read> Single<lz4_flex::frame::FrameDecoder<Source<R>>> {
    pub(super) fn lz4(packed: R) -> Self {
        // The decoder takes an end between two blocks for the end of the frame.
        let decoder = lz4_flex::frame::FrameDecoder::new(Source::new(packed));
        Self { decoder, codec: Codec::Lz4, tells: false, done: false }
    }
}

impl<R: Read> Single<zstd::Decoder<'static, Source<R>>> {
    pub(super) fn zstd(packed: R, widest: u32) -> io::Result<Self> {
        let mut decoder = zstd::Decoder::with_buffer(Source::new(packed))?.single_frame();
        decoder.window_log_max(widest)?;
        Ok(Self { decoder, codec: Codec::Zstd, tells: true, done: false })
    }
}

impl<R: Read> Single<flate2::bufread::GzDecoder<Source<R>>> {
    pub(super) fn gzip(packed: R) -> Self {
        let decoder = flate2::bufread::GzDecoder::new(Source::new(packed));
        Self { decoder, codec: Codec::Gzip, tells: true, done: false }
    }
}

impl<D: Decoder> Read for Single<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.done || buffer.is_empty() {
            return Ok(0);
        }
        let codec = self.codec;
        let tells = self.tells;
        if !tells && !self.decoder.source().began && !has_checksum(self.decoder.source().fill_buf()?) {
            return Err(Corrupt::new(format!("it is no {codec} frame with a checksum")).into());
        }
        loop {
            let read = self.decoder.read(buffer).map_err(|error| damaged(codec, error))?;
            if read > 0 {
                return Ok(read);
            }
            let source = self.decoder.source();
            if !source.began || (source.ended && !tells) {
                return Err(cut(codec));
            }
            let over = source.fill_buf()?.is_empty();
            match (over, !tells && source.behind_an_empty_block()) {
                (true, false) => {
                    self.done = true;
                    return Ok(0);
                }
                (true, true) => return Err(cut(codec)),
                (false, false) => return Err(trailing(codec)),
                (false, true) => {}
            }
        }
    }
}

fn damaged(codec: Codec, error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => cut(codec),
        // A failure of the source below is none of the decoder's.
        ErrorKind::Other | ErrorKind::InvalidData | ErrorKind::InvalidInput if Corrupt::of(&error).is_none() => {
            Corrupt::new(format!("the {codec} stream is damaged: {error}")).into()
        }
        _ => error,
    }
}

/// Whether an lz4 frame begins here whose content has a checksum.
fn has_checksum(bytes: &[u8]) -> bool {
    // The first read may bring less than a header; then the frame is cut off, which is found later.
    bytes.len() < 5 || bytes[..4] == [0x04, 0x22, 0x4D, 0x18] && bytes[4] & 4 != 0
}

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
}

impl<R: Read> Source<R> {
    fn new(inner: R) -> Self {
        Self { inner: BufReader::with_capacity(BUFFER, inner), began: false, ended: false }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.began |= read > 0;
        self.ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        self.began |= !bytes.is_empty();
        self.ended |= bytes.is_empty();
        Ok(bytes)
    }

    fn consume(&mut self, amount: usize) {
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
        let read = self.decoder.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => cut(codec),
            ErrorKind::Other | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                Corrupt::new(format!("the {codec} stream is damaged: {error}")).into()
            }
            _ => error,
        })?;
        if read > 0 {
            return Ok(read);
        }
        let tells = self.tells;
        let source = self.decoder.source();
        if !source.began || (source.ended && !tells) {
            return Err(cut(codec));
        }
        if !source.fill_buf()?.is_empty() {
            return Err(trailing(codec));
        }
        self.done = true;
        Ok(0)
    }
}

//! Packing of objects (`internal/compression` of WAL-G): the extension names it.
//!
//! A reader ends without an error only when the packed stream was whole, its checksum right, and
//! nothing followed it. Of lz4 and zstd, one frame is an object: that is what both sides write.

mod single;

use std::fmt;
use std::io::{self, BufReader, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use crate::Corrupt;
use single::Single;

/// How much is read from an object at once.
const BUFFER: usize = 256 << 10;

/// The widest window of a zstd frame that is read, 32 MiB: the widest that WAL-G's highest level makes.
const WIDEST_WINDOW: u32 = 25;
/// The window that is written, 8 MiB as WAL-G's: it bounds what a reader needs.
const WINDOW: u32 = 23;

/// A packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// An lz4 frame: WAL-G's default.
    Lz4,
    /// A zstd frame.
    Zstd,
    /// Brotli: not even read here.
    Brotli,
    /// Gzip; read alone.
    Gzip,
    /// The old format of lzma: not even read here.
    Lzma,
    /// Lzo: not even read here.
    Lzo,
    /// None, since WAL-G 3.0.9.
    None,
}

impl Codec {
    /// All, in the order in which an object of unknown packing is looked for.
    pub const PROBED: [Self; 7] = [Self::Lz4, Self::Zstd, Self::None, Self::Gzip, Self::Brotli, Self::Lzma, Self::Lzo];

    /// The extension, without a dot; empty of no packing.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Zstd => "zst",
            Self::Brotli => "br",
            Self::Gzip => "gz",
            Self::Lzma => "lzma",
            Self::Lzo => "lzo",
            Self::None => "",
        }
    }

    /// Whether it is unpacked here; WAL-G alone reads the others.
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Lz4 | Self::Zstd | Self::Gzip | Self::None)
    }

    /// The name with the extension.
    pub fn named(self, stem: &str) -> String {
        if self == Self::None { stem.to_owned() } else { format!("{stem}.{}", self.extension()) }
    }

    /// Takes a name's extension off; without a known one the object isn't packed.
    pub fn of_name(name: &str) -> (&str, Self) {
        let packed = name.rsplit_once('.').and_then(|(stem, extension)| {
            let known = Self::PROBED.into_iter().find(|codec| codec.extension() == extension);
            known.filter(|codec| *codec != Self::None).map(|codec| (stem, codec))
        });
        packed.unwrap_or((name, Self::None))
    }

    /// Unpacks. Keeps at most 12 MiB, of zstd from elsewhere 33 MiB.
    pub fn reader<'a, R: Read + Send + 'a>(self, packed: R) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::Lz4 => Box::new(Single::lz4(packed)),
            Self::Zstd => Box::new(Single::zstd(packed, WIDEST_WINDOW)?),
            Self::Gzip => Box::new(Single::gzip(packed)),
            Self::None => Box::new(BufReader::with_capacity(BUFFER, packed)),
            Self::Brotli | Self::Lzma | Self::Lzo => {
                let what = format!("objects packed by {} are read by wal-g alone", self.extension());
                return Err(io::Error::new(io::ErrorKind::Unsupported, what));
            }
        })
    }

    /// Packs as WAL-G does, of lz4 in smaller blocks, which stay in the processor's cache. `level` is zstd's, 3
    /// when `None`; lz4 has one.
    pub fn writer<W: Write>(self, packed: W, level: Option<i32>) -> io::Result<Packer<W>> {
        Ok(Packer(match self {
            Self::Lz4 => {
                let frame = FrameInfo::new()
                    .block_size(BlockSize::Max256KB)
                    .block_mode(BlockMode::Independent)
                    .content_checksum(true);
                Inner::Lz4(Box::new(FrameEncoder::with_frame_info(frame, packed)))
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(packed, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL))?;
                encoder.include_checksum(true)?;
                encoder.window_log(WINDOW)?;
                Inner::Zstd(encoder)
            }
            Self::None => Inner::None(packed),
            Self::Brotli | Self::Gzip | Self::Lzma | Self::Lzo => {
                let what = format!("objects are not packed by {} here", self.extension());
                return Err(io::Error::new(io::ErrorKind::Unsupported, what));
            }
        }))
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::None { "none" } else { self.extension() })
    }
}

/// Packs what is written. Without [`Packer::finish`] the object is cut off.
#[derive(Debug)]
pub struct Packer<W: Write>(Inner<W>);

enum Inner<W: Write> {
    Lz4(Box<FrameEncoder<W>>),
    Zstd(zstd::Encoder<'static, W>),
    None(W),
}

impl<W: Write> fmt::Debug for Inner<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lz4(_) => "Lz4",
            Self::Zstd(_) => "Zstd",
            Self::None(_) => "None",
        })
    }
}

impl<W: Write> Packer<W> {
    /// Ends the packed stream and gives back what it was written to.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Inner::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
            Inner::Zstd(encoder) => encoder.finish(),
            Inner::None(inner) => Ok(inner),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Lz4(encoder) => encoder.write(bytes),
            Inner::Zstd(encoder) => encoder.write(bytes),
            Inner::None(inner) => inner.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Inner::Lz4(encoder) => encoder.flush(),
            Inner::Zstd(encoder) => encoder.flush(),
            Inner::None(inner) => inner.flush(),
        }
    }
}

fn cut(codec: Codec) -> io::Error {
    Corrupt::new(format!("the {codec} stream is cut off")).into()
}

fn trailing(codec: Codec) -> io::Error {
    Corrupt::new(format!("there is something behind the {codec} stream")).into()
}

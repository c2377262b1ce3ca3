//! Encryption of objects as WAL-G does it with libsodium (`internal/crypto/libsodium`): a stream of
//! `crypto_secretstream_xchacha20poly1305`.
//!
//! A header of 24 bytes, then messages of 8192 bytes, 17 longer when encrypted, and at the end one that
//! is shorter and marked as the last. WAL-G takes a stream that ends between two messages for whole;
//! here the mark is required.

use std::fmt;
use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dryoc::classic::crypto_secretstream_xchacha20poly1305 as secretstream;
pub use flotilla::config::KeyTransform;
use secrecy::{ExposeSecret as _, SecretBox};

use crate::Corrupt;
use crate::reading::fill;

/// The plaintext of a message.
const MESSAGE: usize = 8192;
/// What encryption adds: the mark, and the authenticator.
const ADDED: usize = 17;
const SEALED: usize = MESSAGE + ADDED;
const FINAL: u8 = 3;
/// How many messages are read or written at once.
const BATCH: usize = 32;

/// A key. Never shown.
pub struct Key(SecretBox<[u8; 32]>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// The key of a text, white space around it left out, as WAL-G's file of a key is read.
    pub fn new(text: &str, transform: KeyTransform) -> Result<Self, Corrupt> {
        let text = text.trim();
        let mut key = [0; 32];
        let bytes = match transform {
            KeyTransform::None if text.len() < 25 => {
                return Err(Corrupt::new("a key without transform has at least 25 characters"));
            }
            KeyTransform::None => {
                let length = text.len().min(key.len());
                key[..length].copy_from_slice(&text.as_bytes()[..length]);
                return Ok(Self(SecretBox::new(Box::new(key))));
            }
            KeyTransform::Hex => unhex(text),
            KeyTransform::Base64 => STANDARD.decode(text).ok(),
        };
        // The text is not in the error: it is a secret, or a part of one.
        let bytes = bytes.ok_or_else(|| Corrupt::new("the key is not in the form that its transform names"))?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| Corrupt::new("a key has exactly 32 bytes"))?;
        key.copy_from_slice(&bytes);
        Ok(Self(SecretBox::new(Box::new(key))))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let sound = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    if sound { (0..text.len()).step_by(2).map(byte).collect() } else { None }
}

/// Decrypts.
pub struct Decrypting<R> {
    source: R,
    state: secretstream::State,
    sealed: Vec<u8>,
    plain: Vec<u8>,
    /// What of `plain` hasn't been given yet.
    at: usize,
    filled: usize,
    ended: bool,
}

impl<R> fmt::Debug for Decrypting<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decrypting").field("ended", &self.ended).finish_non_exhaustive()
    }
}

fn corrupt<T>(what: &str) -> io::Result<T> {
    Err(Corrupt::new(what).into())
}

impl<R: Read> Decrypting<R> {
    /// Reads the header.
    pub fn new(mut source: R, key: &Key) -> io::Result<Self> {
        let mut header = secretstream::Header::default();
        if fill(&mut source, &mut header)? < header.len() {
            return corrupt("the encrypted stream is cut off in its header");
        }
        let mut state = secretstream::State::new();
        secretstream::crypto_secretstream_xchacha20poly1305_init_pull(&mut state, &header, key.0.expose_secret());
        let (sealed, plain) = (vec![0; BATCH * SEALED], vec![0; BATCH * MESSAGE]);
        Ok(Self { source, state, sealed, plain, at: 0, filled: 0, ended: false })
    }

    fn batch(&mut self) -> io::Result<()> {
        let read = fill(&mut self.source, &mut self.sealed)?;
        (self.at, self.filled) = (0, 0);
        for sealed in self.sealed[..read].chunks(SEALED) {
            let mut mark = 0;
            let plain = &mut self.plain[self.filled..];
            let opened = secretstream::crypto_secretstream_xchacha20poly1305_pull(
                &mut self.state,
                plain,
                &mut mark,
                sealed,
                None,
            );
            let Ok(length) = opened else {
                return corrupt("the encrypted stream is damaged, or the key is another");
            };
            // The mark is authentic, so a mark at a wrong place was put there by whoever has the key.
            let last = sealed.len() < SEALED;
            if last != (mark == FINAL) {
                return corrupt(if last {
                    "the encrypted stream is cut off"
                } else {
                    "the encrypted stream goes on behind its end"
                });
            }
            self.filled += length;
            self.ended = last;
        }
        if read < self.sealed.len() && !self.ended {
            return corrupt("the encrypted stream is cut off");
        }
        Ok(())
    }
}

impl<R: Read> Read for Decrypting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.filled {
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            self.batch()?;
        }
        let length = buffer.len().min(self.filled - self.at);
        buffer[..length].copy_from_slice(&self.plain[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// Encrypts. Without [`Encrypting::finish`] the stream is cut off.
pub struct Encrypting<W> {
    sink: W,
    state: secretstream::State,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl<W> fmt::Debug for Encrypting<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypting").finish_non_exhaustive()
    }
}

impl<W: Write> Encrypting<W> {
    /// Writes a header of random bytes.
    pub fn new(mut sink: W, key: &Key) -> io::Result<Self> {
        let mut header = secretstream::Header::default();
        let mut state = secretstream::State::new();
        secretstream::crypto_secretstream_xchacha20poly1305_init_push(&mut state, &mut header, key.0.expose_secret());
        sink.write_all(&header)?;
        Ok(Self { sink, state, plain: Vec::with_capacity(BATCH * MESSAGE), sealed: vec![0; BATCH * SEALED] })
    }

    /// Writes the last message, which is shorter than the others, and gives back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        if self.plain.len() == BATCH * MESSAGE {
            self.seal(false)?;
        }
        self.seal(true)?;
        Ok(self.sink)
    }

    /// Encrypts what has come together: full messages, and at the end a shorter one, maybe empty.
    fn seal(&mut self, end: bool) -> io::Result<()> {
        let mut filled = 0;
        let full = self.plain.len() / MESSAGE;
        let (messages, rest) = self.plain.split_at(full * MESSAGE);
        let last = end.then_some((rest, FINAL));
        for (plain, mark) in messages.chunks(MESSAGE).map(|message| (message, 0)).chain(last) {
            let sealed = &mut self.sealed[filled..filled + plain.len() + ADDED];
            secretstream::crypto_secretstream_xchacha20poly1305_push(&mut self.state, sealed, plain, None, mark)
                .map_err(io::Error::other)?;
            filled += sealed.len();
        }
        self.sink.write_all(&self.sealed[..filled])?;
        self.plain.clear();
        Ok(())
    }
}

impl<W: Write> Write for Encrypting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.plain.len() == BATCH * MESSAGE {
            self.seal(false)?;
        }
        let length = bytes.len().min(BATCH * MESSAGE - self.plain.len());
        self.plain.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    /// Passes on what is encrypted; a message goes out when it is full, or the last.
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

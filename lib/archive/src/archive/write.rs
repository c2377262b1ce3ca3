//! Writing objects: packed, encrypted, summed, and only then there.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use flotilla::{Error, Result};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Archive, failed};
use crate::codec::Codec;
use crate::crypt::{Encrypting, Key};
use crate::digest::{Content, Counting, Passed, Summing, SummingAside};
use crate::documents::Sidecar;
use crate::names;
use crate::store::{Over, Put, Upload};

/// How much is handed to the store at once, in bytes.
const CHUNK: usize = 1 << 20;
/// How many such pieces may wait for the store.
const WAITING: usize = 4;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The object as it is in the store.
    pub stored: Passed,
    /// Its content.
    pub content: Content,
    /// False when there was an object of this name already, which stays as it is.
    pub written: bool,
}

/// What becomes of a content on its way into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing: it is neither packed nor encrypted.
    Plain,
    /// It is packed, and encrypted where the archive has a key. The sum beside the object is of what is stored, and
    /// the packing has a checksum of the content.
    Packed,
    /// The same, and the content is summed, too: another server may write the same content in other bytes.
    Summed,
}

/// How a content is packed, encrypted and summed.
struct Sealing {
    codec: Codec,
    secret: Option<Arc<Key>>,
    /// Whether the content is summed where that isn't the sum of what is stored.
    summed: bool,
}

impl Archive {
    fn sealing(&self, form: Form) -> Sealing {
        let (codec, secret) = (self.codec(), self.key.clone());
        match form {
            Form::Plain => Sealing { codec: Codec::None, secret: None, summed: false },
            Form::Packed => Sealing { codec, secret, summed: false },
            Form::Summed => Sealing { codec, secret, summed: true },
        }
    }

    /// Writes an object from what `fill` writes, and its sums. The object appears when `fill` has ended
    /// well and everything has arrived; in memory are a few pieces of it.
    pub async fn write<T, F>(
        &self,
        key: &str,
        form: Form,
        over: Over,
        system: Option<u64>,
        fill: F,
    ) -> Result<(Sealed, T)>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Write) -> io::Result<T> + Send + 'static,
    {
        let sealing = self.sealing(form);
        let (send, receive) = mpsc::channel::<io::Result<Bytes>>(WAITING);
        let work = tokio::task::spawn_blocking(move || {
            let pipe = Pipe { send: send.clone(), buffer: BytesMut::with_capacity(CHUNK) };
            let filled = sealing.fill(pipe, fill).and_then(|(mut pipe, stored, content, value)| {
                pipe.flush()?;
                Ok((stored, content, value))
            });
            // The upload must not take the end of the pipe for the end of the object.
            if let Err(error) = &filled {
                let _ = send.blocking_send(Err(io::Error::other(error.to_string())));
            }
            filled
        });
        let how = Upload { over, parallelism: 2, ..Upload::default() };
        let put = self.store().upload(key, ReceiverStream::new(receive).boxed(), how).await;
        let filled = work.await.map_err(|e| Error::internal("packing an object failed").source(e))?;
        // Where both failed, the cause is the one that came first: a store that hung up breaks the pipe.
        let put = match (put, &filled) {
            (Ok(Put::Exists), Err(fault)) if fault.kind() == io::ErrorKind::BrokenPipe => return Err(exists(key)),
            (Err(error), Err(fault)) if fault.kind() == io::ErrorKind::BrokenPipe => return Err(error.into()),
            (Err(error), Ok(_)) => return Err(error.into()),
            (Ok(put), _) => Some(put),
            (Err(_), Err(_)) => None,
        };
        let (stored, content, value) = filled.map_err(|error| failed(key, error))?;
        let written = matches!(put, Some(Put::Written { .. }));
        if written {
            self.write_sums(&Sidecar::new(key, stored, Some(content), system)).await?;
        }
        Ok((Sealed { stored, content, written }, value))
    }

    /// Packs and encrypts into memory what `fill` writes, some `length` bytes: the object, and its sums as
    /// [`Self::write`] would keep them. The only errors are those of `fill`.
    pub fn seal(
        &self,
        length: usize,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<(Bytes, Passed, Content)> {
        let sealing = self.sealing(Form::Summed);
        // Memory that isn't written to costs nothing; growing does.
        let sealed = sealing.fill(Vec::with_capacity(length), fill);
        sealed.map(|(bytes, stored, content, ())| (bytes.into(), stored, content))
    }

    /// Writes a small object as it is, neither packed nor encrypted, and its sums.
    pub async fn write_plain(&self, key: &str, content: Bytes, over: Over, system: Option<u64>) -> Result<Put> {
        let passed = Passed { bytes: content.len() as u64, sum: crate::digest::Sum::of(&content) };
        let put = self.store().put(key, content, over).await?;
        if put != Put::Exists {
            self.write_sums(&Sidecar::new(key, passed, Some(passed.into()), system)).await?;
        }
        Ok(put)
    }

    /// Writes the sums of an object, which must be there.
    pub async fn write_sums(&self, sums: &Sidecar) -> Result<()> {
        let name = names::sidecar(&sums.object);
        self.store().put(&name, sums.to_json().into(), Over::Replace).await?;
        Ok(())
    }
}

impl Sealing {
    /// Content → packing → encryption → sink, summed at the sink, and at the other end where that is wanted: the
    /// sink, what it got, what went in.
    fn fill<W: Write, T>(
        &self,
        sink: W,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> io::Result<(W, Passed, Content, T)> {
        let stored = Summing::new(sink);
        let (stored, mut content, value) = match &self.secret {
            None => self.fill_packed(stored, fill)?,
            Some(key) => {
                let (sealed, content, value) = self.fill_packed(Encrypting::new(stored, key)?, fill)?;
                (sealed.finish()?, content, value)
            }
        };
        let (sink, passed) = stored.finish();
        if self.is_plain() {
            content = passed.into();
        }
        Ok((sink, passed, content, value))
    }

    fn fill_packed<W: Write, T>(
        &self,
        sink: W,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> io::Result<(W, Content, T)> {
        let packer = self.codec.writer(sink, None)?;
        let (packer, content, value) = if self.summed && !self.is_plain() {
            let mut content = SummingAside::new(packer)?;
            let value = fill(&mut content)?;
            let (packer, passed) = content.finish()?;
            (packer, passed.into(), value)
        } else {
            let mut content = Counting::new(packer);
            let value = fill(&mut content)?;
            let (packer, bytes) = content.finish();
            (packer, Content { bytes, sum: None }, value)
        };
        Ok((packer.finish()?, content, value))
    }

    /// Whether what is stored is the content itself.
    fn is_plain(&self) -> bool {
        self.codec == Codec::None && self.secret.is_none()
    }
}

/// An object that was there before all of the new one was made.
fn exists(key: &str) -> Error {
    Error::new(flotilla::Code::Mismatch, format!("there is an object \"{key}\" already"))
        .hint("It stays as it is. Look at what wrote it.")
}

/// Hands bytes over to the upload; waits where that is slower.
struct Pipe {
    send: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl Pipe {
    fn hand_over(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(CHUNK)).freeze();
        self.send.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK - self.buffer.len();
        let taken = bytes.len().min(room);
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK {
            self.hand_over()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.hand_over() }
    }
}

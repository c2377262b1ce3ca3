//! Writing objects: packed, encrypted, summed, and only then there.

use std::io::{self, Sink, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};
use flotilla::{Error, Result};
use futures_util::future::ready;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::{Archive, failed};
use crate::codec::Codec;
use crate::crypt::{Encrypting, Key};
use crate::digest::{Content, Counting, Passed, Sum, Summing, sum_aside};
use crate::documents::Sidecar;
use crate::names;
use crate::store::{Class, Over, Put, StoreError, Upload};

/// How much is handed to the store at once, in bytes.
const CHUNK: usize = 1 << 20;
/// How many such pieces may wait for the store.
const WAITING: usize = 4;

/// As much of a file of the WAL is sent in one piece, in bytes: most need no second request.
const WHOLE: usize = 32 << 20;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The object as it is in the store.
    pub stored: Passed,
    /// Its content.
    pub content: Content,
}

/// What became of an object that replaces none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is in the store.
    Written(Sealed),
    /// There was one of this name already, which stays as it is; the content that it should have had.
    Exists(Content),
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
    /// Whether the content is summed.
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

    /// Writes an object from what `fill` writes, and its sums; one of this name is replaced. The object appears when
    /// `fill` has ended well and everything has arrived; in memory are a few pieces of it.
    pub async fn write<T, F>(&self, key: &str, form: Form, system: Option<u64>, fill: F) -> Result<(Sealed, T)>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Write) -> io::Result<T> + Send + 'static,
    {
        match self.fill(key, form, Over::Replace, system, fill).await? {
            (Kept::Written(sealed), value) => Ok((sealed, value)),
            (Kept::Exists(_), _) => Err(exists(key)),
        }
    }

    /// The same, unless there is an object of this name.
    pub async fn write_new<T, F>(&self, key: &str, form: Form, system: Option<u64>, fill: F) -> Result<(Kept, T)>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Write) -> io::Result<T> + Send + 'static,
    {
        self.fill(key, form, Over::Keep, system, fill).await
    }

    async fn fill<T, F>(&self, key: &str, form: Form, over: Over, system: Option<u64>, fill: F) -> Result<(Kept, T)>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Write) -> io::Result<T> + Send + 'static,
    {
        let sealing = self.sealing(form);
        let (send, receive) = mpsc::channel::<io::Result<Bytes>>(WAITING);
        let (tell, told) = oneshot::channel();
        let work = tokio::task::spawn_blocking(move || {
            let pipe = Pipe { send: send.clone(), buffer: BytesMut::with_capacity(CHUNK) };
            let filled = sealing.fill(pipe, fill).and_then(|(mut pipe, content, value)| {
                pipe.flush()?;
                let _ = tell.send(content);
                Ok((content, value))
            });
            // The upload must not take the end of the pipe for the end of the object.
            if let Err(error) = &filled {
                let _ = send.blocking_send(Err(io::Error::other(error.to_string())));
            }
            filled
        });
        let object = Arc::new(Passing::new(form));
        let passing = Arc::clone(&object);
        let pieces = ReceiverStream::new(receive).inspect_ok(move |piece| passing.pass(piece));
        let packed = Arc::clone(&object);
        // A packing that has died ends the pipe, too.
        let end = async move {
            match told.await {
                Ok(content) => {
                    let _ = packed.content.set(content);
                    None
                }
                Err(_) => Some(Err(io::Error::other("packing it was cut off"))),
            }
        };
        let source = pieces.chain(end.into_stream().filter_map(ready)).boxed();
        let (noted, name) = (Arc::clone(&object), key.to_owned());
        let note = async move {
            let content = noted.content.get().ok_or_else(|| StoreError::new(Class::Other, "an object has no sums"))?;
            let Sealed { stored, content } = noted.sealed(*content);
            let sums = Sidecar::new(&name, stored, Some(content), system);
            Ok((names::sidecar(&name), sums.to_json().into()))
        };
        let part_bytes = if form == Form::Summed { WHOLE } else { Upload::default().part_bytes };
        let how = Upload { over, parallelism: 2, part_bytes, ..Upload::default() };
        let put = self.store().upload_noted(key, source, how, note.boxed()).await;
        let filled = work.await.map_err(|e| Error::internal("packing an object failed").source(e))?;
        // Where both failed, the cause is the one that came first: a store that hung up breaks the pipe.
        let put = match (put, &filled) {
            (Ok(Put::Exists), Err(fault)) if fault.kind() == io::ErrorKind::BrokenPipe => return Err(exists(key)),
            (Err(error), Err(fault)) if fault.kind() == io::ErrorKind::BrokenPipe => return Err(error.into()),
            (Err(error), Ok(_)) => return Err(error.into()),
            (Ok(put), _) => Some(put),
            (Err(_), Err(_)) => None,
        };
        let (content, value) = filled.map_err(|error| failed(key, error))?;
        let written = matches!(put, Some(Put::Written { .. }));
        Ok((if written { Kept::Written(object.sealed(content)) } else { Kept::Exists(content) }, value))
    }

    /// Writes a small object as it is, neither packed nor encrypted, and its sums.
    pub async fn write_plain(&self, key: &str, content: Bytes, over: Over, system: Option<u64>) -> Result<Put> {
        let passed = Passed { bytes: content.len() as u64, sum: Sum::of(&content) };
        let sums = Sidecar::new(key, passed, Some(passed.into()), system);
        let note = ready(Ok((names::sidecar(key), sums.to_json().into()))).boxed();
        let source = futures_util::stream::once(ready(Ok(content))).boxed();
        let how = Upload { over, ..Upload::default() };
        Ok(self.store().upload_noted(key, source, how, note).await?)
    }

    /// Writes the sums of an object, which must be there.
    pub async fn write_sums(&self, sums: &Sidecar) -> Result<()> {
        let name = names::sidecar(&sums.object);
        self.store().put(&name, sums.to_json().into(), Over::Replace).await?;
        Ok(())
    }
}

impl Sealing {
    /// Content → packing → encryption → sink; the sink, and what went in.
    fn fill<W: Write, T: Send>(
        &self,
        sink: W,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<T> + Send,
    ) -> io::Result<(W, Content, T)> {
        let Some(key) = &self.secret else { return self.fill_packed(sink, fill) };
        let (sealed, content, value) = self.fill_packed(Encrypting::new(sink, key)?, fill)?;
        Ok((sealed.finish()?, content, value))
    }

    fn fill_packed<W: Write, T: Send>(
        &self,
        sink: W,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<T> + Send,
    ) -> io::Result<(W, Content, T)> {
        let packer = self.codec.writer(sink, None)?;
        let (packer, content, value) = if self.summed {
            let (packer, passed, value) = sum_aside(packer, fill)?;
            (packer, passed.into(), value)
        } else {
            let mut content = Counting::new(packer);
            let value = fill(&mut content)?;
            let (packer, bytes) = content.finish();
            (packer, Content { bytes, sum: None }, value)
        };
        Ok((packer.finish()?, content, value))
    }
}

/// What passes on its way to the store. It is summed here, for packing takes the other thread's time.
struct Passing {
    form: Form,
    stored: Mutex<Summing<Sink>>,
    /// Known when all of it is packed.
    content: OnceLock<Content>,
}

impl Passing {
    fn new(form: Form) -> Self {
        Self { form, stored: Mutex::new(Summing::new(io::sink())), content: OnceLock::new() }
    }

    fn stored(&self) -> MutexGuard<'_, Summing<Sink>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, piece: &[u8]) {
        // A sink takes everything.
        let _ = self.stored().write_all(piece);
    }

    /// When all of it has passed: the sums of what is stored as it is are the content's, too.
    fn sealed(&self, content: Content) -> Sealed {
        let stored = self.stored().passed();
        Sealed { stored, content: if self.form == Form::Plain { stored.into() } else { content } }
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

//! Reading objects: compared with their sums, decrypted, unpacked.

use std::io::{self, Read, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use flotilla::{Error, Result};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::{Archive, failed};
use crate::Corrupt;
use crate::codec::Codec;
use crate::crypt::{Decrypting, Key};
use crate::digest::{Passed, Summing};
use crate::documents::Sidecar;
use crate::names;
use crate::reading::Pieces;
use crate::store::Body;

/// How many pieces of a body may wait to be unpacked.
const WAITING: usize = 8;
/// How many of them the sum may be behind: what is unpacked and not summed yet takes memory, too.
const UNSUMMED: usize = 2;
/// A document larger than this is none, in bytes.
const DOCUMENT: usize = 64 << 20;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The object as it is in the store.
    pub stored: Passed,
    /// Its content.
    pub content: Passed,
    /// Whether sums were kept beside it, with which it was compared.
    pub compared: bool,
}

/// What was unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// The object as it is in the store.
    pub stored: Passed,
    /// Whether sums were kept beside it, with which it was compared.
    pub compared: bool,
}

impl Archive {
    /// An object as it comes, and what is known of its sums.
    async fn object(&self, key: &str) -> Result<(Body, Option<Sidecar>)> {
        tokio::try_join!(async { Ok(self.store().get(key).await?) }, self.sums(key))
    }

    /// Reads an object's content by `work`, which must read it to its end before what it has made of it
    /// may be trusted; an error of this function says that it may not.
    ///
    /// The object is summed as it is stored, which is what the sums beside it are compared with, and its
    /// packing has a checksum of its own.
    pub async fn unpack<T, F>(&self, key: &str, codec: Codec, work: F) -> Result<(Unpacked, T)>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Read) -> io::Result<T> + Send + 'static,
    {
        let (body, sums) = self.object(key).await?;
        self.unpack_body(key, codec, body, sums, work).await
    }

    /// The same of a body that is there already, and its sums where they are known.
    pub async fn unpack_body<T, F>(
        &self,
        key: &str,
        codec: Codec,
        body: Body,
        sums: Option<Sidecar>,
        work: F,
    ) -> Result<(Unpacked, T)>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Read) -> io::Result<T> + Send + 'static,
    {
        read_with(key, codec, body, sums, self.key.clone(), work).await
    }

    /// Reads an object's content as [`Archive::unpack`] does, and sums the content, too: that takes as long as
    /// unpacking it.
    pub async fn read<T, F>(&self, key: &str, codec: Codec, work: F) -> Result<(Opened, T)>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Read) -> io::Result<T> + Send + 'static,
    {
        let (body, sums) = self.object(key).await?;
        self.read_body(key, codec, body, sums, work).await
    }

    /// The same of a body that is there already, and its sums where they are known.
    pub async fn read_body<T, F>(
        &self,
        key: &str,
        codec: Codec,
        body: Body,
        sums: Option<Sidecar>,
        work: F,
    ) -> Result<(Opened, T)>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Read) -> io::Result<T> + Send + 'static,
    {
        let read = read_with(key, codec, body, sums, self.key.clone(), summed(work));
        read.await.map(Opened::of)
    }

    /// Reads a document that is neither packed nor encrypted, of any length.
    pub async fn read_document<T, F>(&self, key: &str, work: F) -> Result<(Opened, T)>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Read) -> io::Result<T> + Send + 'static,
    {
        let (body, sums) = self.object(key).await?;
        read_with(key, Codec::None, body, sums, None, summed(work)).await.map(Opened::of)
    }

    /// Reads a small object that is neither packed nor encrypted, and compares it with its sums.
    pub async fn read_plain(&self, key: &str) -> Result<Bytes> {
        let (content, sums) =
            tokio::try_join!(async { Ok(self.store().get(key).await?.collect(DOCUMENT).await?) }, self.sums(key))?;
        if let Some(sums) = sums {
            let passed = Passed { bytes: content.len() as u64, sum: crate::digest::Sum::of(&content) };
            sums.compare(passed).map_err(|corrupt| failed(key, corrupt.into()))?;
        }
        Ok(content)
    }

    /// The sums of an object; none where it is proven that there are none.
    pub async fn sums(&self, key: &str) -> Result<Option<Sidecar>> {
        let name = names::sidecar(key);
        match self.store().get(&name).await {
            Ok(body) => {
                let bytes = body.collect(DOCUMENT).await?;
                Ok(Some(Sidecar::parse(key, &bytes).map_err(|corrupt| failed(&name, corrupt.into()))?))
            }
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

async fn read_with<T, F>(
    key: &str,
    codec: Codec,
    mut body: Body,
    sums: Option<Sidecar>,
    secret: Option<Arc<Key>>,
    work: F,
) -> Result<(Unpacked, T)>
where
    T: Send + 'static,
    F: FnOnce(&mut dyn Read) -> io::Result<T> + Send + 'static,
{
    let (send, mut receive) = mpsc::channel::<io::Result<Bytes>>(WAITING);
    let work = tokio::task::spawn_blocking(move || {
        open(Pieces::new(|| receive.blocking_recv()), codec, secret.as_deref(), work)
    });
    // What is stored is summed while it is unpacked.
    let (send_to_sum, mut to_sum) = mpsc::channel::<Bytes>(UNSUMMED);
    let stored = tokio::task::spawn_blocking(move || {
        let mut stored = Summing::new(io::sink());
        while let Some(piece) = to_sum.blocking_recv() {
            // A sink takes everything.
            let _ = stored.write_all(&piece);
        }
        stored.finish().1
    });
    let mut failure = None;
    while let Some(piece) = body.next().await {
        let piece = match piece {
            Ok(piece) => {
                // It takes all until this ends.
                let _ = send_to_sum.send(piece.clone()).await;
                Ok(piece)
            }
            Err(error) => {
                failure = Some(error);
                Err(io::Error::other("the store failed"))
            }
        };
        // Whoever has stopped reading says why below.
        if send.send(piece).await.is_err() || failure.is_some() {
            break;
        }
    }
    drop((send, send_to_sum));
    let ended = |e| Error::internal("unpacking an object failed").source(e);
    let (done, stored) = (work.await.map_err(ended)?, stored.await.map_err(ended)?);
    // Whatever a codec makes of a body that broke off, the store is what failed.
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    let value = done.map_err(|error| failed(key, error))?;
    if let Some(sums) = &sums {
        sums.compare(stored).map_err(|corrupt| failed(key, corrupt.into()))?;
    }
    Ok((Unpacked { stored, compared: sums.is_some() }, value))
}

/// Work that sums what it reads.
fn summed<T>(
    work: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> impl FnOnce(&mut dyn Read) -> io::Result<(Passed, T)> {
    move |content| {
        let mut content = Summing::new(content);
        let value = work(&mut content)?;
        Ok((content.finish().1, value))
    }
}

impl Opened {
    fn of<T>((unpacked, (content, value)): (Unpacked, (Passed, T))) -> (Self, T) {
        let Unpacked { stored, compared } = unpacked;
        (Self { stored, content, compared }, value)
    }
}

fn open<T>(
    mut stored: impl Read + Send,
    codec: Codec,
    key: Option<&Key>,
    work: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> io::Result<T> {
    let value = match key {
        None => unpack(&mut stored, codec, work)?,
        Some(key) => unpack(Decrypting::new(&mut stored, key)?, codec, work)?,
    };
    // To the end: what the codec didn't need is in the sum as well.
    io::copy(&mut stored, &mut io::sink())?;
    Ok(value)
}

fn unpack<T>(
    packed: impl Read + Send,
    codec: Codec,
    work: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> io::Result<T> {
    let mut content = codec.reader(packed)?;
    let value = work(&mut content)?;
    // A codec knows only at its end that the object was whole.
    if io::copy(&mut content, &mut io::sink())? > 0 {
        return Err(Corrupt::new("there is more in the object than was expected").into());
    }
    Ok(value)
}

//! One object on its way.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flotilla::{Code, Error, Result, failpoint};
use futures_util::{Stream, StreamExt as _, stream};

use crate::Corrupt;
use crate::archive::Archive;
use crate::digest::{Passed, Summing};
use crate::documents::{Sentinel, Sidecar};
use crate::names::{self, BackupName};
use crate::store::{Body, Over, Put, Upload};

/// A longer document is none, in bytes.
const DOCUMENT: usize = 1 << 20;

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// It was copied: so many bytes.
    Copied(u64),
    /// It was there with the same content, and has been compared now.
    Compared,
}

/// Copies an object that isn't proven to be there yet, proves it, and notes its sums there.
///
/// Failpoints: `copy.object` when the object is there and its sums aren't, `copy.sums` when they are.
pub(super) async fn copy(from: &Archive, to: &Archive, key: &str) -> Result<Arrived> {
    let (body, sums) = tokio::try_join!(async { Ok(from.store().get(key).await?) }, from.sums(key))?;
    let size = body.meta().size;
    let passed: Arc<Mutex<Option<Passed>>> = Arc::default();
    let source = summed(body, sums.clone(), Arc::clone(&passed)).boxed();
    let how = Upload { over: Over::Keep, parallelism: 2, ..Upload::default() };
    let put = to.store().upload(key, source, how).await.map_err(Error::from);
    let read = passed.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (known, arrived) = match (put?, read) {
        (Put::Written { size: written, crc64 }, Some(read)) if written == read.bytes => {
            failpoint::hit("copy.object");
            proven(to, key, read, crc64).await?;
            (read, Arrived::Copied(read.bytes))
        }
        (Put::Written { .. }, _) => return Err(Error::internal("a copy ended before its source")),
        (Put::Exists, _) => {
            // The source may have been left before its end.
            let wanted = match &sums {
                Some(sums) => Passed { bytes: sums.bytes, sum: sums.sha256 },
                None => sum(from, key).await?,
            };
            let there = sum(to, key).await?;
            if there != wanted {
                return Err(differs(from, to, key));
            }
            (wanted, Arrived::Compared)
        }
    };
    if known.bytes != size {
        return Err(Error::new(Code::Mismatch, format!("\"{key}\" has {size} bytes, and {} arrived", known.bytes)));
    }
    to.write_sums(&sums.unwrap_or_else(|| Sidecar::new(key, known, None, None))).await?;
    failpoint::hit("copy.sums");
    Ok(arrived)
}

/// The content of a document that may have been written anew; none where it isn't there.
pub(super) async fn metadata(archive: &Archive, key: &str) -> Result<Option<Bytes>> {
    match archive.store().get(key).await {
        Ok(body) => Ok(Some(body.collect(DOCUMENT).await?)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The sentinel of a backup.
pub(super) async fn sentinel(archive: &Archive, name: &BackupName) -> Result<Sentinel> {
    Ok(Sentinel::parse(&archive.read_plain(&names::sentinel(name)).await?)?)
}

/// Content that differs under the same name is an error for somebody to look at.
pub(super) fn differs(from: &Archive, to: &Archive, key: &str) -> Error {
    let (here, there) = (from.store().place(), to.store().place());
    Error::new(Code::Mismatch, format!("\"{key}\" at {there} is another than at {here}"))
        .hint("Nothing was replaced. Find out which is right (`walg-wrap verify`), and delete the other with its sums.")
}

/// Whether what was written is what was sent: by the service's own checksum of it, or read again.
async fn proven(to: &Archive, key: &str, sent: Passed, crc64: u64) -> Result<()> {
    let meta = to.store().head(key).await?;
    let same = match meta.crc64 {
        Some(known) => known == crc64 && meta.size == sent.bytes,
        None => sum(to, key).await? == sent,
    };
    if same {
        return Ok(());
    }
    // Written by this call a moment ago.
    to.store().delete([key]).await?;
    Err(Error::new(Code::Mismatch, format!("the copy of \"{key}\" isn't what was sent; it was deleted again"))
        .hint("Run it again; when it stays so, the store loses or changes what it is given."))
}

async fn sum(archive: &Archive, key: &str) -> Result<Passed> {
    let body = archive.store().get(key).await?;
    let passed: Arc<Mutex<Option<Passed>>> = Arc::default();
    let mut pieces = summed(body, None, Arc::clone(&passed)).boxed();
    while let Some(piece) = pieces.next().await {
        piece.map_err(|error| Error::new(Code::Unreachable, format!("could not read \"{key}\"")).source(error))?;
    }
    let passed = passed.lock().unwrap_or_else(PoisonError::into_inner).take();
    passed.ok_or_else(|| Error::internal("a body without an end"))
}

/// The pieces of a body; behind the last one an error, where they aren't what the sums say, so that what is
/// made of them never appears.
fn summed(
    body: Body,
    sums: Option<Sidecar>,
    passed: Arc<Mutex<Option<Passed>>>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let state = Some((body, Summing::new(io::sink()), sums, passed));
    stream::try_unfold(state, async |state| {
        let Some((mut body, mut summing, sums, passed)) = state else { return Ok(None) };
        if let Some(piece) = body.next().await {
            let piece = piece.map_err(io::Error::from)?;
            io::Write::write_all(&mut summing, &piece)?;
            return Ok(Some((piece, Some((body, summing, sums, passed)))));
        }
        let (_, all) = summing.finish();
        if let Some(sums) = &sums {
            sums.compare(all).map_err(|corrupt: Corrupt| io::Error::from(corrupt))?;
        }
        *passed.lock().unwrap_or_else(PoisonError::into_inner) = Some(all);
        Ok(None)
    })
}

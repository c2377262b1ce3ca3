//! The content of an object, as it comes.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use super::error::{Class, Result, StoreError};
use super::object::Meta;

/// The content of an object. It ends without an error only when every byte has arrived, and, where
/// the store knows the checksum of a whole object, the right ones.
pub struct Body {
    meta: Meta,
    chunks: BoxStream<'static, Result<Bytes>>,
}

impl Body {
    pub(super) fn new(meta: Meta, chunks: BoxStream<'static, Result<Bytes>>) -> Self {
        Self { meta, chunks }
    }

    /// What the store says of the object.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// All of it, when it is no larger than this many bytes.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes> {
        let large = |size: u64| {
            StoreError::new(
                Class::Other,
                format!("\"{}\" has {size} bytes, and at most {limit} are read at once", self.meta.key),
            )
        };
        if self.meta.size > limit as u64 {
            return Err(large(self.meta.size));
        }
        let mut all = BytesMut::new();
        while let Some(chunk) = self.chunks.next().await {
            all.extend_from_slice(&chunk?);
            // The store may have promised less than it sends.
            if all.len() > limit {
                return Err(large(all.len() as u64));
            }
        }
        Ok(all.freeze())
    }

    /// As a reader; its errors have the store's as their source.
    pub fn into_reader(self) -> impl AsyncRead + Send + Unpin + 'static {
        StreamReader::new(self.chunks.map(|chunk| chunk.map_err(std::io::Error::from)))
    }

    /// As the source of another object.
    pub fn into_source(self) -> super::Source {
        self.chunks.map(|chunk| chunk.map_err(std::io::Error::from)).boxed()
    }
}

impl Stream for Body {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("meta", &self.meta).finish_non_exhaustive()
    }
}

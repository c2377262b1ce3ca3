//! The byte stream under a connection, and the two things done to it before and after the login.
//!
//! *Before*: tokio-postgres negotiates TLS by rules of its own, coarser than libpq's. So the stream
//! is brought up here, and handed over with [`Established`] as if TLS had just succeeded.
//! *After*: rows in the server's own text need a protocol mode that tokio-postgres doesn't offer.
//! [`Link::lend`] lends it a stream for the login and takes the stream back afterwards. Only whole
//! messages are ever lent, so nothing is lost in a buffer that goes away with the borrower.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready as poll_ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::startup;

type TlsOverTcp = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::Stream;

/// A connected stream, encrypted or not.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsOverTcp>),
}

impl Stream {
    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    fn binding(&self) -> ChannelBinding {
        match self {
            Self::Tls(stream) => stream.channel_binding(),
            Self::Tcp(_) | Self::Unix(_) => ChannelBinding::none(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Says to tokio-postgres that TLS has been seen to.
pub(super) struct Established(pub(super) Link);

impl<S> TlsConnect<S> for Established {
    type Stream = Link;
    type Error = Infallible;
    type Future = Ready<Result<Link, Infallible>>;

    fn connect(self, _: S) -> Self::Future {
        ready(Ok(self.0))
    }
}

/// What tokio-postgres reads from and writes to.
pub(super) enum Link {
    Owned(Stream),
    Lent(Arc<Mutex<Aligned>>),
    /// Stays open, when it is told to shut down, until the server has closed its side. So libpq
    /// waits after a cancel request: only then has it been carried out, and PgBouncer 1.18 dies
    /// when a client that asked for a cancel goes away before.
    Patient(Stream),
}

/// The right to take a lent stream back.
pub(super) struct Pledge(Arc<Mutex<Aligned>>);

impl Link {
    /// Lends a stream. The first message that is written gets `parameter`, a name and a value, as one
    /// more parameter of the startup.
    pub(super) fn lend(stream: Stream, parameter: Option<(&'static str, &'static str)>) -> (Self, Pledge) {
        let aligned = Aligned { stream, waiting: BytesMut::new(), ready: 0, parameter, outgoing: BytesMut::new() };
        let aligned = Arc::new(Mutex::new(aligned));
        (Self::Lent(Arc::clone(&aligned)), Pledge(aligned))
    }
}

impl Pledge {
    /// Takes the stream back, with what was read from it but not lent yet; `None` while the
    /// borrower still has it.
    pub(super) fn redeem(self) -> Option<(Stream, BytesMut)> {
        let aligned = Arc::into_inner(self.0)?.into_inner().unwrap_or_else(PoisonError::into_inner);
        Some((aligned.stream, aligned.waiting))
    }
}

/// A stream that is read in whole messages.
pub(super) struct Aligned {
    stream: Stream,
    /// Bytes read and not handed out yet.
    waiting: BytesMut,
    /// How many of them are the rest of a whole message.
    ready: usize,
    /// What the startup message still lacks.
    parameter: Option<(&'static str, &'static str)>,
    /// The amended startup message, as far as it isn't sent.
    outgoing: BytesMut,
}

impl Aligned {
    /// A message is a tag byte and a length that counts itself but not the tag.
    fn whole_message(&self) -> Option<usize> {
        let length = self.waiting.get(1..5)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize + 1;
        (self.waiting.len() >= length).then_some(length)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.ready == 0 {
            if let Some(length) = self.whole_message() {
                self.ready = length;
                break;
            }
            let mut chunk = [0; 4096];
            let mut read = ReadBuf::new(&mut chunk);
            poll_ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.waiting.extend_from_slice(read.filled());
        }
        let length = self.ready.min(buf.remaining());
        buf.put_slice(&self.waiting[..length]);
        self.waiting.advance(length);
        self.ready -= length;
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Some((name, value)) = self.parameter.take() {
            // tokio-postgres hands a message over in one piece.
            self.outgoing = startup::with_parameter(buf, name, value).ok_or(io::ErrorKind::InvalidInput)?;
            return Poll::Ready(Ok(buf.len()));
        }
        poll_ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let sent = poll_ready!(Pin::new(&mut self.stream).poll_write(cx, &self.outgoing))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.advance(sent);
        }
        Poll::Ready(Ok(()))
    }
}

/// The borrower and the lender never poll at the same time, so the lock is never waited for.
fn lock(aligned: &Mutex<Aligned>) -> MutexGuard<'_, Aligned> {
    aligned.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Owned(stream) | Self::Patient(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Lent(aligned) => lock(aligned).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Owned(stream) | Self::Patient(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Lent(aligned) => lock(aligned).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Owned(stream) | Self::Patient(stream) => Pin::new(stream).poll_flush(cx),
            Self::Lent(aligned) => lock(aligned).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Owned(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Patient(stream) => {
                loop {
                    let mut byte = [0];
                    let mut read = ReadBuf::new(&mut byte);
                    match poll_ready!(Pin::new(&mut *stream).poll_read(cx, &mut read)) {
                        Ok(()) if !read.filled().is_empty() => {}
                        // The server hangs up without further ado, over TLS too: either way it is done.
                        Ok(()) | Err(_) => break,
                    }
                }
                // A stream that is closed already can't be shut down; that is no failure.
                let _ = poll_ready!(Pin::new(stream).poll_shutdown(cx));
                Poll::Ready(Ok(()))
            }
            Self::Lent(aligned) => Pin::new(&mut lock(aligned).stream).poll_shutdown(cx),
        }
    }
}

impl TlsStream for Link {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Self::Owned(stream) | Self::Patient(stream) => stream.binding(),
            Self::Lent(aligned) => lock(aligned).stream.binding(),
        }
    }
}

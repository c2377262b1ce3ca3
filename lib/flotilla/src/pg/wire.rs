//! Messages to and from a server, over a stream that is past its login.

use std::io;

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::link::Stream;
use super::report::{self, Report};
use crate::error::{Code, Error, Result};

/// How much is read at once. What isn't read yet waits in the socket, which is what makes the
/// server wait for a slow reader.
const CHUNK: usize = 64 * 1024;

/// A connection, message by message.
pub(super) struct Wire {
    stream: Stream,
    incoming: BytesMut,
    outgoing: BytesMut,
    chunk: usize,
}

impl Wire {
    pub(super) fn new(stream: Stream, incoming: BytesMut) -> Self {
        Self { stream, incoming, outgoing: BytesMut::new(), chunk: CHUNK }
    }

    /// Reads so many bytes at once.
    pub(super) fn chunk(mut self, bytes: usize) -> Self {
        self.chunk = bytes;
        self
    }

    /// The buffer of messages to send; what `write` does is undone if it fails.
    pub(super) fn put(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<()> {
        let before = self.outgoing.len();
        write(&mut self.outgoing).map_err(|e| {
            self.outgoing.truncate(before);
            // The one thing the protocol can't carry in a text is a NUL byte.
            Error::input("statement or parameter can't be sent").hint("It must not contain a NUL byte.").source(e)
        })
    }

    /// Sends what was put.
    pub(super) async fn send(&mut self) -> Result<()> {
        let sent = async {
            self.stream.write_all(&self.outgoing).await?;
            self.stream.flush().await
        };
        let sent = sent.await;
        self.outgoing.clear();
        sent.map_err(|e| report::lost(&e))
    }

    /// The next message that answers something. Notices go to the log.
    pub(super) async fn next(&mut self) -> Result<Message> {
        loop {
            match Message::parse(&mut self.incoming).map_err(|e| garbled(&e))? {
                Some(Message::NoticeResponse(body)) => {
                    Report::parse(body.fields()).map_err(|e| garbled(&e))?.log();
                }
                Some(Message::ParameterStatus(_) | Message::NotificationResponse(_)) => {}
                Some(message) => return Ok(message),
                None => {
                    self.incoming.reserve(self.chunk);
                    match self.stream.read_buf(&mut self.incoming).await {
                        Ok(0) => return Err(report::closed()),
                        Ok(_) => {}
                        Err(e) => return Err(report::lost(&e)),
                    }
                }
            }
        }
    }

    /// Reads up to the point where the server is ready again; the first error on the way.
    pub(super) async fn settle(&mut self) -> Result<()> {
        let mut outcome = Ok(());
        loop {
            match self.next().await? {
                Message::ReadyForQuery(_) => return outcome,
                Message::ErrorResponse(body) if outcome.is_ok() => {
                    outcome = Err(Report::parse(body.fields()).map_err(|e| garbled(&e))?.error());
                }
                _ => {}
            }
        }
    }

    /// Runs SQL by the simple protocol, for its effect.
    pub(super) async fn simple(&mut self, sql: &str) -> Result<()> {
        self.put(|buf| frontend::query(sql, buf))?;
        self.send().await?;
        self.settle().await
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        // Whatever happens to it: the server notices the end of the stream as well.
        let _ = self.put(|buf| {
            frontend::terminate(buf);
            Ok(())
        });
        let _ = self.send().await;
        let _ = self.stream.shutdown().await;
    }
}

/// An answer that isn't PostgreSQL's protocol.
pub(super) fn garbled(error: &io::Error) -> Error {
    Error::new(Code::QueryFailed, format!("could not understand the server: {error}"))
}

/// An answer that doesn't belong here.
pub(super) fn unexpected() -> Error {
    Error::new(Code::QueryFailed, "unexpected message from server")
}

//! Knocking: what a server says to a login before it has seen anything secret.
//!
//! Whether a server would take a login without TLS, or without a password, is told by its first answer
//! (PostgreSQL's documentation, "Message Flow", "Start-up"). Nothing is sent but user and database, and
//! the connection ends there.

use std::io;

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::dial::{self, Address, DialError, Dialer, Encryption};
use super::endpoint::{Endpoint, Host};
use super::link::Stream;
use super::report::{self, Report};
use crate::error::{Code, Error, Result};

/// Longer first answers are no server's, in bytes.
const ANSWER_LIMIT: usize = 16 << 10;

/// What a server says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It refuses this login.
    Refused {
        /// Its SQLSTATE.
        sqlstate: String,
        /// Its words.
        message: String,
    },
    /// It asks for a proof.
    Asks(Proof),
    /// It lets the user in without any.
    LetsIn,
}

/// The proof that a server asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Knowledge of the password, by SCRAM.
    Scram,
    /// The password, hashed by MD5.
    Md5,
    /// The password itself.
    Password,
    /// Something else, such as a ticket of Kerberos.
    Other,
}

impl Endpoint {
    /// Knocks at the first host, with TLS or without.
    pub async fn knock(&self, encrypted: bool) -> Result<Answer> {
        let host = self.hosts.first().ok_or_else(|| Error::internal("nobody to knock at"))?;
        let knocking = self.knock_at(host, encrypted);
        let Some(limit) = self.connect_timeout else { return knocking.await };
        tokio::time::timeout(limit, knocking)
            .await
            .unwrap_or_else(|_| Err(Error::new(Code::Timeout, format!("no answer to a login within {limit:?}"))))
    }

    async fn knock_at(&self, host: &Host, encrypted: bool) -> Result<Answer> {
        let mut last = Error::new(Code::Unreachable, format!("\"{}\" has no address", host.host.escape_debug()));
        for address in self.addresses(host).await.map_err(|failure| failure.error)? {
            let tls = if encrypted { self.ssl.config()?.map(MakeRustlsConnect::new) } else { None };
            let checked = encrypted && self.ssl.checks_name() && matches!(address, Address::Tcp(_));
            let dialer = Dialer {
                tls_name: dial::tls_name(host, &address, checked)?,
                address,
                tcp: self.tcp,
                require_peer: None,
                tls,
                encryption: if encrypted { Encryption::Required } else { Encryption::Plain },
            };
            match dialer.open().await {
                Ok(stream) => {
                    return first_answer(stream, &self.user, &self.dbname).await.map_err(|e| report::lost(&e));
                }
                Err(error @ DialError::Network(_)) => last = error.error(),
                Err(error) => return Err(error.error()),
            }
        }
        Err(last)
    }
}

async fn first_answer(mut stream: Stream, user: &str, dbname: &str) -> io::Result<Answer> {
    let mut buffer = BytesMut::new();
    frontend::startup_message([("user", user), ("database", dbname)], &mut buffer)?;
    stream.write_all(&buffer).await?;
    stream.flush().await?;
    buffer.clear();
    loop {
        if let Some(message) = Message::parse(&mut buffer)? {
            return answer(message);
        }
        if buffer.len() > ANSWER_LIMIT || stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn answer(message: Message) -> io::Result<Answer> {
    Ok(match message {
        Message::AuthenticationOk => Answer::LetsIn,
        Message::AuthenticationSasl(_) => Answer::Asks(Proof::Scram),
        Message::AuthenticationMd5Password(_) => Answer::Asks(Proof::Md5),
        Message::AuthenticationCleartextPassword => Answer::Asks(Proof::Password),
        Message::ErrorResponse(body) => {
            let Report { sqlstate, message, .. } = Report::parse(body.fields())?;
            Answer::Refused { sqlstate, message }
        }
        _ => Answer::Asks(Proof::Other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> Answer {
        answer(Message::parse(&mut BytesMut::from(bytes)).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn the_first_answer_tells_what_a_server_wants() {
        assert_eq!(said(b"R\0\0\0\x08\0\0\0\0"), Answer::LetsIn);
        assert_eq!(said(b"R\0\0\0\x08\0\0\0\x03"), Answer::Asks(Proof::Password));
        assert_eq!(said(b"R\0\0\0\x0c\0\0\0\x05salt"), Answer::Asks(Proof::Md5));
        assert_eq!(said(b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"), Answer::Asks(Proof::Scram));
        let refused = Answer::Refused { sqlstate: "28000".to_owned(), message: "go".to_owned() };
        assert_eq!(said(b"E\0\0\0\x10C28000\0Mgo\0\0"), refused);
    }
}

//! A session: a client, the task that drives its connection, and what is known of the server.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::{poll_fn, ready};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, CancelToken, Client, SimpleQueryMessage, SimpleQueryRow, SimpleQueryStream};

use super::connect::Arrival;
use super::dial::Dialer;
use super::endpoint::Host;
use super::link::{Established, Link};
use super::report::{self, Report};
use crate::error::{Code, Error, Result};

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It is in recovery: it replays what a primary writes.
    Standby,
}

/// A logged-in session; everything that [`Client`] can do, it can.
///
/// Dropping it ends the session as soon as what was sent is answered; [`Session::close`] waits for
/// that.
pub struct Session {
    client: Client,
    driver: JoinHandle<()>,
    ended: watch::Receiver<Option<String>>,
    canceller: Canceller,
    place: String,
    host: Host,
    server_version: String,
    tls: bool,
}

impl Session {
    pub(super) fn new(arrival: Arrival) -> Self {
        let Arrival { client, mut connection, place, host, dialer, pledge: _ } = arrival;
        let server_version = connection.parameter("server_version").unwrap_or_default().to_owned();
        let tls = dialer.encryption == super::dial::Encryption::Required;
        let canceller = Canceller { token: client.cancel_token(), dialer };
        let (end, ended) = watch::channel(None);
        let driver = tokio::spawn(async move {
            let last = loop {
                match poll_fn(|cx| connection.poll_message(cx)).await {
                    Some(Ok(AsyncMessage::Notice(notice))) => Report::from(&notice).log(),
                    Some(Ok(_)) => {}
                    Some(Err(e)) => break Error::from(e).message().to_owned(),
                    None => break "the session was closed".to_owned(),
                }
            };
            end.send_replace(Some(last));
        });
        Self { client, driver, ended, canceller, place, host, server_version, tls }
    }

    /// The server that was found, as messages name it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The host that was found, of those that the endpoint lists.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The server's version as it writes it, such as `15.20 (Debian 15.20-0+deb12u1)`.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// The server's major version; 0 where it doesn't say.
    pub fn major_version(&self) -> u32 {
        let digits = self.server_version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse().unwrap_or(0)
    }

    /// Runs SQL by the simple protocol, which also works through a pooler in transaction mode;
    /// several statements are one transaction unless they say otherwise. The rows, as text.
    pub async fn simple(&self, sql: &str) -> Result<Vec<SimpleQueryRow>> {
        let messages = self.client.simple_query(sql).await?;
        Ok(messages
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
            .collect())
    }

    /// Runs SQL as [`Self::simple`] does, one message after another, without waiting in between; how each ended, as
    /// far as is asked. A message that fails doesn't keep the next from running: for what may run all the same, and
    /// for a transaction's middle, of which nothing runs any more.
    pub async fn pipelined(&self, messages: &[&str]) -> Answers {
        let mut answers = VecDeque::with_capacity(messages.len());
        for sql in messages {
            // It is sent here and waited for by whoever asks for its answer.
            answers.push_back(self.client.simple_query_raw(sql).await);
        }
        Answers(answers)
    }

    /// The first value that SQL gives, as text; `None` for no row and for NULL.
    pub async fn value(&self, sql: &str) -> Result<Option<String>> {
        Ok(self.simple(sql).await?.first().and_then(|row| row.get(0)).map(str::to_owned))
    }

    /// Whether the server is a primary or a standby right now.
    pub async fn role(&self) -> Result<Role> {
        match self.value("SELECT pg_catalog.pg_is_in_recovery()").await?.as_deref() {
            Some("f") => Ok(Role::Primary),
            Some("t") => Ok(Role::Standby),
            _ => Err(Error::new(Code::QueryFailed, "server doesn't say whether it is in recovery")),
        }
    }

    /// The cluster's system identifier; `None` where the user may not ask.
    pub async fn system_identifier(&self) -> Result<Option<String>> {
        match self.value("SELECT system_identifier FROM pg_catalog.pg_control_system()").await {
            Ok(identifier) => Ok(identifier),
            // Insufficient privilege, or a server that isn't quite PostgreSQL.
            Err(e) if matches!(e.state(), Some("42501" | "42883" | "0A000")) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Limits every statement of the session from now on; zero lifts the limit.
    pub async fn statement_timeout(&self, limit: Duration) -> Result<()> {
        self.simple(&format!("SET statement_timeout = {}", limit.as_millis())).await.map(drop)
    }

    /// Limits every wait for a lock from now on; zero lifts the limit.
    pub async fn lock_timeout(&self, limit: Duration) -> Result<()> {
        self.simple(&format!("SET lock_timeout = {}", limit.as_millis())).await.map(drop)
    }

    /// Something that can cancel what the session is running, from anywhere.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Cancels what the session is running.
    pub async fn cancel(&self) -> Result<()> {
        self.canceller.cancel().await
    }

    /// An error if the connection is gone.
    pub fn check(&self) -> Result<()> {
        match &*self.ended.borrow() {
            Some(why) => Err(gone(why)),
            None => Ok(()),
        }
    }

    /// Waits until the connection is gone, and says why.
    pub async fn gone(&self) -> Error {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(why) => gone(why.as_deref().unwrap_or_default()),
            Err(_) => report::closed(),
        }
    }

    /// Says goodbye and waits for the connection to close, for a second at most.
    pub async fn close(self) {
        let Self { client, driver, .. } = self;
        drop(client);
        let abort = driver.abort_handle();
        if tokio::time::timeout(Duration::from_secs(1), driver).await.is_err() {
            abort.abort();
        }
    }
}

/// The answers to messages that were sent without waiting; what isn't asked for is left unread.
pub struct Answers(VecDeque<std::result::Result<SimpleQueryStream, tokio_postgres::Error>>);

impl Answers {
    /// How the next message ended.
    pub async fn next(&mut self) -> Result<()> {
        let Some(answer) = self.0.pop_front() else { return Err(Error::internal("more answers than messages")) };
        answer?.try_for_each(|_| ready(Ok(()))).await.map_err(Error::from)
    }
}

fn gone(why: &str) -> Error {
    Error::new(Code::Unreachable, why).hint("The server stopped, restarted or changed its role; run it again.")
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// Cancels what a session is running, over a connection of its own that is as well encrypted and
/// verified as the session's.
#[derive(Clone)]
pub struct Canceller {
    pub(super) token: CancelToken,
    pub(super) dialer: Dialer,
}

impl Canceller {
    /// How long a cancel request may take.
    const LIMIT: Duration = Duration::from_secs(5);

    /// Sends the request. Whether there was something to cancel isn't known; the statement's own
    /// end tells.
    pub async fn cancel(&self) -> Result<()> {
        let request = async {
            let stream = self.dialer.open().await.map_err(super::dial::DialError::error)?;
            self.token.cancel_query_raw(tokio::io::empty(), Established(Link::Patient(stream))).await?;
            Ok(())
        };
        tokio::time::timeout(Self::LIMIT, request)
            .await
            .unwrap_or_else(|_| Err(Error::new(Code::Timeout, "timeout expired while sending a cancel request")))
    }
}

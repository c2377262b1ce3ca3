//! Finding a server that takes the connection: hosts in order, each of its addresses, with
//! libpq's rules for TLS, passwords and roles.
//!
//! One rule differs: libpq gives up when a server closes the connection during the login without a
//! word, as a balancer without a backend does, and when a pooler says that it can't serve anybody
//! now. Here the next host is tried, which is what the second balancer and pooler are for.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::PathBuf;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, select};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::Empty;
use tokio_postgres::config::{ChannelBinding as Binding, Config, SslMode as TokioSslMode, SslNegotiation};
use tokio_postgres::{Client, Connection, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::dial::{self, Address, DialError, Dialer, Encryption};
use super::endpoint::{ChannelBinding, Endpoint, Host, SessionAttrs};
use super::failure::{self, Failure, Next};
use super::link::{Established, Link, Pledge};
use super::pooler;
use super::report::{self, Report};
use super::rows::RowSession;
use super::session::Session;
use super::ssl::SslMode;
use crate::error::{Code, Error, Result};
use crate::tls;

/// A login that succeeded.
pub(super) struct Arrival {
    pub(super) client: Client,
    pub(super) connection: Connection<Empty, Link>,
    /// Where, as messages name it.
    pub(super) place: String,
    pub(super) host: Host,
    pub(super) dialer: Dialer,
    /// Given when the stream was only lent for the login.
    pub(super) pledge: Option<Pledge>,
}

/// Whether the stream is taken back after the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Give {
    Away,
    OnLoan,
    /// As on loan, from a walsender.
    ForReplication,
}

impl Endpoint {
    /// Connects to the first server that will do. The error names every server that was tried.
    pub fn connect(&self) -> BoxFuture<'_, Result<Session>> {
        async move { Ok(Session::new(self.find(Give::Away).await?)) }.boxed()
    }

    /// Connects for running SQL whose rows are read as the server writes them.
    pub fn connect_rows(&self) -> BoxFuture<'_, Result<RowSession>> {
        async move { RowSession::new(self.find(Give::OnLoan).await?).await }.boxed()
    }

    pub(super) async fn find(&self, give: Give) -> Result<Arrival> {
        let tls = if self.hosts.iter().all(Host::is_socket) { None } else { self.ssl.config()? };
        let tls = tls.map(MakeRustlsConnect::new);
        let mut attempts = Vec::new();
        let passes: &[SessionAttrs] = match self.session_attrs {
            // First a standby; if there is none, whoever answers.
            SessionAttrs::PreferStandby => &[SessionAttrs::Standby, SessionAttrs::Any],
            _ => &[self.session_attrs],
        };
        for attrs in passes {
            attempts.clear();
            for host in &self.hosts {
                match self.try_host(host, tls.as_ref(), *attrs, give, &mut attempts).await {
                    Some(arrival) => return Ok(arrival),
                    None if attempts.last().is_some_and(|(_, f): &(_, Failure)| f.next == Next::Stop) => {
                        return Err(failure::all(attempts));
                    }
                    None => {}
                }
            }
        }
        Err(failure::all(attempts))
    }

    /// Tries every address of a host; what fails is added to `attempts`.
    async fn try_host(
        &self,
        host: &Host,
        tls: Option<&MakeRustlsConnect>,
        attrs: SessionAttrs,
        give: Give,
        attempts: &mut Vec<(String, Failure)>,
    ) -> Option<Arrival> {
        let addresses = match self.within(self.addresses(host)).await {
            Ok(addresses) => addresses,
            Err(failure) => {
                attempts.push((failure::place(host, None), failure));
                return None;
            }
        };
        for address in addresses {
            let place = failure::place(host, Some(&address));
            match self.within(self.try_address(host, &address, tls, attrs, give)).await {
                Ok(arrival) => return Some(arrival),
                Err(failure) => {
                    let next = failure.next;
                    tracing::debug!("connection to {place} failed: {}", failure.error);
                    attempts.push((place, failure));
                    if next != Next::Address {
                        return None;
                    }
                }
            }
        }
        None
    }

    /// Holds an attempt to the connect timeout.
    async fn within<T>(&self, attempt: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let Some(limit) = self.connect_timeout else { return attempt.await };
        tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
            let error = Error::new(Code::Timeout, "timeout expired")
                .hint("Check that the server runs and that no firewall drops the packets, or raise connect_timeout.");
            Err(Failure::new(error, Next::Address))
        })
    }

    pub(super) async fn addresses(&self, host: &Host) -> Result<Vec<Address>, Failure> {
        if host.is_socket() {
            return Ok(vec![Address::Unix(PathBuf::from(format!("{}/.s.PGSQL.{}", host.host, host.port)))]);
        }
        if let Some(address) = host.hostaddr {
            return Ok(vec![Address::Tcp(SocketAddr::new(address, host.port))]);
        }
        let found = tokio::net::lookup_host((host.host.as_str(), host.port)).await.map_err(|e| {
            let name = host.host.escape_debug();
            let error = Error::new(Code::Unreachable, format!("could not translate host name \"{name}\" to address"))
                .hint("Check the name, or give the address as hostaddr.")
                .source(e);
            Failure::new(error, Next::Host)
        })?;
        Ok(found.map(Address::Tcp).collect())
    }

    async fn try_address(
        &self,
        host: &Host,
        address: &Address,
        tls: Option<&MakeRustlsConnect>,
        attrs: SessionAttrs,
        give: Give,
    ) -> Result<Arrival, Failure> {
        let ways: &[Encryption] = match (address, self.ssl.mode) {
            (Address::Unix(_), _) | (_, SslMode::Disable) => &[Encryption::Plain],
            (_, SslMode::Allow) => &[Encryption::Plain, Encryption::IfOffered],
            (_, SslMode::Prefer) => &[Encryption::IfOffered, Encryption::Plain],
            (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => &[Encryption::Required],
        };
        let tls_name = dial::tls_name(host, address, self.ssl.checks_name() && matches!(address, Address::Tcp(_)))
            .map_err(|error| Failure::new(error, Next::Stop))?;
        let mut dialer = Dialer {
            address: address.clone(),
            tcp: self.tcp,
            require_peer: self.require_peer.clone(),
            tls: tls.cloned(),
            tls_name,
            encryption: ways[0],
        };
        let first = match self.log_in(host, &dialer, give).await {
            Ok(arrival) => return with_role(arrival, attrs).await,
            Err(failure) => failure,
        };
        // `allow` asks again with TLS when the server refuses; `prefer` asks again without when it
        // refuses over TLS, or when TLS fails.
        let again = first.next != Next::Host
            && match self.ssl.mode {
                SslMode::Allow => first.refused,
                SslMode::Prefer => first.tls,
                _ => false,
            };
        let Some(way) = ways.get(1).filter(|_| again) else { return Err(first) };
        dialer.encryption = *way;
        with_role(self.log_in(host, &dialer, give).await?, attrs).await
    }

    async fn log_in(&self, host: &Host, dialer: &Dialer, give: Give) -> Result<Arrival, Failure> {
        let stream = dialer.open().await.map_err(|e| {
            let (tls, next) = match &e {
                DialError::Network(_) => (false, Next::Address),
                DialError::Verdict(error) => (error.code() == Code::Tls, Next::Stop),
            };
            Failure { error: e.error(), next, refused: false, tls }
        })?;
        let tls = stream.is_tls();
        let password = self.password(host);
        let config = self.login(password.as_ref().ok().and_then(Option::as_ref).map(|(password, _)| password));
        let (link, pledge) = match give {
            Give::Away => (Link::Owned(stream), None),
            Give::OnLoan | Give::ForReplication => {
                let parameter = (give == Give::ForReplication).then_some(("replication", "database"));
                let (link, pledge) = Link::lend(stream, parameter);
                (link, Some(pledge))
            }
        };
        let mut dialer = dialer.clone();
        dialer.encryption = if tls { Encryption::Required } else { Encryption::Plain };
        match config.connect_raw(tokio::io::empty(), Established(link)).await {
            Ok((client, connection)) => {
                let place = failure::place(host, Some(&dialer.address));
                Ok(Arrival { client, connection, place, host: host.clone(), dialer, pledge })
            }
            Err(error) => Err(self.login_failure(host, password, &error, tls)),
        }
    }

    fn login(&self, password: Option<&SecretString>) -> Config {
        let mut config = Config::new();
        config.user(&self.user).dbname(&self.dbname);
        // TLS has been seen to: tokio-postgres is told to start with it at once, and gets our link.
        config.ssl_mode(TokioSslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        config.channel_binding(match self.channel_binding {
            ChannelBinding::Disable => Binding::Disable,
            ChannelBinding::Prefer => Binding::Prefer,
            ChannelBinding::Require => Binding::Require,
        });
        if let Some(password) = password.filter(|password| !password.expose_secret().is_empty()) {
            config.password(password.expose_secret());
        }
        if let Some(name) = &self.application_name {
            config.application_name(name);
        }
        if let Some(options) = &self.options {
            config.options(options);
        }
        config
    }

    /// Why a login failed, and whether another host may be asked.
    fn login_failure(
        &self,
        host: &Host,
        password: Result<Option<(SecretString, bool)>>,
        error: &tokio_postgres::Error,
        tls: bool,
    ) -> Failure {
        if let Some(db) = error.as_db_error() {
            let report = Report::from(db);
            let sqlstate = report.sqlstate.clone();
            let mut error = report.error();
            // A server that is starting up, or a pooler that can't serve now, sends its callers on.
            let busy = sqlstate == "57P03" || (sqlstate == pooler::SQLSTATE && error.code() == Code::Unreachable);
            let next = if busy { Next::Host } else { Next::Stop };
            if let (Code::AuthFailed, Ok(Some((_, true))), Some(path), None) =
                (error.code(), &password, &self.passfile, error.record().hint)
            {
                error = error.hint(format!("The password was read from \"{}\".", path.display()));
            }
            return Failure { error, next, refused: true, tls };
        }
        if let Some(found) = tls::find(error) {
            return Failure { error: tls::explain(found, &host.host), next: Next::Stop, refused: false, tls: true };
        }
        // tokio-postgres types its errors no further than by these words.
        let error = match error.to_string().as_str() {
            "invalid configuration" => match password {
                Err(unusable) => unusable,
                Ok(_) => self.no_password(host),
            },
            "authentication error" => self.not_authentic(error, tls),
            _ => return Failure { error: broken_off(error), next: Next::Address, refused: false, tls: false },
        };
        Failure { error, next: Next::Stop, refused: false, tls: false }
    }

    fn no_password(&self, host: &Host) -> Error {
        let file = self.passfile.as_ref().map_or_else(|| "~/.pgpass".to_owned(), |path| path.display().to_string());
        Error::new(Code::AuthFailed, "no password supplied").hint(format!(
            "Add the line \"{}\" to \"{file}\" (mode 0600), or name another password file as PGPASSFILE.",
            self.passfile_line(host)
        ))
    }

    fn not_authentic(&self, error: &tokio_postgres::Error, tls: bool) -> Error {
        let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        if self.channel_binding == ChannelBinding::Require && why.contains("channel binding") {
            let message = if tls {
                "channel binding required, but server authenticated client without channel binding"
            } else {
                "channel binding required, but SSL not in use"
            };
            return Error::new(Code::AuthFailed, message)
                .hint("It needs TLS and a SCRAM password; check pg_hba.conf and sslmode.");
        }
        Error::new(Code::AuthFailed, if why.is_empty() { "authentication failed".to_owned() } else { why })
    }
}

/// The server went away in the middle of the login.
fn broken_off(error: &tokio_postgres::Error) -> Error {
    match std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>()) {
        Some(io) => report::lost(io),
        None => report::closed(),
    }
}

/// Checks that the server is what `target_session_attrs` asks for.
async fn with_role(mut arrival: Arrival, attrs: SessionAttrs) -> Result<Arrival, Failure> {
    let wrong = |message: &str| {
        Err(Failure::new(
            Error::new(Code::WrongRole, message)
                .hint("The servers' roles may be changing; ask again, or look at \"shardctl status\"."),
            Next::Host,
        ))
    };
    match attrs {
        SessionAttrs::Any | SessionAttrs::PreferStandby => Ok(arrival),
        SessionAttrs::ReadWrite | SessionAttrs::ReadOnly => {
            match (arrival.is_read_only().await?, attrs == SessionAttrs::ReadOnly) {
                (true, false) => wrong("session is read-only"),
                (false, true) => wrong("session is not read-only"),
                _ => Ok(arrival),
            }
        }
        SessionAttrs::Primary | SessionAttrs::Standby => {
            match (arrival.is_in_recovery().await?, attrs == SessionAttrs::Standby) {
                (true, false) => wrong("server is in hot standby mode"),
                (false, true) => wrong("server is not in hot standby mode"),
                _ => Ok(arrival),
            }
        }
    }
}

impl Arrival {
    /// A setting that the server reports by itself, as PostgreSQL 14 and later do for these two and
    /// PgBouncer doesn't.
    fn reported(&self, name: &str) -> Option<bool> {
        self.connection.parameter(name).map(|value| value == "on")
    }

    async fn is_read_only(&mut self) -> Result<bool, Failure> {
        match (self.reported("default_transaction_read_only"), self.reported("in_hot_standby")) {
            (Some(default), Some(standby)) => Ok(default || standby),
            _ => Ok(self.ask("SHOW transaction_read_only").await? == "on"),
        }
    }

    async fn is_in_recovery(&mut self) -> Result<bool, Failure> {
        match self.reported("in_hot_standby") {
            Some(standby) => Ok(standby),
            None => Ok(self.ask("SELECT pg_catalog.pg_is_in_recovery()").await? == "t"),
        }
    }

    /// Runs a query for one value while nothing else drives the connection yet.
    async fn ask(&mut self, sql: &str) -> Result<String, Failure> {
        let query = std::pin::pin!(self.client.simple_query(sql));
        let connection = &mut self.connection;
        let drive = std::pin::pin!(async move {
            while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
                if message.is_err() {
                    break;
                }
            }
        });
        let failed = |error: Error| Failure::new(error, Next::Host);
        match select(query, drive).await {
            Either::Left((Ok(messages), _)) => messages
                .iter()
                .find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                    _ => None,
                })
                .ok_or_else(|| failed(Error::new(Code::QueryFailed, format!("\"{sql}\" gave no answer")))),
            Either::Left((Err(e), _)) => Err(failed(e.into())),
            Either::Right(((), _)) => Err(failed(report::closed())),
        }
    }
}

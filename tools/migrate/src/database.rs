//! One database of a run: its session as a migration finds it, its placeholders, its history.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flotilla::error::{Code, Error, Result};
use flotilla::pg::{Session, advisory};
use flotilla::reach;
use flotilla::target::Target;
use flotilla::{Context, failpoint};
use postgres_protocol::escape::{escape_identifier, escape_literal};

use crate::settings::Settings;
use flotilla::migrations::schema_history::{Row, Table, read};
use flotilla::migrations::scripts::{Placeholders, Set};
use flotilla::migrations::state::Scripts;

/// A connection to the primary of one target.
pub(crate) struct Database {
    /// The session.
    pub(crate) session: Link,
    /// The history table.
    pub(crate) table: Table,
    /// The values for this database.
    pub(crate) placeholders: Placeholders,
    /// The target's name.
    pub(crate) target: String,
    /// The shard's name.
    pub(crate) shard: Option<String>,
    /// Whether `shardctl init` has been here.
    pub(crate) has_ledger: bool,
    /// The process that serves the session.
    pub(crate) pid: String,
    role: Option<String>,
    search_path: String,
    /// For which lock timeout the session is as a script finds it, if it is.
    reset: Mutex<Option<Duration>>,
}

/// A session with or without the lock of the history table.
pub(crate) enum Link {
    /// It only reads.
    Reader(Session),
    /// It holds the lock.
    Holder(advisory::Held),
}

impl std::ops::Deref for Link {
    type Target = Session;

    fn deref(&self) -> &Session {
        match self {
            Self::Reader(session) => session,
            Self::Holder(held) => held,
        }
    }
}

impl Database {
    /// Connects to look. The session can't write, whatever is sent.
    pub(crate) async fn reader(cx: &Context, target: &Target, settings: &Settings) -> Result<Self> {
        let session = connect(cx, target).await?;
        session.simple("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY").await?;
        Self::new(cx, target, settings, session).await
    }

    /// Connects to change, as the only one: Flyway and other runs wait, or are waited for.
    pub(crate) async fn writer(cx: &Context, target: &Target, settings: &Settings) -> Result<Self> {
        let session = connect(cx, target).await?;
        let mut database = Self::new(cx, target, settings, session).await?;
        database.check_role().await?;
        let Link::Reader(session) = database.session else { return Err(Error::internal("a session with a lock")) };
        let held = advisory::Held::poll(session, settings.table.lock(), cx.global().lock_wait).await?;
        database.session = Link::Holder(held);
        Ok(database)
    }

    async fn new(cx: &Context, target: &Target, settings: &Settings, session: Session) -> Result<Self> {
        let sql = "SELECT current_user, pg_catalog.current_schema(), pg_catalog.current_setting('search_path'), \
                   pg_catalog.to_regclass('flotilla.ledger'), pg_catalog.pg_backend_pid()";
        let rows = session.simple(sql).await?;
        let row = rows.first().ok_or_else(|| Error::internal("a SELECT without a row"))?;
        // As in Flyway, the role that scripts run as rather than the login.
        let user = settings.role.as_deref().or(row.get(0)).unwrap_or_default();
        let original = row.get(2).unwrap_or_default();
        let is_there = row.get(1) == Some(settings.table.schema.as_str());
        Ok(Self {
            table: settings.table.clone(),
            placeholders: settings.placeholders(cx, target, user)?,
            target: target.name.clone(),
            shard: target.shard().map(|shard| shard.name.clone()),
            has_ledger: row.get(3).is_some(),
            pid: row.get(4).unwrap_or_default().to_owned(),
            role: settings.role.clone(),
            // As Flyway: its default schema first, then what the login has.
            search_path: match (is_there, original) {
                (true, original) => original.to_owned(),
                (false, "") => settings.table.quoted_schema(),
                (false, original) => format!("{}, {original}", settings.table.quoted_schema()),
            },
            reset: Mutex::default(),
            session: Link::Reader(session),
        })
    }

    /// The owner role must be there, and ours to take.
    async fn check_role(&self) -> Result<()> {
        let Some(role) = &self.role else { return Ok(()) };
        let sql = format!(
            "SELECT pg_catalog.pg_has_role(session_user, oid, 'MEMBER') FROM pg_catalog.pg_roles WHERE rolname = {}",
            escape_literal(role)
        );
        match self.session.value(&sql).await?.as_deref() {
            Some("t") => Ok(()),
            Some(_) => Err(Error::refused(format!("the login may not become role \"{role}\"; nothing was touched"))
                .hint(format!("GRANT {role} to it, or name another role with --role."))),
            None => Err(Error::refused(format!("there is no role \"{role}\"; nothing was touched"))
                .hint("Set the shard up with `shardctl init`, or give --role '' to own tables as the login.")),
        }
    }

    /// SQL that becomes the owner again, whoever the script has become.
    pub(crate) fn role_sql(&self) -> String {
        let role = self.role.as_deref().map_or_else(|| "NONE".to_owned(), escape_identifier);
        format!("RESET SESSION AUTHORIZATION; SET ROLE {role}")
    }

    fn reset_sql(&self, lock_timeout: Duration) -> String {
        // Sent for each script: a SET takes a third of what set_config takes. But SET reads a list that came from the
        // server as SQL, and not every value of search_path is.
        format!(
            "{}; RESET ALL; SELECT pg_catalog.set_config('search_path', {}, false); SET client_encoding = 'UTF8'; \
             SET standard_conforming_strings = on; SET statement_timeout = 0; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = 0; SET synchronous_commit = on; \
             SET default_transaction_read_only = off",
            self.role_sql(),
            escape_literal(&self.search_path),
            lock_timeout.as_millis(),
        )
    }

    /// Notes that the session is as a script finds it, or isn't; whether it was, for this lock timeout.
    fn note_reset(&self, now: Option<Duration>, lock_timeout: Duration) -> bool {
        let mut reset = self.reset.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *reset, now) == Some(lock_timeout)
    }

    /// The session as a script finds it, whatever the one before it has set.
    pub(crate) async fn reset(&self, lock_timeout: Duration) -> Result<()> {
        self.note_reset(None, lock_timeout);
        self.session.simple(&self.reset_sql(lock_timeout)).await.map(drop)
    }

    /// The same, and a transaction is open.
    pub(crate) async fn begin(&self, lock_timeout: Duration) -> Result<()> {
        if self.note_reset(None, lock_timeout) {
            return self.session.simple("BEGIN").await.map(drop);
        }
        // Two messages: a transaction takes its isolation from the settings before its first statement.
        let mut ended = self.session.pipelined(&[&self.reset_sql(lock_timeout), "BEGIN"]).await;
        let (reset, begun) = (ended.next().await, ended.next().await);
        let begun = reset.and(begun);
        if begun.is_err() {
            self.roll_back().await;
        }
        begun
    }

    /// Commits after these last messages, and resets the session for what comes next, all on one way: a script of a
    /// few statements takes about as long as its round trips. After a message that fails, `COMMIT` keeps nothing.
    pub(crate) async fn commit_after(&self, last: &[&str], lock_timeout: Duration) -> Result<()> {
        let reset = self.reset_sql(lock_timeout);
        let mut ended = self.session.pipelined(&[last, &["COMMIT", &reset]].concat()).await;
        let mut done = Ok(());
        for _ in last {
            done = done.and(ended.next().await);
            failpoint::hit("migrate.recorded");
        }
        let (committed, reset) = (ended.next().await, ended.next().await);
        // What is committed stays so; whoever begins next resets it again, and says then what is wrong.
        self.note_reset(reset.is_ok().then_some(lock_timeout), lock_timeout);
        done.and(committed)
    }

    /// Does work in a transaction that begins as a script's does; it is kept whole or not at all.
    pub(crate) async fn transaction<T>(
        &self,
        lock_timeout: Duration,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.begin(lock_timeout).await?;
        match work.await {
            Ok(done) => self.commit_after(&[], lock_timeout).await.map(|()| done),
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    /// Keeps nothing of the transaction. If even this fails, the session is gone, and the transaction with it.
    pub(crate) async fn roll_back(&self) {
        let _ = self.session.simple("ROLLBACK").await;
    }

    /// Finds tables where scripts would.
    pub(crate) async fn take_search_path(&self) -> Result<()> {
        self.session.simple(&format!("SET search_path = {}", self.search_path)).await.map(drop)
    }

    /// The history; none where there is no table.
    pub(crate) async fn rows(&self) -> Result<Option<Vec<Row>>> {
        read(&self.session, &self.table).await
    }

    /// The scripts under this database's placeholders.
    pub(crate) fn scripts<'a>(&self, set: &'a Set) -> Result<Scripts<'a>> {
        Scripts::new(set, &self.placeholders)
    }

    /// Ends the session, and with it the lock.
    pub(crate) async fn close(self) {
        match self.session {
            Link::Reader(session) => session.close().await,
            Link::Holder(held) => {
                if let Ok(session) = held.release().await {
                    session.close().await;
                }
            }
        }
    }
}

async fn connect(cx: &Context, target: &Target) -> Result<Session> {
    let config = cx.config()?;
    let session = cx.connect(reach::primary_of(config, target, &config.users.migrator)?).await?;
    if session.major_version() < 12 {
        return Err(Error::new(Code::Unsupported, format!("PostgreSQL {} is too old", session.server_version()))
            .hint("migrate needs PostgreSQL 12 or newer."));
    }
    Ok(session)
}

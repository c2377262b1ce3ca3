//! Advisory locks: agreements between tools that the database keeps.
//!
//! A named lock is the 64-bit key `hashtextextended('flotilla:' || name COLLATE "C", 0)`, worked out
//! by the server, so that anybody with psql can see who holds it:
//! ```sql
//! SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
//!    AND (classid::bigint << 32) | objid::bigint = hashtextextended('flotilla:migrate' COLLATE "C", 0);
//! ```
//! Session locks belong to a server process. They need a direct connection: behind a pooler in
//! transaction mode the next statement may run in another process.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::session::Session;
use crate::error::{Code, Error, Result};

/// What is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A 64-bit number.
    Number(i64),
    /// A pair of 32-bit numbers; another space than single numbers.
    Pair(i32, i32),
    /// A name, hashed by the server.
    Name(String),
}

impl Key {
    /// The arguments of PostgreSQL's lock functions.
    fn arguments(&self) -> String {
        match self {
            Self::Number(key) => format!("({key})::pg_catalog.int8"),
            Self::Pair(class, object) => format!("({class})::pg_catalog.int4, ({object})::pg_catalog.int4"),
            Self::Name(name) => {
                let quoted = name.replace('\\', r"\\").replace('\'', "''");
                format!("pg_catalog.hashtextextended(E'flotilla:{quoted}' COLLATE \"C\", 0)")
            }
        }
    }

    /// SQL that says, within a transaction, whether the session still holds the lock. If so, nobody else can take it
    /// until the transaction ends, whatever the session does meanwhile.
    ///
    /// `pg_locks` says it too, by listing every lock of the server: 0.3 ms against 0.02. Under the transaction's own
    /// lock the session's can be given back and taken again without a gap.
    pub fn held(&self) -> String {
        let key = self.arguments();
        // CASE, for AND promises no order.
        format!(
            "CASE WHEN pg_catalog.pg_try_advisory_xact_lock({key}) THEN \
             CASE WHEN pg_catalog.pg_advisory_unlock({key}) THEN pg_catalog.pg_try_advisory_lock({key}) END END"
        )
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(key) => write!(f, "advisory lock {key}"),
            Self::Pair(class, object) => write!(f, "advisory lock {class}, {object}"),
            Self::Name(name) => write!(f, "advisory lock \"{name}\""),
        }
    }
}

/// Takes the lock for the session if it is free; whether it was.
pub async fn try_lock(session: &Session, key: &Key) -> Result<bool> {
    let sql = format!("SELECT pg_catalog.pg_try_advisory_lock({})", key.arguments());
    Ok(session.value(&sql).await?.as_deref() == Some("t"))
}

/// Takes the lock until the end of the transaction under way, if it is free; whether it was.
pub async fn try_lock_transaction(session: &Session, key: &Key) -> Result<bool> {
    let sql = format!("SELECT pg_catalog.pg_try_advisory_xact_lock({})", key.arguments());
    Ok(session.value(&sql).await?.as_deref() == Some("t"))
}

/// Takes the lock until the end of the transaction under way, waiting for it as long as the
/// transaction's `lock_timeout` allows.
pub async fn lock_transaction(session: &Session, key: &Key) -> Result<()> {
    session.simple(&format!("SELECT pg_catalog.pg_advisory_xact_lock({})", key.arguments())).await.map(drop)
}

/// Gives a session's lock back; whether it was held.
pub async fn unlock(session: &Session, key: &Key) -> Result<bool> {
    let sql = format!("SELECT pg_catalog.pg_advisory_unlock({})", key.arguments());
    Ok(session.value(&sql).await?.as_deref() == Some("t"))
}

/// A session that holds a lock. The lock lasts as long as the session; dropping this ends both.
///
/// Work that the lock protects belongs on this very session: when its connection dies, the lock is
/// gone, and so is the way to do harm without it.
pub struct Held {
    session: Session,
    key: Key,
}

impl Held {
    /// Takes the lock, waiting at most this long; a wait of zero takes it or fails. The server
    /// queues those who wait, so the lock goes to whoever asked first.
    pub async fn take(session: Session, key: Key, wait: Duration) -> Result<Self> {
        if wait.is_zero() {
            if !try_lock(&session, &key).await? {
                return Err(taken(&session, &key).await);
            }
            return Ok(Self { session, key });
        }
        // The lock outlives the transaction; the limit doesn't.
        let sql = format!(
            "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {}; SELECT pg_catalog.pg_advisory_lock({}); COMMIT",
            wait.as_millis().clamp(1, i32::MAX as u128),
            key.arguments()
        );
        match session.simple(&sql).await {
            Ok(_) => Ok(Self { session, key }),
            Err(e) if e.state() == Some("55P03") => {
                session.simple("ROLLBACK").await?;
                Err(taken(&session, &key).await)
            }
            Err(e) => Err(e),
        }
    }

    /// Takes the lock, asking for it again and again for this long. Unlike [`Self::take`] it never
    /// waits inside the server: CREATE INDEX CONCURRENTLY waits for everybody who does, and whoever
    /// holds the lock may be building one. Nobody queues, so the order of takers is chance.
    pub async fn poll(session: Session, key: Key, wait: Duration) -> Result<Self> {
        let until = tokio::time::Instant::now() + wait;
        while !try_lock(&session, &key).await? {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return Err(taken(&session, &key).await);
            }
            let pause = Duration::from_millis(rand::random_range(50..250));
            tokio::time::sleep(pause.min(left)).await;
        }
        Ok(Self { session, key })
    }

    /// What is locked.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// An error if the lock is lost because the connection is gone.
    pub fn check(&self) -> Result<()> {
        self.session.check().map_err(|e| lost(&self.key, e))
    }

    /// Waits until the lock is lost, and says why; to be raced against the work.
    pub async fn lost(&self) -> Error {
        lost(&self.key, self.session.gone().await)
    }

    /// Gives the lock back and the session with it.
    pub async fn release(self) -> Result<Session> {
        if unlock(&self.session, &self.key).await? {
            Ok(self.session)
        } else {
            Err(Error::internal(format!("{} wasn't held any more", self.key)))
        }
    }
}

impl Deref for Held {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

fn lost(key: &Key, why: Error) -> Error {
    Error::new(Code::Unreachable, format!("{key} is lost: the connection that held it is gone"))
        .hint("Check what was done so far and run it again.")
        .source(why)
}

/// The error of a lock that somebody else holds, with who it is where the server tells.
async fn taken(session: &Session, key: &Key) -> Error {
    let matches = match key {
        Key::Pair(class, object) => {
            format!(
                "l.objsubid = 2 AND l.classid::int8 = {} AND l.objid::int8 = {}",
                class.cast_unsigned(),
                object.cast_unsigned()
            )
        }
        _ => format!("l.objsubid = 1 AND (l.classid::int8 << 32) | l.objid::int8 = {}", key.arguments()),
    };
    let sql = format!(
        "SELECT pg_catalog.format('process %s (%s, user %s)', l.pid, \
           coalesce(nullif(a.application_name, ''), 'no application name'), coalesce(a.usename, '?')) \
         FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.granted \
           AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
           AND {matches} LIMIT 1"
    );
    let error = Error::new(Code::LockHeld, format!("{key} is held by somebody else"));
    match session.value(&sql).await {
        Ok(Some(holder)) => error.hint(format!("Wait for {holder} to finish, or wait longer with --lock-wait.")),
        _ => error.hint("Wait for the other run to finish, or wait longer with --lock-wait."),
    }
}

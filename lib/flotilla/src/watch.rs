//! Watching a statement that waits: who is in its way.

use std::fmt;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use crate::context::Context;
use crate::error::Result;
use crate::pg::Session;
use crate::reach;
use crate::target::Target;

/// How long a statement runs before somebody looks, and between two looks.
const TICK: Duration = Duration::from_millis(150);

/// Who stood in the way when it was looked at last.
#[derive(Clone, Debug, Default)]
pub struct Blockers(Vec<Blocker>);

#[derive(Clone, Debug)]
struct Blocker {
    pid: String,
    user: String,
    state: String,
    since: String,
    query: String,
}

impl Blockers {
    /// Whether nobody was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Blockers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the blocker was gone before it could be named");
        }
        for (at, blocker) in self.0.iter().enumerate() {
            let Blocker { pid, user, state, since, query } = blocker;
            let comma = if at == 0 { "blocked by" } else { "; and by" };
            write!(f, "{comma} process {pid} (user {user}, {state}, in its transaction for {since} s): {query}")?;
        }
        Ok(())
    }
}

/// Looks at one session from another.
pub struct Watch {
    cx: Context,
    target: Target,
    pid: String,
    user: String,
    seen: Mutex<Blockers>,
    session: tokio::sync::OnceCell<Session>,
}

impl Watch {
    /// A watch over the session of this user with this process id. It connects when there is something to
    /// see.
    pub fn new(cx: &Context, target: &Target, user: &str, pid: String) -> Self {
        Self {
            cx: cx.clone(),
            target: target.clone(),
            pid,
            user: user.to_owned(),
            seen: Mutex::default(),
            session: tokio::sync::OnceCell::new(),
        }
    }

    /// Runs work and notes, while it lasts, who blocks the session.
    pub async fn over<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(TICK) => {}
            }
            tokio::select! {
                done = &mut work => return done,
                () = self.look() => {}
            }
        }
    }

    /// Who was seen last; forgotten by asking.
    pub fn take(&self) -> Blockers {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    async fn look(&self) {
        match self.blockers().await {
            Ok(blockers) if blockers.0.is_empty() => {}
            Ok(blockers) => *self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = blockers,
            // It is only for the message; the work doesn't depend on it.
            Err(error) => tracing::debug!("could not look for blockers: {error}"),
        }
    }

    async fn blockers(&self) -> Result<Blockers> {
        let session = self.session.get_or_try_init(|| self.connect()).await?;
        let sql = format!(
            "SELECT b.pid, coalesce(a.usename, CASE b.pid WHEN 0 THEN 'a prepared transaction' ELSE '?' END), \
             coalesce(a.state, '?'), coalesce(round(extract(epoch FROM clock_timestamp() - a.xact_start))::text, '?'), \
             coalesce(left(regexp_replace(a.query, '\\s+', ' ', 'g'), 200), '?') \
             FROM unnest(pg_catalog.pg_blocking_pids({})) AS b (pid) \
             LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid ORDER BY a.xact_start LIMIT 3",
            self.pid
        );
        let rows = session.simple(&sql).await?;
        let text = |row: &tokio_postgres::SimpleQueryRow, at: usize| row.get(at).unwrap_or("?").to_owned();
        let blocker = |row: &tokio_postgres::SimpleQueryRow| Blocker {
            pid: text(row, 0),
            user: text(row, 1),
            state: text(row, 2),
            since: text(row, 3),
            query: text(row, 4),
        };
        Ok(Blockers(rows.iter().map(blocker).collect()))
    }

    /// As the monitor, who may see everybody's queries; as ourselves where it may not log in.
    async fn connect(&self) -> Result<Session> {
        let config = self.cx.config()?;
        let monitor = self.cx.connect(reach::primary_of(config, &self.target, &config.users.monitor)?).await;
        match monitor {
            Ok(session) => Ok(session),
            Err(_) => self.cx.connect(reach::primary_of(config, &self.target, &self.user)?).await,
        }
    }
}

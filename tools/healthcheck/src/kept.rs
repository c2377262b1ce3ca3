//! Sessions that stay open from one probe of a server to the next, for whoever asks on and on: a login costs the
//! server more than all that it is asked.
//!
//! A session that is open says nothing of those that are to be: a postmaster that hangs lets sessions go on and
//! lets nobody in. So every few seconds somebody logs in beside it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flotilla::pg::Session;
use tokio::time::Instant;

/// After this long the session of the last login takes the place of the one that is kept, so that nothing that a
/// session gathers in its server stays.
const LIFETIME: Duration = Duration::from_mins(5);
/// For so long a login that went well says that others would go well, too.
const PROOF: Duration = Duration::from_secs(5);

/// A session, since when it has been open, and when somebody last logged in.
pub(crate) struct Open {
    pub(crate) session: Session,
    since: Instant,
    entered: Instant,
}

impl Open {
    /// One that was opened right now.
    pub(crate) fn new(session: Session) -> Self {
        let now = Instant::now();
        Self { session, since: now, entered: now }
    }

    /// Whether the last login is too long ago to say anything.
    pub(crate) fn wants_login(&self) -> bool {
        self.entered.elapsed() >= PROOF
    }

    /// What is kept after a login that went well: this session, or in its place the new one. The other is closed.
    pub(crate) async fn entered(self, session: Session) -> Self {
        let (kept, other) = if self.since.elapsed() < LIFETIME {
            (Self { entered: Instant::now(), ..self }, session)
        } else {
            (Self::new(session), self.session)
        };
        other.close().await;
        kept
    }
}

/// At most one for each instance; none for a run that asks once.
#[derive(Default)]
pub(crate) struct Kept {
    keeps: bool,
    idle: Mutex<HashMap<String, Open>>,
}

impl Kept {
    /// One that keeps sessions.
    pub(crate) fn keeping() -> Self {
        Self { keeps: true, ..Self::default() }
    }

    /// The session of an instance, unless it is broken.
    pub(crate) fn take(&self, instance: &str) -> Option<Open> {
        let open = self.lock().remove(instance)?;
        open.session.check().is_ok().then_some(open)
    }

    /// Keeps the session of an instance for the next probe. Only one that was answered well is given back: of any
    /// other nobody knows what it still waits for.
    pub(crate) fn give(&self, instance: &str, open: Open) {
        if self.keeps {
            self.lock().insert(instance.to_owned(), open);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({} sessions)", self.lock().len())
    }
}

//! Sessions that stay open from one probe of a server to the next, for whoever asks on and on: a login costs the
//! server more than all that it is asked.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flotilla::pg::Session;
use tokio::time::Instant;

/// After this long a session is opened anew, so that a login which isn't let in any more is noticed, and nothing
/// that a session gathers in its server stays.
const LIFETIME: Duration = Duration::from_mins(5);

/// A session, and since when it has been open.
pub(crate) struct Open {
    pub(crate) session: Session,
    since: Instant,
}

impl Open {
    /// One that was opened right now.
    pub(crate) fn new(session: Session) -> Self {
        Self { session, since: Instant::now() }
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

    /// The session of an instance, unless it is broken or too old.
    pub(crate) fn take(&self, instance: &str) -> Option<Open> {
        let open = self.lock().remove(instance)?;
        (open.session.check().is_ok() && open.since.elapsed() < LIFETIME).then_some(open)
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

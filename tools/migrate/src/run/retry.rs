//! Trying again what met a lock: with growing, random pauses, and with an end.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use flotilla::error::{Code, Error};
use flotilla::watch::Blockers;

/// The pauses of one script, and the time after which it fails.
pub(crate) struct Patience {
    pauses: ExponentialBackoff,
    until: Instant,
    limit: Duration,
    /// How often it was tried again.
    pub(crate) retries: u32,
}

impl Patience {
    /// Patience for this long.
    pub(crate) fn new(limit: Duration) -> Self {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(15))
            .with_factor(1.6)
            .with_jitter()
            .without_max_times()
            .build();
        Self { pauses, until: Instant::now() + limit, limit, retries: 0 }
    }

    /// How long to wait before the next try; the error if there is none.
    pub(crate) fn next(&mut self, error: Error, blockers: &Blockers) -> Result<Duration, Error> {
        if !is_about_locks(&error) {
            return Err(error);
        }
        let left = self.until.saturating_duration_since(Instant::now());
        let pause = self.pauses.next().unwrap_or(Duration::from_secs(15));
        if left < pause {
            return Err(self.given_up(error, blockers));
        }
        self.retries += 1;
        tracing::warn!("{}; {blockers}; trying again in {} ms", error.message(), pause.as_millis());
        Ok(pause)
    }

    fn given_up(&self, error: Error, blockers: &Blockers) -> Error {
        let message = format!(
            "{}; given up after {} tries in {}: {blockers}",
            error.message(),
            self.retries + 1,
            humantime::format_duration(self.limit)
        );
        Error::new(Code::LockTimeout, message)
            .sqlstate(error.state().unwrap_or("55P03").to_owned())
            .hint("End what holds the lock (SELECT pg_terminate_backend(pid)), or give it longer with --retry-for; nothing of the script was kept.")
            .source(error)
    }
}

/// Whether it failed for a lock that may be free later: a timeout or a deadlock.
pub(crate) fn is_about_locks(error: &Error) -> bool {
    matches!(error.state(), Some("55P03" | "40P01"))
}

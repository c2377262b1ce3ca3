//! How long a store is waited for, and how often it is asked.

use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use flotilla::config::ArchiveStore;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{Class, Result, StoreError};

/// However long the deadline, more attempts than this are none of patience.
const ATTEMPTS: usize = 30;
/// Slower than this over a whole stall's time counts as standing still, in bytes.
pub(super) const PROGRESS: u64 = 64 << 10;
/// What an upload must make at least, in bytes a second.
const SLOWEST: u64 = 256 << 10;

/// The same store for someone who asks again by himself and mustn't be held up: it gets two seconds for an
/// answer, and is asked no second time after them.
#[must_use]
pub fn hasty(store: &ArchiveStore) -> ArchiveStore {
    let at_most = |seconds: u64| seconds.min(2);
    ArchiveStore {
        connect_timeout_seconds: at_most(store.connect_timeout_seconds),
        stall_timeout_seconds: at_most(store.stall_timeout_seconds),
        retry_seconds: at_most(store.retry_seconds),
        ..store.clone()
    }
}

/// How long a store is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the beginning of an answer, and for more of it.
    pub stall: Duration,
    /// For a request, with all its attempts. A body takes the time that it needs besides.
    pub deadline: Duration,
}

impl Patience {
    /// As the topology says it.
    pub fn of(store: &ArchiveStore) -> Self {
        Self {
            connect: Duration::from_secs(store.connect_timeout_seconds),
            stall: Duration::from_secs(store.stall_timeout_seconds),
            deadline: Duration::from_secs(store.retry_seconds),
        }
    }

    fn pauses(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(5).min(self.deadline / 4))
            .with_max_times(ATTEMPTS - 1)
    }

    /// Makes attempts until one succeeds, fails for good, or the deadline has passed. `sent` is how
    /// many bytes one has to send, which may take their time.
    pub(super) async fn run<T, F>(&self, what: &str, sent: u64, attempt: impl Fn(u32) -> F + Sync) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let sending = Duration::from_secs(sent / SLOWEST);
        let (end, each) = (Instant::now() + self.deadline + sending, self.stall + sending);
        let (count, last) = (AtomicU32::new(0), Mutex::new(None));
        let once = || async {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            let made = timeout(each, attempt(number)).await.unwrap_or_else(|_| {
                Err(StoreError::new(Class::Unreachable, format!("{what}: no answer within {each:?}")))
            });
            if let Err(error) = &made {
                tracing::debug!(number, ?error, "an attempt failed");
                let said = StoreError::new(error.class(), error.to_string());
                *last.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(said);
            }
            made
        };
        // The sum of the pauses is bounded by the deadline, as the attempts themselves are.
        let tried = once.retry(self.pauses()).when(|error: &StoreError| error.class().is_transient());
        let done = timeout_at(end, tried).await.unwrap_or_else(|_| {
            let seen = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            let late = StoreError::new(
                seen.as_ref().map_or(Class::Unreachable, StoreError::class),
                format!("{what}: gave up after {:?}", self.deadline + sending),
            );
            Err(match seen {
                Some(seen) => late.source(seen),
                None => late,
            })
        });
        done.map_err(|error| error.after(count.load(Ordering::Relaxed)))
    }
}

/// Keeps account of the failures while a body is read: they count until there is progress again.
#[derive(Debug)]
pub(super) struct Setbacks {
    patience: Patience,
    pauses: backon::ExponentialBackoff,
    count: u32,
    since: Option<Instant>,
}

impl Setbacks {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, pauses: backon::BackoffBuilder::build(patience.pauses()), count: 0, since: None }
    }

    /// Bytes came: what was before is forgotten.
    pub(super) fn progress(&mut self) {
        if self.count > 0 {
            *self = Self::new(self.patience);
        }
    }

    /// Pauses before the next attempt, or gives the error back when there shall be none.
    pub(super) async fn after(&mut self, error: StoreError) -> Result<()> {
        self.count += 1;
        let since = *self.since.get_or_insert_with(Instant::now);
        tracing::debug!(number = self.count, ?error, "a body broke off");
        match self.pauses.next() {
            Some(pause) if error.class().is_transient() && since.elapsed() + pause < self.patience.deadline => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            _ => Err(error.after(self.count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Patience = Patience {
        connect: Duration::from_secs(1),
        stall: Duration::from_millis(200),
        deadline: Duration::from_millis(1500),
    };

    #[tokio::test]
    async fn what_passes_is_tried_again_and_what_stays_is_not() {
        let failing = |class: Class, until: u32| {
            move |number: u32| async move { if number < until { Err(StoreError::new(class, "no")) } else { Ok(number) } }
        };
        assert_eq!(SHORT.run("x", 0, failing(Class::Busy, 3)).await.unwrap(), 3);
        let denied = SHORT.run("x", 0, failing(Class::Denied, 3)).await.unwrap_err();
        assert_eq!((denied.class(), denied.attempts()), (Class::Denied, 1));
        let absent = SHORT.run("x", 0, failing(Class::Absent, 3)).await.unwrap_err();
        assert!(absent.is_absent());
    }

    #[tokio::test]
    async fn the_deadline_ends_it_and_the_last_failure_is_told() {
        let began = Instant::now();
        let error = SHORT.run::<(), _>("x", 0, |_| async { Err(StoreError::new(Class::Busy, "slow down")) });
        let error = error.await.unwrap_err();
        assert!(began.elapsed() < SHORT.deadline * 3, "{:?}", began.elapsed());
        assert_eq!(error.class(), Class::Busy);
        assert!(error.attempts() > 1 && format!("{error:?}").contains("slow down"), "{error:?}");
        // What never answers is cut, and tried again.
        let error = SHORT.run::<(), _>("x", 0, |_| std::future::pending()).await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable);
        assert!(error.attempts() > 1, "{error:?}");
    }
}

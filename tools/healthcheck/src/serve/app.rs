//! What requests are answered from: the last reports, and what was made of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;

use crate::report::Report;
use crate::watched::Watched;

/// However many ask, what is shown is made at most this often.
const SHORTEST: Duration = Duration::from_millis(100);

/// What all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(super) cluster: String,
    pub(super) watched: Arc<Watched>,
    pub(super) document: Made,
    pub(super) metrics: Made,
    pub(super) page: Made,
}

impl App {
    /// Over what is watched.
    pub(super) fn new(cluster: &str, watched: Arc<Watched>) -> Self {
        let made = Made::default;
        Self { cluster: cluster.to_owned(), watched, document: made(), metrics: made(), page: made() }
    }
}

/// Something that was made of the reports. It is made again when they have changed, and somebody asks.
#[derive(Debug, Default)]
pub(super) struct Made(Mutex<Option<Thing>>);

#[derive(Clone, Debug)]
struct Thing {
    version: u64,
    at: Instant,
    content: Bytes,
    status: u16,
}

impl Made {
    /// What there is, made anew by this where it has to be: its content, its status, its age.
    pub(super) fn get(
        &self,
        watched: &Watched,
        make: impl FnOnce(&[Arc<Report>]) -> (Bytes, u16),
    ) -> (Bytes, u16, Duration) {
        // Held while it is made: whoever comes meanwhile takes the same.
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = *watched.version().borrow();
        let is_good = |thing: &Thing| {
            let age = thing.at.elapsed();
            // Ages are part of what is shown, so it isn't kept for ever either.
            age < SHORTEST || (thing.version == version && age < Duration::from_secs(1))
        };
        if let Some(thing) = slot.as_ref().filter(|thing| is_good(thing)) {
            return (thing.content.clone(), thing.status, thing.at.elapsed());
        }
        let (content, status) = make(&watched.reports());
        *slot = Some(Thing { version, at: Instant::now(), content: content.clone(), status });
        (content, status, Duration::ZERO)
    }
}

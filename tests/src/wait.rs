//! Waiting for a condition, with a deadline. Nothing here sleeps and hopes.

use std::time::{Duration, Instant};

/// How long a condition may take before the test fails. Far more than it ever takes: a busy machine
/// is no bug.
pub const LIMIT: Duration = Duration::from_mins(1);

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(3);

/// Waits until the condition yields something; panics with `what` when the time is up.
#[track_caller]
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "waited {LIMIT:?} in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}

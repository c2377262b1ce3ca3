//! Waiting for a condition, with a deadline. Nothing here sleeps and hopes.

use std::time::{Duration, Instant};

use flotilla_native::postgres::Server;

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

/// Waits until a replica has replayed all that its primary has by now: tables, and roles too.
#[track_caller]
pub fn until_replayed(primary: &Server, replica: &Server) {
    let position = primary.psql("SELECT pg_current_wal_insert_lsn()").expect("a position");
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
    until("the replica has replayed what its primary has", || {
        replica.psql(&replayed).is_ok_and(|is| is == "t").then_some(())
    });
}

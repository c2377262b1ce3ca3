//! Waiting for a condition, with a deadline. Nothing here sleeps and hopes.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use flotilla_native::postgres::Server;

/// How long a condition may take before the test fails. Far more than it ever takes: a busy machine
/// is no bug.
pub const LIMIT: Duration = Duration::from_mins(1);

/// How long it waits before it looks again: twice as long each time, for looking takes the processor from those
/// that are waited for.
const PAUSES: RangeInclusive<Duration> = Duration::from_millis(2)..=Duration::from_millis(32);

/// Waits until the condition yields something; panics with `what` when the time is up.
#[track_caller]
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    let mut pause = *PAUSES.start();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "waited {LIMIT:?} in vain: {what}");
        std::thread::sleep(pause);
        pause = (pause * 2).min(*PAUSES.end());
    }
}

/// Waits until a replica has replayed all that its primary has by now: tables, and roles too.
#[track_caller]
pub fn until_replayed(primary: &Server, replica: &Server) {
    // Behind a switch of segments nothing has replayed up to where the primary is until it writes again, which may
    // take it 15 s by itself.
    let written = "SET synchronous_commit = on; SELECT pg_logical_emit_message(true, 'harness', '')";
    let position = primary.sql(written).expect("a position");
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
    until("the replica has replayed what its primary has", || {
        replica.sql(&replayed).is_ok_and(|is| is == "t").then_some(())
    });
}

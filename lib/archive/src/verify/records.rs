//! The records of a stretch of the log, read on a thread of their own while segments arrive.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Run;
use crate::reading::Pieces;
use crate::wal::{Expected, Fault, Lsn, Record, Records, Timeline};

/// How many pieces of the log may wait.
const WAITING: usize = 4;

/// What the pages of segments must say, of which the last is of this timeline.
pub(super) fn expected(run: &Run, newest: Timeline) -> Expected {
    // A foreign segment is told of as such by the one who looks at its first page.
    Expected { size: run.catalog.size, system: None, timeline: Some(newest) }
}

/// How reading ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Every record that begins in the stretch was right.
    Sound,
    /// What is wrong; with a failure to get the bytes, nothing is.
    Fault(Fault),
}

/// Begins to read records and hands them to `each`; what is sent is the log from `start` on. It ends at
/// the first record that begins at `until` or behind.
pub(super) fn read(
    start: Lsn,
    until: Lsn,
    expected: Expected,
    mut each: impl FnMut(&Record<'_>) + Send + 'static,
) -> (mpsc::Sender<Bytes>, JoinHandle<Ended>) {
    let (send, mut receive) = mpsc::channel(WAITING);
    let work = move || {
        let mut records = Records::new(Pieces::new(|| receive.blocking_recv().map(Ok)), start, expected);
        loop {
            match records.next_record() {
                Ok(Some(record)) if record.at >= until => return Ended::Sound,
                Ok(Some(record)) => each(&record),
                Ok(None) => return Ended::Sound,
                Err(fault) if fault.at >= until && fault.after >= until => return Ended::Sound,
                Err(fault) => return Ended::Fault(fault),
            }
        }
    };
    (send, tokio::task::spawn_blocking(work))
}

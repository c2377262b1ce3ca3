//! Sums on a thread of their own.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use sha2::{Digest as _, Sha256};

use super::{Passed, Sum};

/// How many pieces may wait to be summed.
const WAITING: usize = 4;

/// A writer that sums what passes, while what it writes to works on the same: packing takes about as long.
pub(crate) struct SummingAside<W> {
    inner: W,
    bytes: u64,
    full: SyncSender<Vec<u8>>,
    /// Their memory comes back, for to get new one would take as long as to copy into it.
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Sha256>,
}

impl<W: Write> SummingAside<W> {
    /// Sums what is written to this.
    pub(crate) fn new(inner: W) -> io::Result<Self> {
        let (full, pieces) = sync_channel::<Vec<u8>>(WAITING);
        let (give_back, empty) = sync_channel(WAITING);
        for _ in 0..WAITING {
            let _ = give_back.try_send(Vec::new());
        }
        let sum = move || {
            let mut hasher = Sha256::new();
            for piece in pieces {
                hasher.update(&piece);
                // Whoever waits for no more of them has ended.
                let _ = give_back.try_send(piece);
            }
            hasher
        };
        let thread = std::thread::Builder::new().name("sum".to_owned()).spawn(sum)?;
        Ok(Self { inner, bytes: 0, full, empty, thread })
    }

    /// The inner writer, and what has passed.
    pub(crate) fn finish(self) -> io::Result<(W, Passed)> {
        drop(self.full);
        let hasher = self.thread.join().map_err(|_| gone())?;
        Ok((self.inner, Passed { bytes: self.bytes, sum: Sum(hasher.finalize().into()) }))
    }
}

impl<W: Write> Write for SummingAside<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut piece = self.empty.recv().map_err(|_| gone())?;
        piece.clear();
        piece.extend_from_slice(bytes);
        self.full.send(piece).map_err(|_| gone())?;
        // All of it is summed, so all of it is written.
        self.inner.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that sums has ended early")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_arrives_and_has_the_sum_that_it_has() {
        for lengths in [&[][..], &[0], &[1, 300_000, 7], &[5; 100]] {
            let mut aside = SummingAside::new(Vec::new()).unwrap();
            let mut all = Vec::new();
            for (number, length) in (0_u8..).zip(lengths) {
                let piece = vec![number; *length];
                aside.write_all(&piece).unwrap();
                all.extend(piece);
            }
            let (written, passed) = aside.finish().unwrap();
            assert_eq!(passed, Passed { bytes: all.len() as u64, sum: Sum::of(&all) }, "{lengths:?}");
            assert_eq!(written, all);
        }
    }

    #[test]
    fn one_that_is_dropped_leaves_no_thread_waiting() {
        let mut aside = SummingAside::new(io::sink()).unwrap();
        aside.write_all(b"some").unwrap();
        let SummingAside { full, thread, .. } = aside;
        drop(full);
        thread.join().unwrap();
    }
}

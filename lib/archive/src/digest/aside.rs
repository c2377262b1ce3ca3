//! Sums on a thread of their own.

use std::io::{self, Write};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::{Passed, Summing};

/// How many pieces may be on their way.
const WAITING: usize = 4;

/// Gives the sink what `fill` writes, and sums it. To read it and to sum it takes about as long as to pack it, so
/// `fill` runs on another thread than the sink.
///
/// Where both fail, the error is the sink's: `fill` only hears that nobody takes what it writes.
pub(crate) fn sum_aside<W: Write, T: Send>(
    mut sink: W,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<T> + Send,
) -> io::Result<(W, Passed, T)> {
    let (hand_over, pieces) = sync_channel::<Vec<u8>>(WAITING);
    let (give_back, empty) = sync_channel(WAITING);
    for _ in 0..WAITING {
        let _ = give_back.try_send(Vec::new());
    }
    let work = move || {
        let mut summing = Summing::new(Pieces { full: hand_over, empty });
        let value = fill(&mut summing)?;
        Ok((summing.finish().1, value))
    };
    thread::scope(|scope| {
        let filling = thread::Builder::new().name("sum".to_owned()).spawn_scoped(scope, work)?;
        let written: io::Result<()> = pieces.into_iter().try_for_each(|piece| {
            sink.write_all(&piece)?;
            // Whoever waits for no more of them has ended.
            let _ = give_back.try_send(piece);
            Ok(())
        });
        // Otherwise it would wait for one of its pieces for ever.
        drop(give_back);
        let filled: io::Result<_> = filling.join().unwrap_or_else(|panic| resume_unwind(panic));
        written?;
        filled.map(|(passed, value)| (sink, passed, value))
    })
}

/// Hands over what is written.
struct Pieces {
    full: SyncSender<Vec<u8>>,
    /// Their memory comes back, for to get new one would take as long as to copy into it.
    empty: Receiver<Vec<u8>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut piece = self.empty.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
        piece.clear();
        piece.extend_from_slice(bytes);
        self.full.send(piece).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sum;
    use super::*;

    #[test]
    fn what_passes_arrives_and_has_the_sum_that_it_has() {
        for lengths in [&[][..], &[0], &[1, 300_000, 7], &[5; 100]] {
            let mut all = Vec::new();
            for (number, length) in (0_u8..).zip(lengths) {
                all.extend(vec![number; *length]);
            }
            let fill = |sink: &mut dyn Write| {
                let mut rest = &all[..];
                for length in lengths {
                    sink.write_all(&rest[..*length])?;
                    rest = &rest[*length..];
                }
                Ok(lengths.len())
            };
            let (written, passed, value) = sum_aside(Vec::new(), fill).unwrap();
            assert_eq!(passed, Passed { bytes: all.len() as u64, sum: Sum::of(&all) }, "{lengths:?}");
            assert_eq!((written, value), (all, lengths.len()));
        }
    }

    #[test]
    fn whoever_fails_first_is_heard() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let endless = |sink: &mut dyn Write| -> io::Result<()> {
            loop {
                sink.write_all(b"more")?;
            }
        };
        assert_eq!(sum_aside(Full, endless).map(|_| ()).unwrap_err().kind(), io::ErrorKind::StorageFull);
        let failing = |sink: &mut dyn Write| -> io::Result<()> {
            sink.write_all(b"some")?;
            Err(io::ErrorKind::UnexpectedEof.into())
        };
        assert_eq!(sum_aside(Vec::new(), failing).map(|_| ()).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

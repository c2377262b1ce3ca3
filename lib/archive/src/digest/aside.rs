//! Sums on a thread of their own.

use std::io::{self, Write};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::{Passed, Summing};

/// How many pieces may wait for each of those who take them.
const WAITING: usize = 4;

/// Gives the sink what `fill` writes, and sums it. To sum it takes about as long as to pack it, and to read it half as
/// long, so each is done on a thread of its own; the sink stays on this one.
///
/// Where both fail, the error is the sink's: `fill` only hears that nobody takes what it writes.
pub(crate) fn sum_aside<W: Write, T: Send>(
    mut sink: W,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<T> + Send,
) -> io::Result<(W, Passed, T)> {
    let (to_sink, of_sink) = sync_channel(WAITING);
    let (to_sum, of_sum) = sync_channel(WAITING);
    let (give_back, empty) = sync_channel(2 * WAITING);
    let used = give_back.clone();
    let mut pieces = Pieces { to_sink, to_sum, empty };
    let sum = move || {
        let mut summing = Summing::new(io::sink());
        for piece in of_sum {
            // A sink takes everything.
            let _ = summing.write_all(&piece);
            reuse(piece, &used);
        }
        summing.finish().1
    };
    thread::scope(|scope| {
        let summing = thread::Builder::new().name("sum".to_owned()).spawn_scoped(scope, sum)?;
        let filling = thread::Builder::new().name("read".to_owned()).spawn_scoped(scope, move || fill(&mut pieces))?;
        let written: io::Result<()> = of_sink.into_iter().try_for_each(|piece| {
            sink.write_all(&piece)?;
            reuse(piece, &give_back);
            Ok(())
        });
        let filled = filling.join().unwrap_or_else(|panic| resume_unwind(panic));
        let passed = summing.join().unwrap_or_else(|panic| resume_unwind(panic));
        written?;
        filled.map(|value| (sink, passed, value))
    })
}

type Piece = Arc<Vec<u8>>;

/// Hands over what is written, to be packed and to be summed.
struct Pieces {
    to_sink: SyncSender<Piece>,
    to_sum: SyncSender<Piece>,
    /// Memory that both are done with.
    empty: Receiver<Vec<u8>>,
}

/// Gives memory back where this was the last who needed it: to get new one takes as long as to copy into it.
fn reuse(piece: Piece, give_back: &SyncSender<Vec<u8>>) {
    if let Some(memory) = Arc::into_inner(piece) {
        // Whoever waits for no more of it has ended.
        let _ = give_back.try_send(memory);
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut piece = self.empty.try_recv().unwrap_or_default();
        piece.clear();
        piece.extend_from_slice(bytes);
        let piece = Arc::new(piece);
        let gone = |_| io::ErrorKind::BrokenPipe;
        self.to_sink.send(Arc::clone(&piece)).map_err(gone)?;
        self.to_sum.send(piece).map_err(gone)?;
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

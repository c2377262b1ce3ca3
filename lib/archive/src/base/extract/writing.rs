//! Writes files on a thread of their own, while the next bytes are unpacked: to write them takes as long.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::num::NonZeroU64;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flotilla::failpoint;
use rustix::fs::Advice;

use super::Extraction;
use crate::reading::fill;

/// What is written at once, in bytes.
const BUFFER: usize = 512 << 10;
/// How many of them may wait to be written.
const WAITING: usize = 4;
/// So much of a file is given to the disk at once, in bytes, while the rest is unpacked: what is only written at
/// the end keeps the processor waiting for the disk, and before that the disk for the processor.
const GIVEN: u64 = 8 << 20;

/// Takes the files of one part, one after another.
pub(super) struct Writing {
    orders: SyncSender<Order>,
    /// Buffers that are written.
    empty: Receiver<Box<[u8]>>,
}

enum Order {
    /// What comes belongs to this file, a member of this name.
    Begin(File, String),
    /// So many bytes of the buffer.
    Write(Box<[u8]>, usize),
}

/// Unpacks, and writes what that gives. Everything is written when this ends well.
pub(super) fn write_aside<T>(
    extraction: &Extraction,
    unpack: impl FnOnce(&mut Writing) -> io::Result<T>,
) -> io::Result<T> {
    let (orders, given) = sync_channel(WAITING);
    let (give_back, empty) = sync_channel(WAITING);
    thread::scope(|scope| {
        let writer = thread::Builder::new().name("write".to_owned());
        let writer = writer.spawn_scoped(scope, move || write(extraction, given, &give_back))?;
        let unpacked = unpack(&mut Writing { orders, empty });
        // Who unpacks hears only that nobody writes any more; why says the writer.
        writer.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        unpacked
    })
}

impl Writing {
    /// Has a file written to its end; another one comes after it.
    pub(super) fn file(&mut self, file: File, name: &str, content: &mut dyn Read) -> io::Result<()> {
        self.order(Order::Begin(file, name.to_owned()))?;
        loop {
            let mut buffer = self.empty.try_recv().unwrap_or_else(|_| vec![0; BUFFER].into());
            let filled = fill(content, &mut buffer)?;
            let is_last = filled < buffer.len();
            if filled > 0 {
                self.order(Order::Write(buffer, filled))?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn order(&self, order: Order) -> io::Result<()> {
        self.orders.send(order).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// A file that is being written.
struct Begun {
    file: File,
    name: String,
    written: u64,
    given: u64,
}

fn write(extraction: &Extraction, orders: Receiver<Order>, give_back: &SyncSender<Box<[u8]>>) -> io::Result<()> {
    let mut at: Option<Begun> = None;
    for order in orders {
        match (order, &mut at) {
            (Order::Begin(file, name), _) => at = Some(Begun { file, name, written: 0, given: 0 }),
            (Order::Write(buffer, filled), Some(begun)) => {
                begun.write(&buffer[..filled]).map_err(|e| extraction.local(&begun.name, e))?;
                failpoint::hit("fetch.file");
                extraction.bytes.fetch_add(filled as u64, Ordering::Relaxed);
                // Who unpacks may need none any more.
                let _ = give_back.try_send(buffer);
            }
            (Order::Write(..), None) => return Err(io::Error::other("bytes of no file")),
        }
    }
    Ok(())
}

impl Begun {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        if let Some(rest) = NonZeroU64::new(self.written - self.given).filter(|rest| rest.get() >= GIVEN) {
            // Linux begins to write what it is told isn't needed soon; a hint, so its failure is none.
            let _ = rustix::fs::fadvise(&self.file, self.given, Some(rest), Advice::DontNeed);
            self.given = self.written;
        }
        Ok(())
    }
}

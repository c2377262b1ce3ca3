//! Writes large files by a thread of their own, while the next bytes are unpacked: either takes as long. At most
//! [`WAITING`] + 2 blocks are under way, so the disk is never given more than it takes.

use std::fs::File;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use flotilla::failpoint;

use super::Extraction;
use crate::direct::{Block, DirectFile};
use crate::reading::fill;

/// How many blocks may wait while another is written.
const WAITING: usize = 1;

/// Takes the large files of one part, one after another.
pub(super) struct Writing {
    orders: SyncSender<Order>,
    /// Blocks that are written.
    empty: Receiver<Block>,
}

enum Order {
    /// What comes belongs to this file, a member of this name.
    Begin(File, String),
    /// So many bytes of the block.
    Write(Block, usize),
}

/// Unpacks, and writes what that gives. Everything is written when this ends well.
pub(super) fn write_aside<T>(
    extraction: &Extraction,
    unpack: impl FnOnce(&mut Writing) -> io::Result<T>,
) -> io::Result<T> {
    let (orders, given) = sync_channel(WAITING);
    // The orders bound how many blocks there are: none is thrown away to be made anew.
    let (give_back, empty) = channel();
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
    /// Has a file written to its end.
    pub(super) fn file(&mut self, file: File, name: &str, content: &mut dyn Read) -> io::Result<()> {
        self.order(Order::Begin(file, name.to_owned()))?;
        loop {
            let mut block = self.empty.try_recv().unwrap_or_else(|_| Block::new());
            let filled = fill(content, &mut block)?;
            let is_last = filled < block.len();
            if filled > 0 {
                self.order(Order::Write(block, filled))?;
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

fn write(extraction: &Extraction, orders: Receiver<Order>, give_back: &Sender<Block>) -> io::Result<()> {
    let mut at: Option<(DirectFile, String)> = None;
    for order in orders {
        match (order, &mut at) {
            (Order::Begin(file, name), _) => at = Some((DirectFile::new(file), name)),
            (Order::Write(block, filled), Some((file, name))) => {
                file.write(&block, filled).map_err(|e| extraction.local(name, e))?;
                failpoint::hit("fetch.file");
                extraction.bytes.fetch_add(filled as u64, Ordering::Relaxed);
                // Who unpacks may need none any more.
                let _ = give_back.send(block);
            }
            (Order::Write(..), None) => return Err(io::Error::other("bytes of no file")),
        }
    }
    Ok(())
}

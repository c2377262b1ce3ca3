//! Reading routed lines and handing each row to its shard.

use std::collections::HashMap;
use std::io::Read;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::input::{self, Lines};
use flotilla::ownership::OwnershipMap;
use flotilla::placement::{Bucket, IdLayout};
use flotilla::record::Line;
use flotilla::target::{self, piped_stdin};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::CopyResult;
use super::sender::{Part, send};
use super::table::Table;
use crate::key::Ticks;
use crate::sql::encode::Columns;
use crate::sql::{As, path};

/// How many bytes of rows go to a shard at once.
const CHUNK: usize = 1 << 16;

/// How many chunks may wait for a shard: what bounds the memory.
const WAITING: usize = 4;

/// How long senders that were asked to stop may take to cancel and roll back.
const GRACE: Duration = Duration::from_secs(5);

/// A line as `shardctl route` writes it.
#[derive(Deserialize)]
struct Routed<'a> {
    #[serde(default)]
    schema: Option<&'a str>,
    #[serde(default)]
    target: Option<&'a str>,
    status: &'a str,
    #[serde(default)]
    bucket: Option<u32>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

/// One shard's part of the load.
struct Shard {
    parts: Sender<Part>,
    outcome: JoinHandle<Result<CopyResult>>,
    rows: Vec<u8>,
    count: u64,
    ticks: Ticks,
    /// Its sender has ended; its error is its outcome.
    gone: bool,
}

/// Everything that the reading thread holds.
struct Load {
    cx: Context,
    handle: Handle,
    senders: TaskTracker,
    table: Table,
    map: OwnershipMap,
    role: As,
    columns: Option<Columns>,
    shards: HashMap<String, Shard>,
    began: Instant,
}

/// Reads, sends, commits, and writes a line for each shard.
pub(super) async fn run(cx: &Context, table: Table, map: OwnershipMap, role: As) -> Result<()> {
    let columns = table.columns.clone().map(Columns::new);
    let (handle, senders, began) = (Handle::current(), TaskTracker::new(), Instant::now());
    let shards = HashMap::new();
    let mut load =
        Load { cx: cx.beginning(), handle, senders: senders.clone(), table, map, role, columns, shards, began };
    let reading = tokio::task::spawn_blocking(move || {
        let read = piped_stdin().map_or(Ok(()), |stdin| load.read(stdin));
        (load, read)
    });
    // A read of standard input may never return; the shards must not wait for it then.
    let stopped = tokio::select! {
        done = reading => {
            let (load, read) = done.map_err(|e| Error::internal("reading the input failed").source(e))?;
            return load.finish(read).await;
        }
        () = cx.stop().asked() => flotilla::signal::cancelled(),
        () = cx.deadline_passed() => cx.deadline_error(),
    };
    // The senders have heard it too, and each tells its server to cancel.
    senders.close();
    let _ = tokio::time::timeout(GRACE, senders.wait()).await;
    Err(stopped)
}

impl Load {
    fn read(&mut self, source: impl Read) -> Result<()> {
        let mut lines = Lines::new(source);
        let mut any = false;
        while let Some(line) =
            lines.next_line().map_err(|e| Error::new(Code::Io, "could not read standard input").source(e))?
        {
            self.cx.stop().check()?;
            any = true;
            let number = line.number;
            let taken =
                line.bytes.and_then(|bytes| input::text(bytes, number)).and_then(|text| self.take(text, number));
            if let Err(error) = taken {
                self.cx.output().line(&Line::<CopyResult>::failed(None, &error, Duration::ZERO))?;
            }
        }
        if any {
            return Ok(());
        }
        Err(Error::new(Code::NoTargets, "the input is empty; nothing was touched").hint("Did the tool before fail?"))
    }

    /// Takes one line. What is wrong with it is this line's error; the rest goes on.
    fn take(&mut self, text: &str, number: u64) -> Result<()> {
        let routed: Routed<'_> = serde_json::from_str(text).map_err(|e| {
            Error::input(format!("line {number} is no routed line"))
                .source(e)
                .hint("Pipe the output of `shardctl route --field …` in.")
        })?;
        if routed.schema.is_some_and(|s| !s.ends_with("/1")) {
            input::check_major(&input::object(text, number)?, number)?;
        }
        if routed.status != "ok" {
            let message = format!("line {number} arrived with status \"{}\"", routed.status);
            return Err(Error::new(Code::UpstreamFailed, message).hint("Look at what `shardctl route` said of it."));
        }
        let (Some(name), Some(input)) = (routed.target, routed.input) else {
            return Err(Error::input(format!("line {number} has no target or no input"))
                .hint("Pipe the output of `shardctl route --field …` in."));
        };
        if self.columns.is_none() {
            let columns = Columns::of(input)?;
            if let Some(id) = self.table.new_id.as_ref().filter(|id| columns.names().contains(id)) {
                return Err(Error::input(format!("line {number} has a value for \"{id}\", which --new-id fills"))
                    .hint("Leave out one of them."));
            }
            self.columns = Some(columns);
        }
        if !self.shards.contains_key(name) {
            let shard = self.open(name)?;
            self.shards.insert(name.to_owned(), shard);
        }
        self.push(name, routed.bucket, input).map_err(|e| e.within(format_args!("line {number}")))
    }

    /// Starts a shard's sender.
    fn open(&self, name: &str) -> Result<Shard> {
        let config = self.cx.config()?;
        config.shard(name)?;
        let target = target::named(config, &[name.to_owned()])?.remove(0);
        let columns = self.columns.as_ref().map(Columns::names).unwrap_or_default();
        let (parts, receiver) = mpsc::channel(WAITING);
        let sending = send(
            self.cx.clone(),
            path(config, &target, self.role, false)?,
            self.table.clone(),
            self.table.statement(columns),
            self.map.epoch(),
            receiver,
        );
        let outcome = self.senders.spawn_on(sending, &self.handle);
        Ok(Shard { parts, outcome, rows: Vec::new(), count: 0, ticks: Ticks::default(), gone: false })
    }

    fn push(&mut self, name: &str, bucket: Option<u32>, input: &RawValue) -> Result<()> {
        let (Some(shard), Some(columns)) = (self.shards.get_mut(name), &self.columns) else {
            return Err(Error::internal("a row came before its shard"));
        };
        if shard.gone {
            return Ok(());
        }
        let id = match (&self.table.new_id, bucket) {
            (None, _) => None,
            (Some(_), Some(number)) => {
                let bucket: Bucket = self.map.buckets().bucket(number)?;
                let tick = self.handle.block_on(shard.ticks.next(&self.cx, name))?;
                Some(IdLayout::new(self.map.buckets()).id(tick, bucket).get())
            }
            (Some(_), None) => {
                return Err(Error::input("the line has no bucket").hint("Route it with `shardctl route`."));
            }
        };
        columns.push(&mut shard.rows, id, input)?;
        shard.count += 1;
        if shard.rows.len() >= CHUNK {
            shard.flush();
        }
        Ok(())
    }

    /// Tells every shard to commit when the input was read to its end, and writes what became of each.
    async fn finish(mut self, read: Result<()>) -> Result<()> {
        let mut names: Vec<String> = self.shards.keys().cloned().collect();
        names.sort();
        let mut outcomes = Vec::new();
        for name in names {
            let Some(mut shard) = self.shards.remove(&name) else { continue };
            if read.is_ok() && !shard.gone {
                // The channel may be full: this waits for the shard, not for the thread.
                let (bytes, count) = (Bytes::from(std::mem::take(&mut shard.rows)), shard.count);
                let sent = shard.parts.send(Part::Rows { bytes, count }).await;
                if sent.is_ok() {
                    let _ = shard.parts.send(Part::Commit).await;
                }
            }
            drop(shard.parts);
            outcomes.push((name, shard.outcome));
        }
        for (name, outcome) in outcomes {
            let outcome = outcome.await.unwrap_or_else(|e| Err(Error::internal("a sender failed").source(e)));
            let took = self.began.elapsed();
            let entry = self.cx.entry(&name).detail(serde_json::json!({ "copy": self.table.name() }));
            let (line, entry) = match outcome {
                Ok(result) => (Line::ok(Some(name.clone()), true, result, took), entry),
                Err(error) => (Line::failed(Some(name.clone()), &error, took), entry.failed(&error)),
            };
            crate::sql::run::keep(&self.cx, &name, &entry).await;
            self.cx.output().line(&line)?;
        }
        read
    }
}

impl Shard {
    fn flush(&mut self) {
        let (bytes, count) = (Bytes::from(std::mem::take(&mut self.rows)), std::mem::take(&mut self.count));
        self.rows.reserve(CHUNK + CHUNK / 4);
        if self.parts.blocking_send(Part::Rows { bytes, count }).is_err() {
            self.gone = true;
        }
    }
}

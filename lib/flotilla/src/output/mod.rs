//! The only writer of standard output.
//!
//! Every record passes here: as a JSON line, whole and at once, or as a row of a table that is
//! printed at the end. SIGPIPE stays ignored, so a closed pipe arrives as an error and the verb's
//! effect decides: a reader ends quietly, a changer finishes the step in hand.

mod table;

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::exit::Exit;
use crate::flags::Format;
use crate::record::{Line, Record, Status};

/// Writes records and remembers how they ended.
pub struct Output {
    table: bool,
    quiet: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tally: Tally,
    rows: table::Rows,
    /// Why nothing can be written any more.
    ended: Option<Ended>,
}

/// Why standard output takes nothing any more.
#[derive(Clone, Copy, Debug)]
enum Ended {
    /// Its reader has gone.
    Closed,
    /// Writing failed, by this error of the system.
    Failed(i32),
}

/// How many lines ended how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Lines that are `ok` or `planned`.
    pub good: u64,
    /// All others.
    pub bad: u64,
    later: u64,
    worst: Exit,
}

impl Tally {
    fn count(&mut self, status: Status, code: Option<Code>) {
        if status.is_good() {
            self.good += 1;
            return;
        }
        self.bad += 1;
        match code {
            Some(Code::Unreachable | Code::LockHeld) => self.later += 1,
            // A bad line among many is "some target failed", not a usage error of the call.
            Some(code) if code.exit() != Exit::Usage => self.worst = self.worst.worst(code.exit()),
            _ => {}
        }
    }

    /// The exit code that the lines add up to.
    pub fn exit(&self) -> Exit {
        let lines = match (self.good, self.bad) {
            (_, 0) => Exit::Ok,
            (0, bad) if bad == self.later => Exit::TryLater,
            _ => Exit::Failed,
        };
        lines.worst(self.worst)
    }
}

impl Output {
    /// A writer for this format; `Auto` asks whether standard output is a terminal.
    pub fn new(format: Format, quiet: bool) -> Self {
        let table = match format {
            Format::Auto => io::stdout().is_terminal(),
            Format::Table => true,
            Format::Json => false,
        };
        Self { table, quiet, state: Mutex::default() }
    }

    /// Whether records become rows of a table.
    pub fn is_table(&self) -> bool {
        self.table
    }

    /// Whether only failures are written.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Writes one record.
    pub fn line<R: Record>(&self, line: &Line<R>) -> Result<()> {
        let code = line.error.as_ref().map(|e| e.code);
        let rendered = if self.quiet && line.status.is_good() {
            Rendered::Nothing
        } else if self.table {
            let shape = table::Shape { columns: R::COLUMNS, pivot: R::PIVOT };
            Rendered::Row(shape, serde_json::to_value(line).map_err(unwritable)?)
        } else {
            let mut bytes = serde_json::to_vec(line).map_err(unwritable)?;
            bytes.push(b'\n');
            Rendered::Bytes(bytes)
        };
        self.write(rendered, line.status, code)
    }

    /// Writes bytes that are whole lines already; for streams of millions of records.
    ///
    /// The caller keeps to the contract and counts with [`Output::count_good`].
    pub fn raw(&self, bytes: &[u8]) -> Result<()> {
        let mut state = self.lock();
        Self::send(&mut state, bytes)
    }

    /// Counts `good` lines that were written through [`Output::raw`].
    pub fn count_good(&self, good: u64) {
        self.lock().tally.good += good;
    }

    /// Prints what was held back: the table.
    pub fn finish(&self) -> Result<()> {
        Self::page(&mut self.lock())
    }

    fn page(state: &mut State) -> Result<()> {
        let rows = std::mem::take(&mut state.rows);
        rows.render().map_or(Ok(()), |text| Self::send(state, text.as_bytes()))
    }

    /// What the lines add up to so far.
    pub fn tally(&self) -> Tally {
        self.lock().tally
    }

    fn write(&self, rendered: Rendered, status: Status, code: Option<Code>) -> Result<()> {
        let mut state = self.lock();
        state.tally.count(status, code);
        match rendered {
            Rendered::Nothing => Ok(()),
            Rendered::Row(shape, value) => {
                state.rows.push(shape, value);
                if state.rows.is_page() { Self::page(&mut state) } else { Ok(()) }
            }
            Rendered::Bytes(bytes) => Self::send(&mut state, &bytes),
        }
    }

    fn send(state: &mut State, bytes: &[u8]) -> Result<()> {
        // Also the second time: a lost line must not pass for a reader that has gone.
        if let Some(ended) = state.ended {
            return Err(ended.error());
        }
        let mut stdout = io::stdout().lock();
        let sent = stdout.write_all(bytes).and_then(|()| stdout.flush());
        sent.map_err(|e| {
            let ended = match e.raw_os_error() {
                Some(number) if e.kind() != io::ErrorKind::BrokenPipe => Ended::Failed(number),
                _ => Ended::Closed,
            };
            state.ended = Some(ended);
            ended.error()
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while holding the lock leaves counters that are still true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Rendered {
    Nothing,
    Bytes(Vec<u8>),
    Row(table::Shape, Value),
}

impl Ended {
    fn error(self) -> Error {
        match self {
            Self::Closed => Error::new(Code::OutputClosed, "standard output was closed by its reader"),
            Self::Failed(number) => Error::new(Code::Io, "could not write to standard output")
                .source(io::Error::from_raw_os_error(number))
                .hint("Is the disk full? What was done so far is in the ledger."),
        }
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::internal("a record could not be written as JSON").source(error)
}

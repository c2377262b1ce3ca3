//! One run of a tool or a script: what it is given, and what became of it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{PipeWriter, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flotilla_native::account::Account;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::wait::LIMIT;

/// What standard output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sink {
    /// Kept for the [`Outcome`].
    #[default]
    Kept,
    /// A pipe whose reader has gone already.
    ClosedPipe,
    /// A device on which nothing can be written.
    Full,
}

/// What standard input is.
#[derive(Debug, Default)]
enum Source {
    /// `/dev/null`.
    #[default]
    Null,
    /// No open file.
    Closed,
    /// A pipe with these bytes and an end.
    Bytes(Vec<u8>),
    /// A pipe that stays open until [`Running::close_stdin`].
    Open,
}

/// A run that is still to begin.
#[derive(Debug)]
pub struct Run {
    command: Command,
    source: Source,
    sink: Sink,
}

impl Run {
    /// A run of this program with an empty environment.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.env_clear();
        Self { command, source: Source::Null, sink: Sink::Kept }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Adds variables.
    #[must_use]
    pub fn environment(mut self, variables: &BTreeMap<String, String>) -> Self {
        self.command.envs(variables);
        self
    }

    /// Sets one variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes one variable away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Takes every variable away, as `env -i` does.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// Runs as another account of the operating system.
    #[must_use]
    pub fn account(mut self, account: &Account) -> Self {
        account.run(&mut self.command);
        self
    }

    /// Runs in this folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Pipes these bytes in; none make an empty pipe, as a crashed tool leaves.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.source = Source::Bytes(bytes.into());
        self
    }

    /// Runs without an open standard input.
    #[must_use]
    pub fn stdin_closed(mut self) -> Self {
        self.source = Source::Closed;
        self
    }

    /// Pipes in what [`Running::write`] will write.
    #[must_use]
    pub fn stdin_open(mut self) -> Self {
        self.source = Source::Open;
        self
    }

    /// Sends standard output elsewhere.
    #[must_use]
    pub fn stdout(mut self, sink: Sink) -> Self {
        self.sink = sink;
        self
    }

    /// The command line, as one would type it.
    fn shown(&self) -> String {
        let program = Path::new(self.command.get_program()).file_name().unwrap_or_default().to_string_lossy();
        let args = self.command.get_args().map(|arg| {
            let arg = arg.to_string_lossy();
            let plain = !arg.is_empty() && arg.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,@".contains(c));
            let arg =
                if arg.len() > 500 { format!("{}…", arg.chars().take(500).collect::<String>()) } else { arg.into() };
            if plain { arg } else { format!("'{}'", arg.replace('\'', r"'\''")) }
        });
        std::iter::once(program.into_owned()).chain(args).collect::<Vec<_>>().join(" ")
    }

    /// Begins.
    pub fn start(mut self) -> Running {
        let shown = self.shown();
        if matches!(self.source, Source::Closed) {
            self.command = without_stdin(&self.command);
        }
        self.command.stdin(match self.source {
            Source::Null | Source::Closed => Stdio::null(),
            Source::Bytes(_) | Source::Open => Stdio::piped(),
        });
        self.command.stdout(match self.sink {
            Sink::Kept => Stdio::piped(),
            Sink::ClosedPipe => closed_pipe().into(),
            Sink::Full => OpenOptions::new().write(true).open("/dev/full").expect("/dev/full").into(),
        });
        self.command.stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = self.command.spawn().unwrap_or_else(|e| panic!("{shown} could not be started: {e}"));
        let stdout = child.stdout.take().map(Gathered::from);
        let stderr = child.stderr.take().map(Gathered::from);
        let mut stdin = child.stdin.take();
        if let Source::Bytes(bytes) = self.source
            && let Some(mut pipe) = stdin.take()
        {
            // A tool that refuses its arguments reads nothing; then there is nobody to write to.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        Running { child, stdin, stdout, stderr, shown, began, ended: false }
    }

    /// Runs to the end.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.start().finish()
    }

    /// Runs to the end, and tells the most memory that it has held.
    #[track_caller]
    pub fn run_watched(self, limit: Duration) -> (Outcome, u64) {
        let mut running = self.start();
        let (end, mut peak) = (Instant::now() + limit, 0);
        // Its peak only rises, so the last look counts.
        while !running.has_ended() && Instant::now() < end {
            peak = peak.max(running.peak_memory());
            std::thread::sleep(Duration::from_millis(2));
        }
        (running.finish(), peak)
    }

    /// Runs to the end of something that takes longer than a tool may.
    #[track_caller]
    pub fn run_within(self, limit: Duration) -> Outcome {
        self.start().finish_within(limit)
    }
}

/// The same command by way of a shell that closes standard input, which Rust's `Command` can't.
fn without_stdin(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"exec "$0" "$@" <&-"#]).arg(command.get_program()).args(command.get_args()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

fn closed_pipe() -> PipeWriter {
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    writer
}

/// What comes out of a pipe, gathered by a thread.
#[derive(Debug)]
struct Gathered {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Gathered {
    fn from(mut source: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let gathered = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut part = vec![0; 1 << 16];
            while let Ok(n) = source.read(&mut part)
                && n > 0
            {
                gathered.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&part[..n]);
            }
        });
        Self { bytes, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn into_end(self) -> String {
        self.reader.join().expect("reading a pipe");
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// A run that goes on. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<Gathered>,
    stderr: Option<Gathered>,
    shown: String,
    began: Instant,
    ended: bool,
}

impl Running {
    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A file of `/proc` about it.
    pub fn proc(&self, file: &str) -> String {
        let mut bytes = Vec::new();
        let path = format!("/proc/{}/{file}", self.pid());
        let _ = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The most memory that it has ever held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().map_or(0, |kb| kb * 1024)
    }

    /// Writes to standard input.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let pipe = self.stdin.as_mut().expect("standard input is open");
        pipe.write_all(bytes.as_ref()).unwrap_or_else(|e| panic!("{} doesn't read: {e}", self.shown));
    }

    /// Ends standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// What it has written to standard output so far.
    pub fn stdout_so_far(&self) -> String {
        self.stdout.as_ref().map(Gathered::so_far).unwrap_or_default()
    }

    /// What it has written to standard error so far.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.as_ref().map(Gathered::so_far).unwrap_or_default()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the process is there");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_some()
    }

    /// Waits for the end, and kills it when that doesn't come.
    #[track_caller]
    pub fn finish(self) -> Outcome {
        self.finish_within(LIMIT)
    }

    /// As [`Running::finish`], with a limit of its own.
    #[track_caller]
    pub fn finish_within(mut self, limit: Duration) -> Outcome {
        self.stdin = None;
        let end = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break Some(status);
            }
            if Instant::now() >= end {
                break None;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let took = self.began.elapsed();
        if status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        self.ended = true;
        let text = |gathered: Option<Gathered>| gathered.map(Gathered::into_end).unwrap_or_default();
        let (stdout, stderr) = (text(self.stdout.take()), text(self.stderr.take()));
        let shown = std::mem::take(&mut self.shown);
        let Some(status) = status else {
            panic!("{shown} did not end within {limit:?}\n{stdout}{stderr}");
        };
        Outcome { shown, status, stdout, stderr, took }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command line.
    pub shown: String,
    /// How it ended.
    pub status: ExitStatus,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

#[expect(clippy::return_self_not_must_use, reason = "a check may be the last thing that a test wants")]
impl Outcome {
    /// The exit code; none when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Everything about it, for a failed check.
    pub fn transcript(&self) -> String {
        let cut = |text: &str| text.chars().take(4000).collect::<String>();
        format!(
            "$ {}\n[{}]\n--- stdout\n{}--- stderr\n{}",
            self.shown,
            self.status,
            cut(&self.stdout),
            cut(&self.stderr)
        )
    }

    /// Requires this exit code.
    #[track_caller]
    pub fn code_is(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{}", self.transcript());
        self
    }

    /// Requires success.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code_is(0)
    }

    /// Requires that standard error holds this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "standard error doesn't say {text:?}\n{}", self.transcript());
        self
    }

    /// Requires that nothing was written to standard output.
    #[track_caller]
    pub fn no_lines(self) -> Self {
        assert!(self.stdout.is_empty(), "there are lines\n{}", self.transcript());
        self
    }

    /// The records on standard output.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON: {line}: {e}\n{}", self.transcript()))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The record about this target.
    #[track_caller]
    pub fn line(&self, target: &str) -> Value {
        let found = self.lines().into_iter().find(|line| line["target"] == target);
        found.unwrap_or_else(|| panic!("no line about {target}\n{}", self.transcript()))
    }
}

//! A guard keeps servers from outliving the process that wanted them.
//!
//! A test run may be killed at any moment, by `kill -9` too, and then runs no destructor. So its
//! servers are children of a small process of their own, `stack guard`, that reads a pipe from the
//! run: when the pipe closes, for whatever reason, the guard stops everything below it, also what
//! has left its process group, and removes the folder it was given. A ^C at the terminal doesn't
//! reach the guard, for it leads a process group of its own.

mod protocol;
mod serve;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flotilla::{Code, Error, Result};
use rustix::process::{Pid, Signal, kill_process};

use protocol::{Answer, Started};
pub use protocol::{Exit, Program};
pub use serve::serve;

/// A running guard and the folder it watches over. Dropping it stops and removes both.
#[derive(Debug)]
pub struct Guard {
    folder: PathBuf,
    child: Child,
    requests: Mutex<Requests>,
    exits: Arc<Exits>,
}

#[derive(Debug)]
struct Requests {
    pipe: Option<ChildStdin>,
    started: Receiver<Started>,
}

/// How processes have ended so far.
#[derive(Debug, Default)]
struct Exits {
    ended: Mutex<HashMap<i32, Exit>>,
    news: Condvar,
}

/// A process under a guard.
#[derive(Clone, Debug)]
pub struct Process {
    pid: i32,
    exits: Arc<Exits>,
}

impl Guard {
    /// Starts a guard over a folder, which it removes in the end. `stack` is the binary of that name.
    pub fn over(stack: &Path, folder: &Path) -> Result<Self> {
        let mut command = Command::new(stack);
        command.arg("guard").arg(folder).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|source| {
            Error::new(Code::NotFound, format!("could not start the guard {}", stack.display()))
                .hint("Build it with `cargo build -p flotilla-native`.")
                .source(source)
        })?;
        let (Some(pipe), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::internal("the guard's pipes are missing"));
        };
        let exits = Arc::new(Exits::default());
        let (send, started) = channel();
        let heard = Arc::clone(&exits);
        std::thread::spawn(move || {
            for line in BufReader::new(answers).lines().map_while(std::io::Result::ok) {
                match serde_json::from_str(&line) {
                    Ok(Answer::Started(answer)) => {
                        // Nobody waits any more when the owner is just being dropped.
                        let _ = send.send(answer);
                    }
                    Ok(Answer::Exited { pid, exit }) => heard.record(pid, exit),
                    Err(_) => break,
                }
            }
        });
        Ok(Self {
            folder: folder.to_owned(),
            child,
            requests: Mutex::new(Requests { pipe: Some(pipe), started }),
            exits,
        })
    }

    /// The folder that goes when the guard goes.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a program below the guard.
    pub fn spawn(&self, program: &Program) -> Result<Process> {
        let gone = || Error::new(Code::Io, "the guard has ended").hint("Look for who killed \"stack guard\".");
        let mut requests = held(&self.requests);
        let mut line = serde_json::to_vec(program).map_err(|source| Error::internal("no JSON").source(source))?;
        line.push(b'\n');
        requests.pipe.as_mut().ok_or_else(gone)?.write_all(&line).map_err(|source| gone().source(source))?;
        match requests.started.recv_timeout(Duration::from_secs(10)).map_err(|source| gone().source(source))? {
            Started::Pid(pid) => Ok(Process { pid, exits: Arc::clone(&self.exits) }),
            Started::Failed(why) => {
                let name = program.argv.first().map_or("", String::as_str);
                Err(Error::new(Code::NotFound, format!("could not start {name}: {why}"))
                    .hint("Run compose/install, which installs what is missing."))
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        held(&self.requests).pipe = None;
        // The guard removes the folder before it ends, so that nothing is left once this returns.
        let _ = self.child.wait();
    }
}

impl Exits {
    fn record(&self, pid: i32, exit: Exit) {
        held(&self.ended).insert(pid, exit);
        self.news.notify_all();
    }
}

impl Process {
    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// How it ended; none while it runs.
    pub fn exit(&self) -> Option<Exit> {
        held(&self.exits.ended).get(&self.pid).copied()
    }

    /// Waits until it has ended; none when the time is up.
    pub fn wait(&self, limit: Duration) -> Option<Exit> {
        let end = Instant::now() + limit;
        let mut ended = held(&self.exits.ended);
        loop {
            if let Some(exit) = ended.get(&self.pid) {
                return Some(*exit);
            }
            let left = end.checked_duration_since(Instant::now())?;
            ended = self.exits.news.wait_timeout(ended, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends a signal, unless the process has ended.
    pub fn signal(&self, signal: Signal) {
        let ended = held(&self.exits.ended);
        if !ended.contains_key(&self.pid)
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            let _ = kill_process(pid, signal);
        }
    }
}

/// The `stack` binary that was built together with this process: beside it, or one folder up from
/// where cargo puts tests.
pub fn binary() -> Result<PathBuf> {
    let me = std::env::current_exe()
        .map_err(|source| Error::new(Code::Io, "could not find out where this program lies").source(source))?;
    let folders = me.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join("stack")).find(|stack| stack.is_file()).ok_or_else(|| {
        Error::new(Code::NotFound, format!("there is no \"stack\" beside {}", me.display()))
            .hint("Build it with `cargo build -p flotilla-native`, in the same profile.")
    })
}

/// Locks; a panic elsewhere doesn't make the data here wrong.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

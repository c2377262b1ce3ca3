//! The guard's own process: `stack guard FOLDER`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flotilla::{Code, Error, Result};
use rustix::process::{Pid, Signal, WaitOptions, getpid, set_child_subreaper, wait};

use super::protocol::{Answer, Exit, Program, Started};
use crate::process::{Identity, descendants_and_users, wait_until};

/// How long a server may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How often the guard looks whether those that it stops have ended.
const TICK: Duration = Duration::from_millis(5);

/// A direct child and the signal that asks it to end.
struct Ward {
    identity: Identity,
    stop: Signal,
}

/// The direct children that run.
#[derive(Default)]
struct Wards {
    running: Mutex<Vec<Ward>>,
    /// Told of when one is started: before, there is nothing to wait for.
    started: Condvar,
}

impl Wards {
    fn running(&self) -> MutexGuard<'_, Vec<Ward>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what standard input asks for until it closes; then stops everything and removes the folder.
pub fn serve(folder: &Path) -> Result<()> {
    // Orphans of a killed server come to the guard instead of to init, so that none can hide.
    set_child_subreaper(Some(getpid())).map_err(|source| {
        Error::new(Code::Unsupported, "could not become the parent of orphaned processes").source(source)
    })?;
    let wards = Arc::new(Wards::default());
    let reaped = Arc::clone(&wards);
    std::thread::spawn(move || reap(&reaped));

    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let started = match serde_json::from_str::<Program>(&line) {
            Ok(program) => start(&program, &wards),
            Err(error) => Started::Failed(error.to_string()),
        };
        say(&Answer::Started(started));
    }
    stop_all(&wards, folder);
    remove(folder)
}

fn start(program: &Program, wards: &Wards) -> Started {
    // Held across the start, so that the reaper can't tell of an end before the start was told.
    let mut running = wards.running();
    match spawn(program) {
        Ok(ward) => {
            let pid = ward.identity.pid;
            running.push(ward);
            wards.started.notify_all();
            Started::Pid(pid)
        }
        Err(error) => Started::Failed(error.to_string()),
    }
}

fn spawn(program: &Program) -> io::Result<Ward> {
    let name = program.argv.first().ok_or_else(|| io::Error::other("no program was named"))?;
    let mut command = Command::new(name);
    command.args(&program.argv[1..]).envs(&program.environment).stdin(Stdio::null());
    if let Some((uid, gid)) = program.account {
        command.uid(uid).gid(gid);
    }
    if let Some(folder) = &program.folder {
        command.current_dir(folder);
    }
    let log = match &program.log {
        Some(path) => OpenOptions::new().create(true).append(true).open(path)?,
        None => File::options().write(true).open("/dev/null")?,
    };
    command.stdout(log.try_clone()?).stderr(log);
    // A group of its own, so that a test can send a signal to all of a server at once.
    let child = command.process_group(0).spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    // It may have ended already; then the start tick is unknown and doesn't matter.
    let identity = Identity::of(pid).unwrap_or(Identity { pid, started: 0 });
    let stop = Signal::from_named_raw(program.stop_signal).unwrap_or(Signal::TERM);
    Ok(Ward { identity, stop })
}

/// Waits for every process below the guard, adopted ones too, so that none stays as a zombie.
fn reap(wards: &Wards) {
    loop {
        let Ok(Some((pid, status))) = wait(WaitOptions::empty()) else {
            // No children yet, or none any more: orphans come from one that runs.
            let running = wards.running();
            drop(wards.started.wait_while(running, |running| running.is_empty()));
            continue;
        };
        let pid = pid.as_raw_nonzero().get();
        let mut running = wards.running();
        let Some(index) = running.iter().position(|ward| ward.identity.pid == pid) else { continue };
        running.swap_remove(index);
        let exit = status
            .exit_status()
            .map(Exit::Code)
            .or_else(|| status.terminating_signal().map(Exit::Signal))
            .unwrap_or(Exit::Code(-1));
        say(&Answer::Exited { pid, exit });
    }
}

fn say(answer: &Answer) {
    let mut out = io::stdout().lock();
    if let Ok(mut line) = serde_json::to_vec(answer) {
        line.push(b'\n');
        // A reader that has gone is what the guard is for; standard input will close too.
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

/// Stops the wards, then whatever is left below the guard or works in the folder: a tool that the
/// owner ran itself would go on there, and make the folder anew.
fn stop_all(wards: &Wards, folder: &Path) {
    for ward in wards.running().iter().rev() {
        ward.identity.signal(ward.stop);
        // A stopped process doesn't hear anything but this.
        ward.identity.signal(Signal::CONT);
    }
    wait_until(GRACE, TICK, || wards.running().is_empty());
    let me = Pid::as_raw(Some(getpid()));
    wait_until(GRACE, TICK, || {
        let left = descendants_and_users(me, folder);
        for process in &left {
            process.signal(Signal::KILL);
        }
        left.is_empty()
    });
}

fn remove(folder: &Path) -> Result<()> {
    crate::postgres::release_shared_memory_below(folder);
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::new(Code::Io, format!("could not remove {}", folder.display())).source(error))
        }
        _ => Ok(()),
    }
}

//! What a run took: its time, and the memory of all its processes together.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use flotilla_tests::Run;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Longer than anything here may take.
const LIMIT: Duration = Duration::from_mins(20);

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    /// From start to end.
    pub(super) wall: Duration,
    /// The most that it and its children have held at a time.
    pub(super) peak: u64,
}

/// Runs it; it must succeed.
pub(super) fn spent(run: Run) -> anyhow::Result<Spent> {
    let began = Instant::now();
    let running = run.start();
    let process = Pid::from_raw(running.pid().try_into()?);
    let (wall, peak) = thread::scope(|scope| {
        // The clock stops when it ends, not when somebody looks: a segment takes no longer than a few looks.
        let ended = scope.spawn(move || {
            let process = process.expect("a process id");
            waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).map(|_| began.elapsed())
        });
        let mut peak = 0;
        while !ended.is_finished() {
            peak = peak.max(held(running.pid()));
            thread::sleep(LOOK);
        }
        (ended.join().expect("the clock"), peak)
    });
    let outcome = running.finish_within(LIMIT);
    ensure!(outcome.status.success(), "{}", outcome.transcript());
    Ok(Spent { wall: wall?, peak })
}

/// The most that a process has held so far, and its children with theirs.
fn held(pid: u32) -> u64 {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let status = read("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let own = line.trim().trim_end_matches(" kB").parse::<u64>().map_or(0, |kilobytes| kilobytes * 1024);
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> = children
        .flat_map(|line| line.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    own + children.into_iter().map(held).sum::<u64>()
}

//! What a child process cost: time, processor time, memory.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// How often the memory of a child is looked at. Its peak only rises, so the last look counts.
const LOOK: Duration = Duration::from_millis(2);

/// `USER_HZ`: the kernel counts a process's time for `/proc` in hundredths on every architecture
/// that Debian has.
const TICKS_A_SECOND: f64 = 100.0;

/// What a run cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// From start to end.
    pub(crate) wall: Duration,
    /// Of all its threads, in user and kernel mode.
    pub(crate) cpu: Duration,
    /// The most memory that it has held.
    pub(crate) peak: u64,
}

/// Runs a command whose output goes nowhere; it must succeed.
pub(crate) fn wall(command: &mut Command) -> anyhow::Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().with_context(|| shown(command))?;
    let took = began.elapsed();
    ensure!(status.success(), "{}: {status}", shown(command));
    Ok(took)
}

/// Runs a command through a pipe from a file, its output going nowhere; it must succeed.
pub(crate) fn fed(command: &mut Command, input: Option<&Path>) -> anyhow::Result<Cost> {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() }).stdout(Stdio::null());
    let mut input = input.map(File::open).transpose()?;
    let began = Instant::now();
    let mut child = command.spawn().with_context(|| shown(command))?;
    let pipe = child.stdin.take();
    let feeder = std::thread::spawn(move || match (&mut input, pipe) {
        (Some(file), Some(mut pipe)) => io::copy(file, &mut pipe),
        _ => Ok(0),
    });
    let peak = peak_of(&child)?;
    let wall = began.elapsed();
    // Ended, but not waited for yet: its times can still be read.
    let cpu = processor_time(&child)?;
    let status = child.wait()?;
    ensure!(status.success(), "{}: {status}", shown(command));
    feeder.join().map_err(|_| anyhow::anyhow!("the feeding thread panicked"))??;
    Ok(Cost { wall, cpu, peak })
}

/// Looks at the memory until the child has ended.
fn peak_of(child: &Child) -> anyhow::Result<u64> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process id")?;
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let mut peak = 0;
    while waitid(WaitId::Pid(pid), ended)?.is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        peak = peak.max(kilobytes * 1024);
        std::thread::sleep(LOOK);
    }
    Ok(peak)
}

fn processor_time(child: &Child) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    // The second field is the command in parentheses and may hold blanks; user and kernel time are
    // the 14th and 15th.
    let (_, rest) = stat.rsplit_once(") ").context("a line of /proc/PID/stat")?;
    let ticks = rest.split(' ').skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(Duration::from_secs_f64(f64::from(ticks) / TICKS_A_SECOND))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

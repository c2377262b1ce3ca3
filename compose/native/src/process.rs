//! What `/proc` says about processes: who descends from whom, what runs where, what still lives.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A process, told apart from a later one with the same number by the tick it started at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: i32,
    /// Clock ticks between boot and start.
    pub started: u64,
}

/// The fields of `/proc/PID/stat` that matter here.
struct Stat {
    state: u8,
    parent: i32,
    started: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may itself hold blanks and parentheses.
    let rest = &text[text.rfind(')')? + 2..];
    let fields: Vec<&str> = rest.split(' ').collect();
    Some(Stat {
        state: *fields.first()?.as_bytes().first()?,
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

impl Identity {
    /// The process that has this number now; none for a zombie.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = stat(pid)?;
        (stat.state != b'Z').then_some(Self { pid, started: stat.started })
    }

    /// Whether the very same process still runs.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal, unless the number belongs to another process by now.
    pub fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            // It may end between the look and the signal; then there is nothing left to do.
            let _ = kill_process(pid, signal);
        }
    }

    /// The file of the program that it runs, also when that has been replaced since.
    pub fn program(self) -> Option<PathBuf> {
        let path = fs::read_link(format!("/proc/{}/exe", self.pid)).ok()?;
        let name = path.to_string_lossy();
        Some(PathBuf::from(name.strip_suffix(" (deleted)").unwrap_or(&name)))
    }

    /// The process that started it, or that has adopted it since; 0 when it has ended.
    pub fn parent(self) -> i32 {
        stat(self.pid).map_or(0, |stat| stat.parent)
    }

    /// The folder that it works in.
    pub fn folder(self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/cwd", self.pid)).ok()
    }

    /// Whether its environment, as it was at the start, holds `NAME=value`.
    pub fn has_variable(self, assignment: &str) -> bool {
        fs::read(format!("/proc/{}/environ", self.pid))
            .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == assignment.as_bytes()))
    }
}

/// Every process that can be seen, zombies left out.
pub fn all() -> Vec<Identity> {
    with_parents().into_iter().map(|(process, _)| process).collect()
}

/// Every process below this one, zombies left out.
pub fn descendants(root: i32) -> Vec<Identity> {
    below(root, with_parents())
}

/// Every process below this one, and those that work in the folder, zombies left out.
pub fn descendants_and_users(root: i32, folder: &Path) -> Vec<Identity> {
    let all = with_parents();
    let users = all.iter().map(|(process, _)| *process);
    let mut found: Vec<_> = users.filter(|user| user.folder().is_some_and(|at| at.starts_with(folder))).collect();
    found.extend(below(root, all));
    found
}

/// Every process that can be seen, and the one that started it; one look at each, for tests do this at every end.
fn with_parents() -> Vec<(Identity, i32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let living = pids.filter_map(|pid| Some((pid, stat(pid)?))).filter(|(_, stat)| stat.state != b'Z');
    living.map(|(pid, stat)| (Identity { pid, started: stat.started }, stat.parent)).collect()
}

fn below(root: i32, all: Vec<(Identity, i32)>) -> Vec<Identity> {
    let mut children: HashMap<i32, Vec<Identity>> = HashMap::new();
    for (process, parent) in all {
        children.entry(parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            next.push(child.pid);
            found.push(child);
        }
    }
    found
}

/// Waits until the condition holds; false when the time is up.
pub fn wait_until(limit: Duration, pause: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use rustix::process::Signal;

    use super::{Identity, descendants, wait_until};

    #[test]
    fn a_child_is_seen_until_it_is_killed() {
        let me = i32::try_from(std::process::id()).expect("a process id fits");
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep starts");
        let identity = Identity::of(i32::try_from(child.id()).expect("fits")).expect("it runs");
        assert!(descendants(me).contains(&identity));
        identity.signal(Signal::KILL);
        // A zombie counts as gone, even before anyone has waited for it.
        assert!(wait_until(Duration::from_secs(5), Duration::from_millis(5), || !identity.is_alive()));
        child.wait().expect("it can be waited for");
    }
}

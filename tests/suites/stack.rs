//! The native stack as people run it: by the scripts of `compose/`, on real processes, with the
//! binaries under test.

mod availability;
mod changes;
mod killed;
mod refusals;
mod routers;
mod second_region;
mod shells;
mod story;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flotilla_native::places;
use flotilla_native::process::{self, Identity};
use flotilla_tests::{Outcome, Run, Sandbox, binary, folder};
use rustix::process::Signal;
use serde_json::Value;

/// How long a script may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(8);

/// A stack in a sandbox.
struct Stack<'a> {
    sandbox: &'a Sandbox,
    name: &'static str,
    base_port: u16,
}

/// The checkout.
fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whole stacks are heavy: one test at a time, also where no nextest sees to it.
fn alone() -> File {
    let folder = places::cache().expect("the cache folder");
    fs::create_dir_all(&folder).expect("the cache folder");
    let file = File::create(folder.join("stack-suite.lock")).expect("a lock");
    file.lock().expect("the other test ends");
    file
}

impl<'a> Stack<'a> {
    fn new(sandbox: &'a Sandbox, name: &'static str, base_port: u16) -> Self {
        for tool in ["stack", "shardctl", "migrate", "walg-wrap", "pitr", "poolcfg", "healthcheck"] {
            binary(tool);
        }
        Self { sandbox, name, base_port }
    }

    /// Everything of it lies here.
    fn state(&self) -> PathBuf {
        self.sandbox.path().join(self.name)
    }

    /// A line of shell in the checkout, as one types it; the stack is this one.
    fn shell(&self, line: &str) -> Run {
        let cache = places::cache().expect("the cache folder");
        let run = self.sandbox.script(line).folder(&checkout()).env("FLOTILLA_BIN", folder());
        run.env("FLOTILLA_CACHE", cache).env("FLOTILLA_STATE", self.state()).env("FLOTILLA_STACK", self.name)
    }

    /// The same after `. compose/env`.
    fn mine(&self, line: &str) -> Run {
        self.shell(&format!(". compose/env; {line}"))
    }

    fn up(&self) -> Outcome {
        let line = format!("compose/up --name {} --base-port {}", self.name, self.base_port);
        self.shell(&line).run_within(PATIENCE)
    }

    fn down(&self, more: &str) -> Outcome {
        self.shell(&format!("compose/down --name {} {more}", self.name)).run_within(PATIENCE)
    }

    /// What runs as whom: the process of every member and of its logger, and the supervisor's.
    fn processes(&self) -> BTreeMap<String, Identity> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(self.state().join("service")).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            for (what, pid) in [("", "supervise/pid"), (" logger", "log/supervise/pid")] {
                let pid = fs::read_to_string(entry.path().join(pid)).unwrap_or_default();
                if let Some(process) = pid.trim().parse().ok().and_then(Identity::of) {
                    found.insert(format!("{name}{what}"), process);
                }
            }
            let lock = self.state().join("data").join(&name).join("postgres/postmaster.pid");
            let postmaster = fs::read_to_string(lock).unwrap_or_default();
            if let Some(process) = postmaster.lines().next().and_then(|pid| pid.parse().ok()).and_then(Identity::of) {
                found.insert(format!("{name} postmaster"), process);
            }
        }
        let supervisor =
            self.all_processes().into_iter().find(|p| p.program().is_some_and(|p| p.ends_with("runsvdir")));
        found.extend(supervisor.map(|process| ("supervisor".to_owned(), process)));
        found
    }

    /// Every process of the stack, found by the folder that it works in or by its mark.
    fn all_processes(&self) -> Vec<Identity> {
        let record = fs::read_to_string(self.state().join("stack.json")).unwrap_or_default();
        let record: Value = serde_json::from_str(&record).unwrap_or_default();
        let mark = format!("FLOTILLA_STACK_MARK={}", record["mark"].as_str().unwrap_or("none"));
        let works_there = |p: &Identity| p.folder().is_some_and(|folder| folder.starts_with(self.state()));
        process::all().into_iter().filter(|p| works_there(p) || p.has_variable(&mark)).collect()
    }

    fn process(&self, name: &str) -> Identity {
        let found = self.processes();
        *found.get(name).unwrap_or_else(|| panic!("no process {name}: {found:?}"))
    }

    /// Ports of the stack's that somebody listens on.
    fn ports(&self) -> Vec<u16> {
        listening(self.base_port)
    }

    /// Every file below the stack's folder but for what servers write while they run; with the time
    /// of its last change and its number.
    fn written(&self) -> BTreeMap<PathBuf, (i64, i64, u64)> {
        let mut found = BTreeMap::new();
        walk(&self.state(), &mut |path, meta| {
            let below = path.strip_prefix(self.state()).unwrap();
            let theirs = ["data", "log", "run"].iter().any(|folder| below.starts_with(folder));
            if meta.is_file() && !theirs && !below.components().any(|part| part.as_os_str() == "supervise") {
                found.insert(below.to_owned(), (meta.mtime(), meta.mtime_nsec(), meta.ino()));
            }
        });
        found
    }

    /// Sockets in the file system.
    fn sockets(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.state(), &mut |path, meta| {
            if meta.file_type().is_socket() {
                found.push(path.to_owned());
            }
        });
        found
    }

    /// The shared memory of its PostgreSQL servers, by the number that `ipcs` shows.
    fn segments(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.state(), &mut |path, _| {
            if path.ends_with("postmaster.pid") {
                let lock = fs::read_to_string(path).unwrap_or_default();
                found.extend(
                    lock.lines().nth(6).and_then(|line| line.split_ascii_whitespace().nth(1)).map(str::to_owned),
                );
            }
        });
        found
    }
}

/// Ports that somebody listens on, of those that are counted from this one.
fn listening(base: u16) -> Vec<u16> {
    let table = fs::read_to_string("/proc/net/tcp").expect("the table of sockets");
    let port = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let port = u16::from_str_radix(fields.get(1)?.split_once(':')?.1, 16).ok()?;
        (fields.get(3) == Some(&"0A") && (base..base + 1000).contains(&port)).then_some(port)
    };
    let mut ports: Vec<u16> = table.lines().skip(1).filter_map(port).collect();
    ports.sort_unstable();
    ports
}

/// Kills as `kill -9` does.
fn kill(process: Identity) {
    process.signal(Signal::KILL);
}

/// Whether one of these segments of shared memory is still there.
fn any_is_there(segments: &[String]) -> bool {
    let table = fs::read_to_string("/proc/sysvipc/shm").expect("the table of shared memory");
    table.lines().any(|line| {
        let id = line.split_ascii_whitespace().nth(1);
        segments.iter().any(|segment| id == Some(segment.as_str()))
    })
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path, &fs::Metadata)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // A server may remove one meanwhile.
        let Ok(meta) = entry.path().symlink_metadata() else { continue };
        visit(&entry.path(), &meta);
        if meta.is_dir() {
            walk(&entry.path(), visit);
        }
    }
}

//! The server that recovers: started on the restored folder, watched through its log, and gone with
//! this process.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::pg::Programs;
use flotilla_archive::wal::Lsn;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::place::{Place, failed};

const TICK: Duration = Duration::from_millis(20);
/// How long a server may take to stop.
const STOP: Duration = Duration::from_mins(5);

/// The server's programs of this major version: in the folder given, where Debian has them, or on the PATH.
pub(crate) async fn programs(given: Option<&Path>, major: u32) -> Result<Programs> {
    Programs::search("postgres", given, major).await.map_err(|there| {
        Error::new(Code::Unsupported, format!("the backup is of PostgreSQL {major}, and {there}; nothing was touched"))
            .hint("Install its server, or name the folder of its programs with --bin.")
    })
}

/// A program of the server's that runs as the place's account and ends with this process.
pub(crate) fn command(programs: &Programs, place: &Place, name: &str) -> Command {
    as_account(place, &programs.path(name))
}

/// A command that runs as the place's account and ends with this process, however that ends.
pub(crate) fn as_account(place: &Place, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if let Some((uid, gid)) = place.account {
        command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"]);
    }
    command.arg("--").arg(program).current_dir("/").stdin(Stdio::null());
    // libpq's variables would change what a server's children do.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    command
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

/// What a log says of a recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The record at which it stopped.
    pub(crate) stop: Option<Lsn>,
    /// Whether it stopped before it; otherwise after.
    pub(crate) before: bool,
    /// How many segments it was given.
    pub(crate) segments: usize,
    /// Whether the server takes connections.
    pub(crate) ready: bool,
}

impl Server {
    /// Starts it; its log begins anew.
    pub(crate) fn start(programs: &Programs, place: &Place) -> Result<Self> {
        let path = place.log();
        let log = File::options().create(true).write(true).truncate(true).mode(0o600).open(&path);
        let log = log.map_err(|e| failed(&path, e))?;
        place.own(&path).map_err(|e| failed(&path, e))?;
        let errors = log.try_clone().map_err(|e| failed(&path, e))?;
        let mut server = command(programs, place, "postgres");
        server.arg("-D").arg(place.data()).stdout(log).stderr(errors);
        let child = server.spawn().map_err(|e| {
            Error::new(Code::NotFound, "could not run \"setpriv\"").hint("Install util-linux.").source(e)
        })?;
        Ok(Self { child, log: path })
    }

    /// Waits until recovery has ended and the server takes connections.
    pub(crate) async fn wait(&mut self, cx: &Context, shard: &str) -> Result<Reached> {
        let mut told = 0;
        loop {
            let ended = self.child.try_wait().map_err(|e| failed(&self.log, e))?;
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let reached = read(&log);
            if reached.segments >= told + 16 {
                told = reached.segments;
                tracing::info!("{shard}: {told} segments were replayed");
            }
            if reached.ready {
                return Ok(reached);
            }
            if ended.is_some() {
                let error = Error::new(Code::Mismatch, format!("recovery of shard \"{shard}\" failed: {}", why(&log)))
                    .hint(format!("Its log is {}.", self.log.display()));
                return Err(match fetching(&log) {
                    Some(said) => error.source(said),
                    None => error,
                });
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = cx.stop().asked() => {
                    self.stop().await?;
                    return Err(flotilla::signal::cancelled());
                }
                () = cx.deadline_passed() => {
                    self.stop().await?;
                    return Err(cx.deadline_error());
                }
            }
        }
    }

    /// Stops it cleanly and waits until it has ended.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::INT);
        }
        let end = Instant::now() + STOP;
        loop {
            if self.child.try_wait().map_err(|e| failed(&self.log, e))?.is_some() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Error::new(Code::Timeout, "the restored server did not stop")
                    .hint(format!("Its log is {}.", self.log.display())));
            }
            tokio::time::sleep(TICK).await;
        }
    }
}

/// Reads what a log says.
fn read(log: &str) -> Reached {
    let mut reached = Reached::default();
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("recovery stopping ") {
            reached.before = rest.starts_with("before");
            reached.stop = rest.split('"').nth(1).and_then(|lsn| lsn.parse().ok());
        }
        if line.contains("restored log file \"") && !line.contains(".history") {
            reached.segments += 1;
        }
        reached.ready |= line.contains("database system is ready to accept connections");
    }
    reached
}

/// What the server said last before it gave up.
fn why(log: &str) -> String {
    let worst = |line: &&str| line.contains("FATAL:") || line.contains("PANIC:");
    let line =
        log.lines().rev().find(|line| worst(line) && !line.contains("terminating")).or_else(|| log.lines().last());
    let text = line.unwrap_or("it said nothing");
    let text = text.split_once("  ").map_or(text, |(_, text)| text);
    text.trim().to_owned()
}

/// What `walg-wrap` said last, which the server asks for the log: of its failure the server knows a number.
fn fetching(log: &str) -> Option<String> {
    let said: Vec<&str> = log.lines().collect();
    let begin = said.iter().rposition(|line| line.starts_with("walg-wrap: "))?;
    let more = said[begin + 1..].iter().take_while(|line| line.starts_with(' ') || line.starts_with("hint:"));
    Some(std::iter::once(&said[begin]).chain(more).map(|line| line.trim()).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_says_where_recovery_stopped() {
        let log = "2026-01-01 00:00:00.000 UTC [1] LOG:  restored log file \"000000010000000000000003\" from archive\n\
                   2026-01-01 00:00:00.000 UTC [1] LOG:  restored log file \"00000002.history\" from archive\n\
                   2026-01-01 00:00:00.000 UTC [1] LOG:  recovery stopping before WAL location (LSN) \"0/3000148\"\n";
        let stop = "0/3000148".parse().ok();
        assert_eq!(read(log), Reached { stop, before: true, segments: 1, ready: false });
        assert_eq!(why("x [1] LOG:  a\nx [1] FATAL:  no\nx [2] LOG:  shut down\n"), "no");
        let log = "x [1] LOG:  a\nwalg-wrap: no room\n  really none\nx [1] FATAL:  no\n";
        assert_eq!(fetching(log).as_deref(), Some("walg-wrap: no room; really none"));
        assert_eq!(fetching("x [1] LOG:  a\n"), None);
    }
}

//! Real PostgreSQL servers for tests: copied from a template, reached by Unix socket, in parallel.
//!
//! ```no_run
//! use flotilla_native::postgres::{Options, Server, Template};
//!
//! # fn main() -> flotilla::Result<()> {
//! let template = Template::cached(&flotilla_native::places::cache()?, 0)?;
//! let primary = Server::start(&template, Options::default())?;
//! let replica = primary.replica(Options::default())?;
//! primary.sql("create table t (x int)")?;
//! println!("{}", replica.conninfo("postgres"));
//! # Ok(()) }
//! ```
//!
//! A server starts in a few hundred milliseconds, belongs to a [`Guard`](crate::guard::Guard), and
//! is gone with its folder when the [`Server`] is dropped or the process dies, by `kill -9` too.
//! Durability is off, for nobody restores a test; the settings that only a restart can change are
//! those of the real stack.

mod options;
mod server;
mod superuser;
mod template;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flotilla::{Code, Error, Result};

pub use options::{Listen, Options, Tls};
pub use server::{Server, Shutdown};
pub use template::Template;

/// The folder of PostgreSQL's programs, as Debian's packages lay them out.
pub const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// The longest path of a Unix socket that Linux takes.
pub const SOCKET_PATH_LIMIT: usize = 107;

/// The path of one of PostgreSQL's programs.
pub fn program(name: &str) -> PathBuf {
    Path::new(PROGRAMS).join(name)
}

/// Frees the System V segment of a server that was killed before it could.
///
/// PostgreSQL keeps one small segment as an interlock for the data folder. It outlives a server
/// that died by SIGKILL until the next start in the same folder; call this when there is none.
pub fn release_shared_memory(data: &Path) {
    let Ok(lock) = fs::read_to_string(data.join("postmaster.pid")) else { return };
    // Line 7 holds the segment's key and id.
    let Some((key, id)) = lock.lines().nth(6).and_then(|line| line.trim().split_once(' ')) else { return };
    let Ok(segments) = fs::read_to_string("/proc/sysvipc/shm") else { return };
    // After a reboot the id may be another server's: key and id must fit, and nobody be attached.
    let abandoned = segments.lines().any(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let same_key = fields
            .first()
            .and_then(|field| field.parse::<i32>().ok())
            .is_some_and(|found| key.parse::<u32>().is_ok_and(|wanted| wanted == found.cast_unsigned()));
        same_key && fields.get(1) == Some(&id.trim()) && fields.get(6) == Some(&"0")
    });
    if abandoned {
        // Gone in the meantime is as good.
        let _ = Command::new("ipcrm").args(["-m", id.trim()]).output();
    }
}

/// The same for every server whose data lie below a folder.
pub fn release_shared_memory_below(folder: &Path) {
    release_shared_memory(folder);
    // What a server keeps in its data folder is no other server's.
    if folder.join("PG_VERSION").exists() {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            release_shared_memory_below(&entry.path());
        }
    }
}

/// Runs a command to its end; what it wrote to standard error becomes the cause of the error.
fn run(command: &mut Command, what: &str) -> Result<String> {
    let output = command.output().map_err(|source| {
        Error::new(Code::NotFound, format!("could not run {}", command.get_program().to_string_lossy()))
            .hint("Run compose/install, which installs what is missing.")
            .source(source)
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(Code::QueryFailed, format!("{what} failed ({})", output.status)).source(said))
}

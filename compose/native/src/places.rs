//! Where things lie outside the checkout: what can be made again, and what one stack is made of.

use std::path::{Path, PathBuf};

use flotilla::{Error, Result, env};

/// Free memory from which on short-lived servers are kept there, in bytes.
const MEMORY_ENOUGH: u64 = 2 << 30;

/// The folder for downloads, build output and templates: `$FLOTILLA_CACHE`, else by the caller.
pub fn cache() -> Result<PathBuf> {
    if let Some(cache) = env::path("FLOTILLA_CACHE") {
        return absolute(&cache);
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/cache/flotilla"));
    }
    under_home("XDG_CACHE_HOME", ".cache").map(|base| base.join("flotilla"))
}

/// Where stacks lie that root has started, also through sudo.
const OF_ROOT: &str = "/var/lib/flotilla";

/// The folder of one stack: `$FLOTILLA_STATE`, else by the caller and the stack's name.
pub fn state(name: &str) -> Result<PathBuf> {
    if let Some(state) = env::path("FLOTILLA_STATE") {
        return absolute(&state);
    }
    if rustix::process::geteuid().is_root() {
        return Ok(Path::new(OF_ROOT).join(name));
    }
    under_home("XDG_STATE_HOME", ".local/state").map(|base| base.join("flotilla").join(name))
}

/// Why a stack isn't where this caller's are: root has started it. None where that isn't so.
pub fn is_roots(name: &str) -> Option<Error> {
    let there = Path::new(OF_ROOT).join(name);
    let elsewhere = env::path("FLOTILLA_STATE").is_none() && !rustix::process::geteuid().is_root();
    (elsewhere && there.join("stack.json").exists()).then(|| {
        Error::config(format!("the stack \"{name}\" in {} was started as root", there.display()))
            .hint("Run this through sudo, too.")
    })
}

/// Where servers live that last as long as a test: `$TMPDIR`, else in memory where that has room, for
/// making the thousand files of a server can take a second on a disk.
pub fn short_lived() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let roomy =
        rustix::fs::statvfs(memory).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= MEMORY_ENOUGH);
    let writable = rustix::fs::access(memory, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok();
    if env::path("TMPDIR").is_none() && roomy && writable { memory.to_owned() } else { std::env::temp_dir() }
}

fn under_home(variable: &str, below: &str) -> Result<PathBuf> {
    if let Some(base) = env::path(variable).filter(|base| base.is_absolute()) {
        return Ok(base);
    }
    let home = env::home().ok_or_else(|| {
        Error::config("there is no home folder").hint("Set HOME, or FLOTILLA_CACHE and FLOTILLA_STATE.")
    })?;
    Ok(home.join(below))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|source| Error::config(format!("{} is not a usable path", path.display())).source(source))
}

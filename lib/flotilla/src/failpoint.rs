//! Failpoints: places where a test lets a tool die, to prove that the next run completes its work.
//!
//! `FLOTILLA_FAILPOINT=NAME` kills the process with SIGKILL when it comes by that place, `NAME@3` when
//! it does so for the third time. Nothing is flushed, unlocked or said, as when the machine loses
//! power under it. Each multi-step act names its places in its own documentation.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};

use crate::env;

struct Armed {
    name: String,
    left: AtomicU32,
}

/// Dies here if the environment says so.
pub fn hit(name: &str) {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let Some(armed) = ARMED.get_or_init(armed) else { return };
    if armed.name == name && armed.left.fetch_sub(1, Ordering::SeqCst) == 1 {
        let _ = kill_process(getpid(), Signal::KILL);
        // The signal may reach another thread first.
        loop {
            std::thread::park();
        }
    }
}

fn armed() -> Option<Armed> {
    let value = env::var("FLOTILLA_FAILPOINT")?;
    let (name, nth) = value.split_once('@').unwrap_or((&value, "1"));
    Some(Armed { name: name.to_owned(), left: AtomicU32::new(nth.parse().ok()?) })
}

//! Diagnostics on standard error.

use std::io::Write as _;

use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use crate::env;

/// Starts logging: warnings, and more with `-v`; `FLOTILLA_LOG` takes a filter.
pub(crate) fn start(verbose: u8, quiet: bool) {
    let level = match verbose {
        0 if quiet => LevelFilter::ERROR,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let filter = EnvFilter::builder().with_default_directive(level.into());
    let filter = match env::var("FLOTILLA_LOG") {
        Some(spec) => filter.parse_lossy(spec),
        None => filter.parse_lossy(""),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}

/// Says something on standard error. A closed one is nobody to complain to.
pub fn say(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

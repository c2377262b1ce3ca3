//! What every Flotilla tool shares: process start and end, flags, exit codes, errors, records,
//! JSON-lines input, the one writer of standard output, topology, connecting, fan-out, locks,
//! consent, journal, placement.
//!
//! A tool is a [`tool::Tool`] with a list of [`verb::Verb`]s. A verb takes [`target::Target`]s,
//! works on them with [`context::Context::each`], and writes one [`record::Line`] for each.

pub mod availability;
pub mod clock;
pub mod config;
pub mod consent;
pub mod context;
pub mod env;
pub mod error;
pub mod exit;
pub mod failpoint;
pub mod fanout;
pub mod flags;
#[doc(hidden)]
pub mod fuzz;
pub mod http;
pub mod ignore;
pub mod input;
pub mod journal;
pub mod lock;
pub mod log;
pub mod migrations;
pub mod output;
pub mod ownership;
pub mod patroni;
pub mod pause;
pub mod pg;
pub mod placement;
mod progress;
pub mod reach;
pub mod record;
pub mod secret;
pub mod signal;
pub mod stream;
pub mod target;
pub mod tls;
pub mod tool;
pub mod verb;
pub mod watch;

pub use context::Context;
pub use error::{Code, Error, Result};

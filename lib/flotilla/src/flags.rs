//! The flags that every tool has, with the same meaning in each.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, ValueEnum};

use crate::clock::parse_duration;

/// How records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table on a terminal, JSON lines otherwise.
    #[default]
    Auto,
    /// A table for people; its shape may change in any release.
    Table,
    /// JSON lines; their shape is a promise.
    Json,
}

/// The global flags. The short help shows those that most calls need; `--help` and the man pages show all.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Global {
    /// How to write records
    #[arg(short = 'o', long = "output", global = true, value_enum, value_name = "FORMAT", default_value_t)]
    pub output: Format,
    /// Write only the lines of what failed; nothing at all when all is well
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more on standard error; twice for more still
    #[arg(short, long, global = true, action = clap::ArgAction::Count, hide_short_help = true)]
    pub verbose: u8,
    /// The topology file; without it, `$XDG_CONFIG_HOME/flotilla/flotilla.toml`, then `/etc/flotilla/flotilla.toml`
    #[arg(
        long,
        global = true,
        env = "FLOTILLA_CONFIG",
        hide_env_values = true,
        value_name = "FILE",
        hide_short_help = true
    )]
    pub config: Option<PathBuf>,
    /// Work on this target; may be repeated
    #[arg(short, long = "target", global = true, value_name = "NAME")]
    pub targets: Vec<String>,
    /// Work on every target
    #[arg(long, global = true, conflicts_with = "targets")]
    pub all: bool,
    /// How many targets to work on at the same time
    #[arg(short, long, global = true, env = "FLOTILLA_JOBS", hide_env_values = true, value_name = "N",
          default_value_t = 16, hide_short_help = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
    /// Stop after this long; what isn't done by then fails
    #[arg(long, global = true, env = "FLOTILLA_DEADLINE", hide_env_values = true, value_name = "DURATION",
          value_parser = parse_duration, hide_short_help = true)]
    pub deadline: Option<Duration>,
    /// Say what would be done and touch nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Consent to what can't be undone
    #[arg(long, global = true, hide_short_help = true)]
    pub yes: bool,
    /// Consent to a severe act by typing the name of what it destroys
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub confirm: Option<String>,
    /// Wait this long for another run of the same tool to end
    #[arg(long, global = true, value_name = "DURATION", default_value = "0", value_parser = parse_duration,
          hide_short_help = true)]
    pub lock_wait: Duration,
    /// Start after a random delay up to this long, so that many machines don't start at once
    #[arg(long, global = true, value_name = "DURATION", default_value = "0", value_parser = parse_duration,
          hide_short_help = true)]
    pub jitter: Duration,
    /// Why this run is made; kept in the ledger
    #[arg(
        long,
        global = true,
        env = "FLOTILLA_REASON",
        hide_env_values = true,
        value_name = "TEXT",
        hide_short_help = true
    )]
    pub reason: Option<String>,
    /// Print the JSON Schema of the verb's records and exit
    #[arg(long, global = true, hide_short_help = true)]
    pub schema: bool,
}

/// The colours of help texts.
pub const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

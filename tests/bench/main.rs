//! Ratios, each measured side by side with something known, in one run on one machine.
//!
//! `bench` prints a table with the target beside each figure and whether it was met. It never fails
//! for being slow: a busy machine is no bug, and a figure is judged by whoever reads it. It ends
//! with another code than 0 only when a measurement could not be made.

mod backup;
mod child;
mod count;
mod fence;
mod figure;
mod health;
mod migrate;
mod route;
mod spread;
mod standin;
mod startup;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::figure::{Figure, table};

/// Ratios measured side by side: what a tool costs beside what does the same by hand.
#[derive(Parser)]
#[command(name = "bench")]
struct Cli {
    /// What to measure; without any, everything
    #[arg(value_enum, value_name = "NAME")]
    names: Vec<Measurement>,
    /// Size of the database that `backup` works on, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    mib: u64,
    /// How often `backup` pushes and fetches; the figure is the median
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// Start of every tool, by `--version`
    Startup,
    /// `shardctl route`: keys a second on one core, and memory
    Route,
    /// `shardctl sql --all 'SELECT count(*) …'` beside psql on the slowest shard
    Count,
    /// COPY into a fenced table beside one without a fence
    Fence,
    /// `migrate`: 4,000 scripts, 200 pending, 16 databases with nothing to do
    Migrate,
    /// `walg-wrap`: push, fetch, wal-push and wal-fetch beside pgBackRest and WAL-G
    Backup,
    /// `healthcheck`: 50 endpoints beside the slowest alone, 1,000 requests a second while a server hangs
    Health,
    /// Fan-out to 100 and 1,000 targets: time and memory
    Spread,
}

impl Measurement {
    fn run(self, cli: &Cli) -> anyhow::Result<Vec<Figure>> {
        match self {
            Self::Backup => backup::measure(cli.mib << 20, cli.runs),
            Self::Startup => startup::measure(),
            Self::Route => route::measure(),
            Self::Count => count::measure(),
            Self::Fence => fence::measure(),
            Self::Migrate => migrate::measure(),
            Self::Health => health::measure(),
            Self::Spread => spread::measure(),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let all = Measurement::value_variants();
    let chosen = if cli.names.is_empty() { all } else { &cli.names[..] };
    match report(chosen, &cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the figures of each measurement as soon as it is made.
fn report(chosen: &[Measurement], cli: &Cli) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        writeln!(std::io::stderr(), "bench: this is a debug build; the figures say nothing (use --release)")?;
    }
    for measurement in chosen {
        writeln!(std::io::stdout(), "{}\n", table(&measurement.run(cli)?))?;
    }
    Ok(())
}

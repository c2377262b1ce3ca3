//! Health of every component of the architecture: what a probe asks, and how its answers are shown.

mod board;
mod check;
mod component;
mod exposition;
mod nagios;
mod probe;
mod report;
mod sweep;

use clap::{Parser, Subcommand};
use flotilla::exit::Exit;
use flotilla::fanout::BoxFuture;
use flotilla::flags::{Global, STYLES};
use flotilla::tool::Tool;
use flotilla::verb::Verb;
use flotilla::{Context, Result};

/// Health of every component of the architecture
#[derive(Parser)]
#[command(name = "healthcheck", version, styles = STYLES, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verbs,
    #[command(flatten)]
    global: Global,
}

#[derive(Subcommand)]
enum Verbs {
    /// Ask every component at the same time how it is
    #[command(after_help = probe::VERB.help(), after_long_help = probe::VERB.long_help())]
    Probe(probe::Args),
}

impl Tool for Cli {
    const NAME: &'static str = "healthcheck";
    const VERBS: &'static [Verb] = &[probe::VERB];

    fn global(&self) -> &Global {
        &self.global
    }

    fn verb(&self) -> &'static Verb {
        match &self.verb {
            Verbs::Probe(_) => &probe::VERB,
        }
    }

    fn run(self, cx: Context) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match self.verb {
                Verbs::Probe(args) => probe::run(&cx, args).await,
            }
        })
    }

    fn exit(exit: Exit) -> Exit {
        nagios::exit(std::env::args_os(), exit)
    }
}

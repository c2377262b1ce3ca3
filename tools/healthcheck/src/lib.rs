//! Health of every component of the architecture: what a probe asks, and how its answers are shown.

mod advise;
mod agent;
mod alert;
pub mod audit;
mod board;
mod check;
mod component;
mod exposition;
mod kept;
mod nagios;
mod probe;
mod rates;
mod report;
mod serve;
mod silence;
mod sweep;
mod watched;

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
// A probe mostly waits. With few at a time those that hang would hold up the others.
#[command(mut_arg("jobs", |arg| arg.default_value("256")))]
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
    /// Show health over HTTP: for programs, for Prometheus, and as a page
    #[command(after_help = serve::VERB.help(), after_long_help = serve::VERB.long_help())]
    Serve(serve::Args),
    /// Tell HAProxy about nodes, in the protocol of its agent checks
    #[command(after_help = agent::VERB.help(), after_long_help = agent::VERB.long_help())]
    Agent(agent::Args),
    /// Tell people when something stays bad, and when it is over
    #[command(after_help = alert::VERB.help(), after_long_help = alert::VERB.long_help())]
    Alert(alert::Args),
    /// Advise on indexes, statements, bloat and settings, with the SQL that mends
    #[command(after_help = advise::VERB.help(), after_long_help = advise::VERB.long_help())]
    Advise(advise::Args),
    /// Look for weaknesses, by reading and by trying what must not succeed
    #[command(after_help = audit::VERB.help(), after_long_help = audit::VERB.long_help())]
    Audit(audit::Args),
}

impl Tool for Cli {
    const NAME: &'static str = "healthcheck";
    const VERBS: &'static [Verb] = &[probe::VERB, serve::VERB, agent::VERB, alert::VERB, advise::VERB, audit::VERB];

    fn global(&self) -> &Global {
        &self.global
    }

    fn verb(&self) -> &'static Verb {
        match &self.verb {
            Verbs::Probe(_) => &probe::VERB,
            Verbs::Serve(_) => &serve::VERB,
            Verbs::Agent(_) => &agent::VERB,
            Verbs::Alert(_) => &alert::VERB,
            Verbs::Advise(_) => &advise::VERB,
            Verbs::Audit(_) => &audit::VERB,
        }
    }

    fn run(self, cx: Context) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match self.verb {
                Verbs::Probe(args) => probe::run(&cx, args).await,
                Verbs::Serve(args) => serve::run(&cx, args).await,
                Verbs::Agent(args) => agent::run(&cx, args).await,
                Verbs::Alert(args) => alert::run(&cx, args).await,
                Verbs::Advise(args) => advise::run(&cx, args).await,
                Verbs::Audit(args) => audit::run(&cx, args).await,
            }
        })
    }

    fn exit(exit: Exit) -> Exit {
        nagios::exit(std::env::args_os(), exit)
    }
}

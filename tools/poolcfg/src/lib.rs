//! Configuration of poolers and balancers: rendered from the topology, checked, compared with what runs,
//! applied as a transaction, and sized by what it has carried.

mod advise;
mod apply;
pub mod check;
mod diff;
mod file;
pub mod haproxy;
pub mod pgbouncer;
pub mod render;
mod rendering;
mod stats;
pub mod version;

use clap::{Parser, Subcommand};
use flotilla::fanout::BoxFuture;
use flotilla::flags::{Global, STYLES};
use flotilla::pause::guard;
use flotilla::tool::Tool;
use flotilla::verb::Verb;
use flotilla::{Context, Result};

/// PgBouncer and HAProxy configuration from the topology
#[derive(Parser)]
#[command(name = "poolcfg", version, styles = STYLES, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verbs,
    #[command(flatten)]
    global: Global,
}

#[derive(Subcommand)]
enum Verbs {
    /// Write the configuration of poolers and balancers as records
    #[command(after_help = rendering::VERB.help(), after_long_help = rendering::VERB.long_help())]
    Render(rendering::Args),
    /// Say what is wrong with configuration files, and add up the connections
    #[command(after_help = check::VERB.help(), after_long_help = check::VERB.long_help())]
    Check(check::Args),
    /// Compare files, running programs and the topology
    #[command(after_help = diff::VERB.help(), after_long_help = diff::VERB.long_help())]
    Diff(diff::Args),
    /// Put a new configuration in force, or keep the old one
    #[command(after_help = apply::VERB.help(), after_long_help = apply::VERB.long_help())]
    Apply(apply::Args),
    /// Advise on pool sizes from what pools carry
    #[command(after_help = advise::VERB.help(), after_long_help = advise::VERB.long_help())]
    Advise(advise::Args),
    /// Show pools, traffic and servers
    #[command(after_help = stats::VERB.help(), after_long_help = stats::VERB.long_help())]
    Stats(stats::Args),
    /// Hold poolers for an apply that may be killed
    #[command(hide = true)]
    HoldPoolers(guard::Args),
}

impl Tool for Cli {
    const NAME: &'static str = "poolcfg";
    const VERBS: &'static [Verb] = &[rendering::VERB, check::VERB, diff::VERB, apply::VERB, advise::VERB, stats::VERB];

    fn global(&self) -> &Global {
        &self.global
    }

    fn verb(&self) -> &'static Verb {
        match &self.verb {
            Verbs::Render(_) => &rendering::VERB,
            Verbs::Check(_) => &check::VERB,
            Verbs::Diff(_) => &diff::VERB,
            Verbs::Apply(_) => &apply::VERB,
            Verbs::Advise(_) => &advise::VERB,
            Verbs::Stats(_) => &stats::VERB,
            Verbs::HoldPoolers(_) => &guard::VERB,
        }
    }

    fn run(self, cx: Context) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match self.verb {
                Verbs::Render(args) => rendering::run(&cx, args).await,
                Verbs::Check(args) => check::run(&cx, args).await,
                Verbs::Diff(args) => diff::run(&cx, args).await,
                Verbs::Apply(args) => apply::run(&cx, args).await,
                Verbs::Advise(args) => advise::run(&cx, args).await,
                Verbs::Stats(args) => stats::run(&cx, args).await,
                Verbs::HoldPoolers(args) => guard::run(&cx, args).await,
            }
        })
    }
}

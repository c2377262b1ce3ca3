//! PgBouncer and HAProxy configuration from the topology.

pub mod render;
mod rendering;

use clap::{Parser, Subcommand};
use flotilla::fanout::BoxFuture;
use flotilla::flags::{Global, STYLES};
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
}

impl Tool for Cli {
    const NAME: &'static str = "poolcfg";
    const VERBS: &'static [Verb] = &[rendering::VERB];

    fn global(&self) -> &Global {
        &self.global
    }

    fn verb(&self) -> &'static Verb {
        match &self.verb {
            Verbs::Render(_) => &rendering::VERB,
        }
    }

    fn run(self, cx: Context) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match self.verb {
                Verbs::Render(args) => rendering::run(&cx, args).await,
            }
        })
    }
}

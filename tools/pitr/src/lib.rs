//! Restores to a point in time: what can be reached, how, and the proof that it was.

mod coverage;
mod cut;
mod drill;
mod goal;
mod log;
mod past;
mod plan;
mod point;
mod restore;
mod when;
mod window;

use clap::{Parser, Subcommand};
use flotilla::Context;
use flotilla::error::Result;
use flotilla::fanout::BoxFuture;
use flotilla::flags::{Global, STYLES};
use flotilla::tool::Tool;
use flotilla::verb::Verb;

/// Restores a shard or the whole cluster to a point in time, and proves that it can
#[derive(Parser)]
#[command(name = "pitr", version, styles = STYLES, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verbs,
    #[command(flatten)]
    global: Global,
}

#[derive(Subcommand)]
enum Verbs {
    /// Show which times can be restored, and why the others can't
    #[command(after_help = coverage::VERB.help(), after_long_help = coverage::VERB.long_help())]
    Coverage(coverage::Args),
    /// Show how a point would be restored: backup, WAL, bytes and time
    #[command(after_help = plan::VERB.help(), after_long_help = plan::VERB.long_help())]
    Plan(plan::Args),
    /// Restore shards as they were at a point, in a folder apart
    #[command(after_help = restore::VERB.help(), after_long_help = restore::VERB.long_help())]
    Restore(restore::Args),
    /// Make a restore point on all shards at once
    #[command(after_help = point::VERB.help(), after_long_help = point::VERB.long_help())]
    Point(point::Args),
    /// Prove by a restore that shards can be restored
    #[command(after_help = drill::VERB.help(), after_long_help = drill::VERB.long_help())]
    Drill(drill::Args),
}

impl Tool for Cli {
    const NAME: &'static str = "pitr";
    const VERBS: &'static [Verb] = &[coverage::VERB, plan::VERB, restore::VERB, point::VERB, drill::VERB];

    fn global(&self) -> &Global {
        &self.global
    }

    fn verb(&self) -> &'static Verb {
        match &self.verb {
            Verbs::Coverage(_) => &coverage::VERB,
            Verbs::Plan(_) => &plan::VERB,
            Verbs::Restore(_) => &restore::VERB,
            Verbs::Point(_) => &point::VERB,
            Verbs::Drill(_) => &drill::VERB,
        }
    }

    fn run(self, cx: Context) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match self.verb {
                Verbs::Coverage(args) => coverage::run(&cx, args).await,
                Verbs::Plan(args) => plan::run(&cx, args).await,
                Verbs::Restore(args) => restore::run(&cx, args).await,
                Verbs::Point(args) => point::run(&cx, args).await,
                Verbs::Drill(args) => drill::run(&cx, args).await,
            }
        })
    }
}

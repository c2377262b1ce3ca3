//! Flyway-compatible migrations over a whole fleet, with free undo.

mod apply;
mod baseline;
mod database;
mod fingerprint;
mod goal;
mod history;
mod info;
pub mod lint;
mod migrating;
mod new;
mod plan;
mod reading;
mod repair;
mod resume;
mod run;
mod schema_history;
mod settings;
pub mod statements;
mod undo;
mod validate;

use clap::{Parser, Subcommand};
use flotilla::Context;
use flotilla::error::Result;
use flotilla::fanout::BoxFuture;
use flotilla::flags::{Global, STYLES};
use flotilla::tool::Tool;
use flotilla::verb::Verb;

/// Flyway-compatible migrations over a whole fleet, with free undo
#[derive(Parser)]
#[command(name = "migrate", version, styles = STYLES, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verbs,
    #[command(flatten)]
    global: Global,
}

#[derive(Subcommand)]
enum Verbs {
    /// Write the next version and its undo, empty or by a pattern
    #[command(after_help = new::VERB.help(), after_long_help = new::VERB.long_help())]
    New(new::Args),
    /// Show what has become of each migration on each shard
    #[command(after_help = info::VERB.help(), after_long_help = info::VERB.long_help())]
    Info(info::Args),
    /// Show what would be applied, in a way that can't write
    #[command(after_help = plan::VERB.help(), after_long_help = plan::VERB.long_help())]
    Plan(plan::Args),
    /// Apply what is pending, in waves over the shards
    #[command(after_help = apply::VERB.help(), after_long_help = apply::VERB.long_help())]
    Apply(Box<apply::Args>),
    /// Take versions back by their U scripts
    #[command(after_help = undo::VERB.help(), after_long_help = undo::VERB.long_help())]
    Undo(undo::Args),
    /// Check what is applied against the scripts, and the shards against each other
    #[command(after_help = validate::VERB.help(), after_long_help = validate::VERB.long_help())]
    Validate(validate::Args),
    /// Say what is wrong with scripts, before any server sees them
    #[command(after_help = lint::VERB.help(), after_long_help = lint::VERB.long_help())]
    Lint(lint::Args),
    /// Begin the history of a database that has tables already
    #[command(after_help = baseline::VERB.help(), after_long_help = baseline::VERB.long_help())]
    Baseline(baseline::Args),
    /// Make the history say what the scripts say
    #[command(after_help = repair::VERB.help(), after_long_help = repair::VERB.long_help())]
    Repair(repair::Args),
    /// Show who applied what where, when and why
    #[command(after_help = history::VERB.help(), after_long_help = history::VERB.long_help())]
    History(history::Args),
}

impl Tool for Cli {
    const NAME: &'static str = "migrate";
    const VERBS: &'static [Verb] = &[
        new::VERB,
        new::LIST,
        info::VERB,
        plan::VERB,
        apply::VERB,
        undo::VERB,
        validate::VERB,
        lint::VERB,
        lint::live::VERB,
        baseline::VERB,
        repair::VERB,
        history::VERB,
    ];

    fn global(&self) -> &Global {
        &self.global
    }

    fn verb(&self) -> &'static Verb {
        match &self.verb {
            Verbs::New(args) => args.verb(),
            Verbs::Info(_) => &info::VERB,
            Verbs::Plan(_) => &plan::VERB,
            Verbs::Apply(_) => &apply::VERB,
            Verbs::Undo(_) => &undo::VERB,
            Verbs::Validate(_) => &validate::VERB,
            Verbs::Lint(args) => args.verb(),
            Verbs::Baseline(_) => &baseline::VERB,
            Verbs::Repair(_) => &repair::VERB,
            Verbs::History(_) => &history::VERB,
        }
    }

    fn run(self, cx: Context) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match self.verb {
                Verbs::New(args) => new::run(&cx, &args),
                Verbs::Info(args) => info::run(&cx, args).await,
                Verbs::Plan(args) => plan::run(&cx, args).await,
                Verbs::Apply(args) => apply::run(&cx, *args).await,
                Verbs::Undo(args) => undo::run(&cx, args).await,
                Verbs::Validate(args) => validate::run(&cx, args).await,
                Verbs::Lint(args) => lint::run(&cx, args).await,
                Verbs::Baseline(args) => baseline::run(&cx, args).await,
                Verbs::Repair(args) => repair::run(&cx, args).await,
                Verbs::History(args) => history::run(&cx, args).await,
            }
        })
    }
}

//! Topology, routing, keys and fan-out over a sharded PostgreSQL fleet.

mod drill;
#[doc(hidden)]
pub mod fuzz;
mod init;
mod key;
mod map;
mod route;
mod schema;
mod sql;
mod status;
mod switchover;
mod targets;

use clap::{Parser, Subcommand};
use flotilla::Context;
use flotilla::error::Result;
use flotilla::fanout::BoxFuture;
use flotilla::flags::{Global, STYLES};
use flotilla::tool::Tool;
use flotilla::verb::Verb;

/// Topology, routing, keys and fan-out over a sharded PostgreSQL fleet
#[derive(Parser)]
#[command(name = "shardctl", version, styles = STYLES, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verbs,
    #[command(flatten)]
    global: Global,
}

#[derive(Subcommand)]
enum Verbs {
    /// Set up schema `flotilla`, roles and ownership on every shard
    #[command(after_help = init::VERB.help(), after_long_help = init::VERB.long_help())]
    Init(init::Args),
    /// List the servers and shards of the topology
    #[command(after_help = targets::VERB.help(), after_long_help = targets::VERB.long_help())]
    Targets(targets::Args),
    /// One screen: shards, who leads, lag, epochs, pools, last ledger lines
    #[command(after_help = status::VERB.help(), after_long_help = status::VERB.long_help())]
    Status(status::Args),
    /// Show who owns which bucket, compare all shards, export it for applications
    #[command(after_help = map::VERB.help(), after_long_help = map::VERB.long_help())]
    Map(map::Args),
    /// Say which shard a key or a row id belongs to
    #[command(after_help = route::VERB.help(), after_long_help = route::VERB.long_help())]
    Route(route::Args),
    /// Make and take apart row ids and user ids
    #[command(after_help = key::VERB_NEW.help(), after_long_help = key::VERB_NEW.long_help())]
    Key(key::Args),
    /// Run SQL on the shard that owns a key, or on every shard
    #[command(after_help = sql::VERB.help(), after_long_help = sql::VERB.long_help())]
    Sql(sql::Args),
    /// Let another node lead a shard without an error for clients
    #[command(after_help = switchover::VERB.help(), after_long_help = switchover::VERB.long_help())]
    Switchover(switchover::Args),
    /// Break something on purpose and measure what clients see of it
    #[command(after_help = drill::VERB.help(), after_long_help = drill::VERB.long_help())]
    Drill(drill::Args),
    /// Hold poolers for a switchover that may be killed
    #[command(hide = true)]
    HoldPoolers(flotilla::pause::guard::Args),
}

impl Tool for Cli {
    const NAME: &'static str = "shardctl";
    const VERBS: &'static [Verb] = &[
        init::VERB,
        targets::VERB,
        status::VERB,
        map::VERB,
        map::VERB_RECONCILE,
        route::VERB,
        key::VERB_NEW,
        key::VERB_PARSE,
        sql::VERB,
        sql::VERB_READ,
        switchover::VERB,
        drill::VERB,
    ];

    fn global(&self) -> &Global {
        &self.global
    }

    fn verb(&self) -> &'static Verb {
        match &self.verb {
            Verbs::Init(_) => &init::VERB,
            Verbs::Targets(_) => &targets::VERB,
            Verbs::Status(_) => &status::VERB,
            Verbs::Map(args) => args.verb(),
            Verbs::Route(_) => &route::VERB,
            Verbs::Key(args) => args.verb(),
            Verbs::Sql(args) => args.verb(),
            Verbs::Switchover(_) => &switchover::VERB,
            Verbs::Drill(_) => &drill::VERB,
            Verbs::HoldPoolers(_) => &flotilla::pause::guard::VERB,
        }
    }

    fn run(self, cx: Context) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match self.verb {
                Verbs::Init(args) => init::run(&cx, args).await,
                Verbs::Targets(args) => targets::run(&cx, args).await,
                Verbs::Status(args) => status::run(&cx, args).await,
                Verbs::Map(args) => map::run(&cx, args).await,
                Verbs::Route(args) => route::run(&cx, args).await,
                Verbs::Key(args) => key::run(&cx, args).await,
                Verbs::Sql(args) => sql::run(&cx, args).await,
                Verbs::Switchover(args) => switchover::run(&cx, args).await,
                Verbs::Drill(args) => drill::run(&cx, args).await,
                Verbs::HoldPoolers(args) => flotilla::pause::guard::run(&cx, args).await,
            }
        })
    }
}

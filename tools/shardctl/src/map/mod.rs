//! `shardctl map`: who owns which bucket, compared over all shards, and made known.

mod export;
mod reconcile;
mod serve;
mod show;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use flotilla::Context;
use flotilla::clock::parse_duration;
use flotilla::error::Result;
use flotilla::record::RecordInfo;
use flotilla::verb::{Effect, Example, Scope, Verb};

/// `map`: reads.
pub(crate) const VERB: Verb = Verb {
    name: "map",
    effect: Effect::Reads,
    scope: Scope::None,
    exclusive: false,
    records: &[RecordInfo::of::<show::OwnershipRow>()],
    examples: &[
        Example { line: "shardctl map", does: "Compare what all shards say about who owns what" },
        Example { line: "shardctl map --export=map.json", does: "Write the file that application routers read" },
        Example { line: "shardctl map --serve 127.0.0.1:8474", does: "Serve the same at http://127.0.0.1:8474/map" },
        Example { line: "shardctl map --reconcile --dry-run", does: "Say how a disagreement would be settled" },
    ],
};

/// `map --reconcile`: changes.
pub(crate) const VERB_RECONCILE: Verb = Verb {
    name: "map --reconcile",
    effect: Effect::Changes,
    scope: Scope::None,
    exclusive: true,
    records: &[RecordInfo::of::<reconcile::ReconcileRow>()],
    examples: &[Example {
        line: "shardctl map --reconcile",
        does: "Settle who owns what after a restore or a lost failover",
    }],
};

/// What to do with the map.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write the map as one JSON file, to standard output or to FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-",
          conflicts_with_all = ["serve", "reconcile"])]
    export: Option<PathBuf>,
    /// Serve the map over HTTP at this loopback address until stopped: GET /map, with `ETag`
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "reconcile")]
    serve: Option<SocketAddr>,
    /// How often `--serve` asks the shards again
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration, requires = "serve")]
    refresh: Duration,
    /// Settle what the shards disagree about: the higher epoch wins, what nobody owns goes back to
    /// the one shard that holds its rows
    #[arg(long)]
    reconcile: bool,
}

impl Args {
    pub(crate) fn verb(&self) -> &'static Verb {
        if self.reconcile { &VERB_RECONCILE } else { &VERB }
    }
}

/// Shows, exports, serves or reconciles the map.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    match (args.export, args.serve, args.reconcile) {
        (Some(path), ..) => export::run(cx, &path).await,
        (_, Some(address), _) => serve::run(cx, address, args.refresh).await,
        (.., true) => reconcile::run(cx).await,
        _ => show::run(cx).await,
    }
}

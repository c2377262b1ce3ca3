//! `shardctl status`: the one screen to look at first.

mod leadership;
mod ledger;
mod pools;
mod shards;
mod standbys;

pub use self::pools::waiting;

use flotilla::Context;
use flotilla::error::Result;
use flotilla::record::RecordInfo;
use flotilla::verb::{Effect, Example, Scope, Verb};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "status",
    effect: Effect::Reads,
    scope: Scope::None,
    exclusive: false,
    records: &[
        RecordInfo::of::<shards::ShardStatus>(),
        RecordInfo::of::<pools::PoolStatus>(),
        RecordInfo::of::<standbys::StandbyStatus>(),
        RecordInfo::of::<ledger::LedgerRow>(),
    ],
    examples: &[
        Example { line: "shardctl status", does: "Look at the whole fleet" },
        Example { line: "shardctl status -q", does: "Print only what is wrong; nothing when all is well" },
    ],
};

/// What to show.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many of the last ledger lines to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    ledger: u16,
}

/// Asks shards, poolers and standby clusters at the same time, then writes one line for each, and the last
/// ledger lines.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let (shards, pools, standbys) = tokio::join!(shards::read(cx, args.ledger), pools::read(cx), standbys::read(cx));
    let shards = shards?;
    shards::write(cx, &shards)?;
    pools::write(cx, pools?)?;
    standbys::write(cx, standbys?)?;
    ledger::write(cx, &shards, usize::from(args.ledger))
}

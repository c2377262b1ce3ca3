//! `shardctl key`: row ids and user ids.

mod new;
mod parse;
mod ticks;

pub(crate) use ticks::Ticks;

use clap::Subcommand;
use flotilla::Context;
use flotilla::error::Result;
use flotilla::record::{Record, RecordInfo};
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;

/// `key new`. It takes ticks of a shard's clock, which changes nothing that anybody could miss.
pub(crate) const VERB_NEW: Verb = Verb {
    name: "key new",
    effect: Effect::Reads,
    scope: Scope::None,
    exclusive: false,
    records: &[RecordInfo::of::<KeyRow>()],
    examples: &[
        Example { line: "shardctl key new --user", does: "Make the id of a new user" },
        Example { line: "shardctl key new --for 7318349394477056 -n 10", does: "Make ten row ids for a user" },
        Example { line: "shardctl key parse 7318349394477056", does: "Take an id apart" },
    ],
};

/// `key parse`.
pub(crate) const VERB_PARSE: Verb = Verb {
    name: "key parse",
    examples: &[Example { line: "shardctl key parse 7318349394477056", does: "Take an id apart" }],
    ..VERB_NEW
};

/// What to do with ids.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: KeyVerb,
}

#[derive(Subcommand)]
enum KeyVerb {
    /// Make new ids, unique over all shards and processes, sorted by time
    #[command(after_help = VERB_NEW.help(), after_long_help = VERB_NEW.long_help())]
    New(new::Args),
    /// Say when and in which bucket an id was made
    #[command(after_help = VERB_PARSE.help(), after_long_help = VERB_PARSE.long_help())]
    Parse(parse::Args),
}

impl Args {
    pub(crate) fn verb(&self) -> &'static Verb {
        match self.verb {
            KeyVerb::New(_) => &VERB_NEW,
            KeyVerb::Parse(_) => &VERB_PARSE,
        }
    }
}

/// One id.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct KeyRow {
    /// The id: 63 bits, as a decimal string.
    id: Option<String>,
    /// The bucket that it carries.
    bucket: Option<u32>,
    /// The shard that owns the bucket; null where no shard was asked.
    shard: Option<String>,
    /// When it was made, by the shard's clock, to the millisecond.
    made_at: Option<String>,
    /// Its number within the millisecond.
    sequence: Option<u32>,
}

impl Record for KeyRow {
    const KIND: &'static str = "shardctl.key";
    const COLUMNS: &'static [&'static str] = &["id", "bucket", "shard", "made_at", "sequence"];
}

/// Runs the verb.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    match args.verb {
        KeyVerb::New(args) => new::run(cx, args).await,
        KeyVerb::Parse(args) => parse::run(cx, &args),
    }
}

//! `shardctl route`: which shard a key or a row id belongs to.

mod keys;
mod lines;
mod stream;

use std::path::PathBuf;

use clap::ValueEnum;
use flotilla::Context;
use flotilla::error::{Error, Result};
use flotilla::ownership::{self, OwnershipMap};
use flotilla::placement::{Bucket, Buckets, KeyType};
use flotilla::record::{Record, RecordInfo};
use flotilla::target::piped_stdin;
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use self::keys::Reader;
use self::stream::Router;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "route",
    effect: Effect::Reads,
    scope: Scope::None,
    exclusive: false,
    records: &[RecordInfo::of::<RouteRow>()],
    examples: &[
        Example { line: "shardctl route --by key 42 43", does: "Say where two users live" },
        Example {
            line: "shardctl route --by key --field user_id < events.jsonl",
            does: "Add the target to every event",
        },
        Example { line: "shardctl route --by id 7318349394477056", does: "Say where a row lives, by its own id" },
    ],
};

/// What to route, and by which map.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Whether the values are shard keys or row ids; never guessed
    #[arg(long, value_enum)]
    by: By,
    /// Input lines are JSON objects, and this key of theirs holds the value
    #[arg(long, value_name = "NAME")]
    field: Option<String>,
    /// Use this exported map and ask no server
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// The values; without any, lines from standard input
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    values: Vec<String>,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// A shard key: the user's id
    Key,
    /// A row id, made by `flotilla.next_id` or `shardctl key new`
    Id,
}

/// Where one value belongs.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct RouteRow {
    /// The bucket that the value hashes to.
    bucket: Option<u32>,
    /// The shard that owns the bucket.
    shard: Option<String>,
    /// The input: a value as a string, or the whole JSON object.
    #[schemars(with = "serde_json::Value")]
    input: Option<Box<RawValue>>,
}

impl Record for RouteRow {
    const KIND: &'static str = "shardctl.route";
    const COLUMNS: &'static [&'static str] = &["input", "bucket", "shard"];
}

/// Routes the operands, or standard input line by line.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    if args.values.is_empty() && piped_stdin().is_none() {
        return Err(Error::usage("no value was given to route")
            .hint("Give values as operands, or pipe lines in: shardctl route --by key < keys.txt"));
    }
    let map = load(cx, &args).await?;
    let key_type = map.key_type();
    let router = Router::new(cx.output(), &map, reader(&args, key_type, &map));
    if !args.values.is_empty() {
        return router.operands(&args.values);
    }
    // A read of standard input blocks; the signal must be heard all the same.
    let (inner, stop) = (cx.clone(), cx.stop().clone());
    let routing = tokio::task::spawn_blocking(move || match piped_stdin() {
        Some(stdin) => Router::new(inner.output(), &map, reader(&args, key_type, &map)).stream(stdin, inner.stop()),
        None => Ok(()),
    });
    tokio::select! {
        done = routing => done.map_err(|e| Error::internal("routing failed").source(e))?,
        () = stop.asked() => Err(flotilla::signal::cancelled()),
        () = cx.deadline_passed() => Err(cx.deadline_error()),
    }
}

fn reader(args: &Args, key_type: KeyType, map: &OwnershipMap) -> Reader {
    Reader::new(args.by, args.field.clone(), key_type, map.buckets())
}

/// The bucket of one line, by a key of this type, or by id where there is none.
pub(crate) fn bucket(line: &[u8], field: Option<&str>, key_type: Option<KeyType>, buckets: Buckets) -> Result<Bucket> {
    let by = if key_type.is_some() { By::Key } else { By::Id };
    let reader = Reader::new(by, field.map(str::to_owned), key_type.unwrap_or(KeyType::Bigint), buckets);
    reader.bucket(line, 1)
}

async fn load(cx: &Context, args: &Args) -> Result<OwnershipMap> {
    match &args.map {
        Some(path) => ownership::read_file(path),
        None => ownership::for_routing(cx).await,
    }
}

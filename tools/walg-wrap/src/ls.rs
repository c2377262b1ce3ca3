//! `walg-wrap ls`: the backups and logical dumps of each shard, and on demand its WAL.

mod backups;
mod dumps;
mod log;

use std::sync::Arc;
use std::time::Duration;

use flotilla::Context;
use flotilla::error::Result;
use flotilla::record::{Done, Line, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla_archive::{Archive, Catalog};
use schemars::JsonSchema;
use serde::Serialize;

use crate::memory::MemoryFile;
use backups::ListedBackup;
use dumps::ListedDump;
use log::ListedWal;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "ls",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[
        RecordInfo::of::<ListedBackup>(),
        RecordInfo::of::<ListedDump>(),
        RecordInfo::of::<ListedWal>(),
        RecordInfo::of::<Listed>(),
    ],
    examples: &[
        Example { line: "walg-wrap ls", does: "List the backups and dumps of every shard" },
        Example {
            line: "walg-wrap ls -t s0 --type base -o json | jq -r 'select(.state == \"finished\").backup' | tail -1",
            does: "Name the newest backup of a shard",
        },
        Example { line: "walg-wrap ls --wal --store west", does: "List the WAL in the second store as well" },
    ],
};

/// What is listed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// List this store instead of the first
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
    /// List base backups, logical dumps, or both
    #[arg(long = "type", value_enum, value_name = "TYPE", default_value = "all")]
    kind: Kind,
    /// List the WAL as well: ranges and gaps of each timeline
    #[arg(long)]
    wal: bool,
}

/// What kind is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Both
    All,
    /// Base backups, full and delta
    Base,
    /// Logical dumps
    Logical,
}

/// What an archive holds in all.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Listed {
    /// The shard.
    shard: Option<String>,
    /// The store.
    store: Option<String>,
    /// Backups that can be restored as far as their names and documents say.
    backups: Option<usize>,
    /// Backups that were begun and not finished, can't be used, or are another cluster's, and things that
    /// nobody knows.
    others: Option<usize>,
    /// Logical dumps that can be restored as far as their names and documents say.
    dumps: Option<usize>,
    /// Logical dumps that were begun and not finished, or can't be used.
    other_dumps: Option<usize>,
    /// Segments of the WAL.
    segments: Option<usize>,
    /// Gaps between them that a backup needs.
    gaps: Option<usize>,
    /// The size of backups, dumps and WAL as stored, in bytes.
    stored_bytes: Option<u64>,
    /// When the newest backup that can be restored was finished.
    newest_finished_at: Option<String>,
    /// What should be looked at.
    warnings: Option<Vec<String>>,
}

impl Record for Listed {
    const KIND: &'static str = "walg-wrap.listed";
    const COLUMNS: &'static [&'static str] =
        &["backups", "others", "dumps", "segments", "gaps", "stored_bytes", "newest_finished_at", "warnings"];
}

/// Lists the archive of each target.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let targets = cx.targets()?;
    let args = Arc::new(args);
    cx.each(targets, move |target, cx| {
        let args = Arc::clone(&args);
        async move { one(&cx, &target, &args).await }
    })
    .await
}

async fn one(cx: &Context, target: &Target, args: &Args) -> Result<Done<Listed>> {
    let shard = Archive::shard_of(target)?;
    let config = cx.config()?;
    let archive = Archive::open(config, shard, args.store.as_deref()).await?;
    let pin = archive.pin().await?;
    let catalog = Catalog::load(&archive).await?;
    let memory = MemoryFile::of(&archive).read();
    let backups = backups::list(&archive, &catalog, pin.as_ref(), &memory).await?;
    let dumps = dumps::list(&archive, &memory).await?;
    let whole_dumps = dumps.iter().filter(|dump| dump.is_finished()).count();
    let ranges = log::ranges(&catalog);
    let place = (Some(shard.name.clone()), Some(archive.store().name().to_owned()));
    let mut warnings = Vec::new();
    if archive.is_encrypted() && config.archive.key_escrow.is_none() {
        warnings.push("archive.key_escrow doesn't say where a copy of the key is kept".to_owned());
    }
    let finished = backups.iter().filter(|backup| backup.is_finished()).count();
    if finished == 0 {
        warnings.push("there is no backup that can be restored".to_owned());
    }
    // Of times in one form, the last in order is the newest.
    let newest = backups.iter().filter(|backup| backup.is_finished()).filter_map(|b| b.finished_at.clone()).max();
    let stored = backups.iter().filter_map(|backup| backup.stored_bytes).sum::<u64>()
        + dumps.iter().filter_map(|dump| dump.stored_bytes).sum::<u64>()
        + catalog.wal.iter().map(|object| object.bytes).sum::<u64>();
    let body = Listed {
        backups: Some(finished),
        others: Some(backups.len() - finished),
        dumps: Some(whole_dumps),
        other_dumps: Some(dumps.len() - whole_dumps),
        segments: Some(ranges.iter().filter_map(ListedWal::archived).sum()),
        gaps: Some(ranges.iter().filter(|range| range.is_needed_gap()).count()),
        stored_bytes: Some(stored),
        newest_finished_at: newest,
        warnings: Some(warnings),
        shard: place.0.clone(),
        store: place.1.clone(),
    };
    let name = || Some(target.name.clone());
    for mut backup in backups.into_iter().filter(|_| args.kind != Kind::Logical) {
        (backup.shard, backup.store) = place.clone();
        cx.output().line(&Line::ok(name(), false, backup, Duration::ZERO))?;
    }
    for mut dump in dumps.into_iter().filter(|_| args.kind != Kind::Base) {
        (dump.shard, dump.store) = place.clone();
        cx.output().line(&Line::ok(name(), false, dump, Duration::ZERO))?;
    }
    for mut range in ranges.into_iter().filter(|_| args.wal) {
        (range.shard, range.store) = place.clone();
        cx.output().line(&Line::ok(name(), false, range, Duration::ZERO))?;
    }
    Ok(Done::unchanged(body))
}

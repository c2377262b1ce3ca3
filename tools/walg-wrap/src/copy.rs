//! `walg-wrap copy`: copies archives to another store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Done, Line, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla_archive::Archive;
use flotilla_archive::region::{self, Fault, Options, Report};
use schemars::JsonSchema;
use serde::Serialize;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "copy",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: true,
    records: &[RecordInfo::of::<Copied>(), RecordInfo::of::<NotCopied>()],
    examples: &[
        Example { line: "walg-wrap copy --all --to west", does: "Bring the second region up to date" },
        Example { line: "walg-wrap copy -t s0 --to west --dry-run", does: "Say how far it is behind" },
    ],
};

/// From where to where.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Copy to this store
    #[arg(long, value_name = "NAME")]
    to: String,
    /// Copy from this store instead of the first
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
}

/// What copying an archive came to.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Copied {
    /// The shard.
    shard: Option<String>,
    /// The store that was copied from.
    store: Option<String>,
    /// The store that was copied to.
    to_store: Option<String>,
    /// Backups that the second store lists now and didn't before.
    backups: Option<u64>,
    /// Logical dumps that the second store lists now and didn't before.
    dumps: Option<u64>,
    /// Objects that were copied, or would be; the sums beside them aren't counted.
    objects: Option<u64>,
    /// Their size in bytes.
    bytes: Option<u64>,
    /// Objects that were there already.
    present: Option<u64>,
    /// Objects that could not be copied, with sentinels that wait for them.
    failed: Option<u64>,
    /// The last segment up to which the second store lacks none.
    reaches: Option<String>,
    /// The first segment that it lacks.
    first_missing: Option<String>,
    /// How many it lacks.
    missing_segments: Option<u64>,
    /// How far it is behind in seconds: how long the first store has had the first segment that it lacks.
    lag_seconds: Option<u64>,
}

impl Record for Copied {
    const KIND: &'static str = "walg-wrap.copied";
    const COLUMNS: &'static [&'static str] =
        &["store", "to_store", "backups", "objects", "bytes", "present", "failed", "lag_seconds"];
}

/// An object that could not be copied.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct NotCopied {
    /// The shard.
    shard: Option<String>,
    /// The store that was copied from.
    store: Option<String>,
    /// The store that was copied to.
    to_store: Option<String>,
    /// The object's key below the shard's prefix.
    object: Option<String>,
}

impl Record for NotCopied {
    const KIND: &'static str = "walg-wrap.not_copied";
    const COLUMNS: &'static [&'static str] = &["store", "to_store", "object"];
}

/// Copies each target's archive.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let config = cx.config()?;
    let (from, to) = (config.archive.store(args.store.as_deref())?, config.archive.store(Some(&args.to))?);
    if from.name == to.name {
        return Err(Error::usage(format!("\"{}\" can't be copied to itself", from.name))
            .hint("Name another store with --to, or where to copy from with --store."));
    }
    let targets = cx.targets()?;
    let args = Arc::new(args);
    cx.each(targets, move |target, cx| {
        let args = Arc::clone(&args);
        async move { Box::pin(cx.unless_ended(one(&cx, &target, &args))).await }
    })
    .await
}

async fn one(cx: &Context, target: &Target, args: &Args) -> Result<Done<Copied>> {
    let shard = Archive::shard_of(target)?;
    let config = cx.config()?;
    let from = Archive::open_sealed(config, shard, args.store.as_deref()).await?;
    let to = Archive::open_sealed(config, shard, Some(&args.to)).await?;
    let options = Options { parallelism: from.parallelism(), dry_run: cx.global().dry_run };
    let unsaid: Mutex<Option<Error>> = Mutex::default();
    let fault = |fault: Fault| {
        let body = NotCopied {
            shard: Some(shard.name.clone()),
            store: Some(from.store().name().to_owned()),
            to_store: Some(to.store().name().to_owned()),
            object: Some(fault.object),
        };
        let line = Line::failed(Some(target.name.clone()), &fault.error, Duration::ZERO).with_body(body);
        if let Err(error) = cx.output().line(&line) {
            unsaid.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    };
    let report = region::replicate(&from, &to, options, &fault).await?;
    if let Some(error) = unsaid.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let body = told(&report, shard.name.clone(), from.store().name(), to.store().name());
    let changed = report.copied > 0 && !options.dry_run;
    let failed = (report.failed > 0).then(|| {
        let what = format!("{} objects could not be copied to {}", report.failed, to.store().place());
        Error::new(Code::Mismatch, what).hint("Each has a line of its own. What is listed there can be restored.")
    });
    if changed {
        let detail = serde_json::json!({
            "store": body.store, "to_store": body.to_store, "objects": body.objects, "bytes": body.bytes,
            "lag_seconds": body.lag_seconds,
        });
        let entry = cx.entry(&shard.name).detail(detail);
        let entry = match &failed {
            Some(error) => entry.failed(error),
            None => entry,
        };
        entry.leave(cx, shard, &config.users.backup).await;
    }
    Ok(match failed {
        Some(error) => Done::failed(changed, body, error),
        None if options.dry_run => Done::planned(body),
        None => Done::new(changed, body),
    })
}

fn told(report: &Report, shard: String, from: &str, to: &str) -> Copied {
    Copied {
        shard: Some(shard),
        store: Some(from.to_owned()),
        to_store: Some(to.to_owned()),
        backups: Some(report.backups),
        dumps: Some(report.dumps),
        objects: Some(report.copied),
        bytes: Some(report.bytes),
        present: Some(report.present),
        failed: Some(report.failed),
        reaches: report.lag.reaches.clone(),
        first_missing: report.lag.first_missing.clone(),
        missing_segments: Some(report.lag.segments),
        lag_seconds: Some(report.lag.seconds),
    }
}

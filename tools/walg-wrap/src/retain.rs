//! `walg-wrap retain`: retires old backups and the WAL that nothing needs any more.

mod lines;

use std::sync::Arc;
use std::time::Duration;

use flotilla::config::Shard;
use flotilla::consent::Consent;
use flotilla::error::{Error, Result};
use flotilla::record::{Done, Record, RecordInfo, Status};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, clock, lock};
use flotilla_archive::Archive;
use flotilla_archive::retention::{self, By, Outcome, Plan, Policy, Step};
use schemars::JsonSchema;
use serde::Serialize;

use lines::{Lines, RetentionLine};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "retain",
    effect: Effect::Destroys,
    scope: Scope::Required,
    exclusive: true,
    records: &[RecordInfo::of::<Retained>(), RecordInfo::of::<RetentionLine>()],
    examples: &[
        Example { line: "walg-wrap retain --all --days 14 --dry-run", does: "Say what would stay and what would go" },
        Example {
            line: "walg-wrap retain --all --days 14 --full 2 --yes",
            does: "Keep every moment of two weeks, and two full backups at least",
        },
        Example {
            line: "walg-wrap retain -q --all --yes",
            does: "The same in a crontab, by retain_full and retain_days of the topology",
        },
        Example {
            line: "walg-wrap retain --all --dumps 7 --dump-days 30 --yes",
            does: "Keep a month of logical dumps, and seven at least; backups and WAL stay as they are",
        },
    ],
};

/// What is kept.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Keep so many full backups, with all that stand on them; without it, `archive.retain_full`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    full: Option<u16>,
    /// Keep what restores any moment of so many days; without it, `archive.retain_days`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    days: Option<u16>,
    /// Keep so many logical dumps; without it, `archive.retain_dumps`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    dumps: Option<u16>,
    /// Keep logical dumps of so many days; without it, `archive.retain_dump_days`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    dump_days: Option<u16>,
    /// Clear away a backup without a sentinel, or a dump without a document, to which nothing was added for so long
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration, hide_short_help = true)]
    unfinished_after: Duration,
    /// Retire in this store instead of the first
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
}

/// What retention of an archive came to.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Retained {
    /// The shard.
    shard: Option<String>,
    /// The store.
    store: Option<String>,
    /// How many full backups were to be kept; null where only days count.
    retain_full: Option<u16>,
    /// Of how many days every moment was to be kept; null where only the number counts.
    retain_days: Option<u16>,
    /// How many logical dumps were to be kept; null where only days count, or nothing says.
    retain_dumps: Option<u16>,
    /// Of how many days logical dumps were to be kept; null where only the number counts, or nothing says.
    retain_dump_days: Option<u16>,
    /// How many full backups that can be restored stay whatever else is said.
    minimum_redundancy: Option<u16>,
    /// Backups that stay.
    kept: Option<u64>,
    /// When the oldest of those ended from which the WAL is kept, UTC.
    kept_since: Option<String>,
    /// Finished backups that go or are gone.
    backups: Option<u64>,
    /// Backups that were never finished and go or are gone.
    unfinished: Option<u64>,
    /// Logical dumps that stay.
    kept_dumps: Option<u64>,
    /// Finished logical dumps that go or are gone.
    dumps: Option<u64>,
    /// Logical dumps that were never finished and go or are gone.
    unfinished_dumps: Option<u64>,
    /// Files of the WAL that go or are gone.
    wal_files: Option<u64>,
    /// All objects that go or are gone; the sums beside them aren't counted.
    objects: Option<u64>,
    /// Their size in bytes.
    bytes: Option<u64>,
    /// Chains that stay after all, because a backup that stands on them was begun meanwhile.
    spared: Option<u64>,
    /// Objects that nobody knows; they stay.
    unknown: Option<u64>,
}

impl Record for Retained {
    const KIND: &'static str = "walg-wrap.retained";
    const COLUMNS: &'static [&'static str] =
        &["store", "kept", "kept_since", "backups", "unfinished", "wal_files", "dumps", "bytes", "unknown"];
}

/// Retires what each target's archive need not keep.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let settings = &cx.config()?.archive;
    let args = Args {
        full: args.full.or(settings.retain_full),
        days: args.days.or(settings.retain_days),
        dumps: args.dumps.or(settings.retain_dumps),
        dump_days: args.dump_days.or(settings.retain_dump_days),
        ..args
    };
    if [args.full, args.days, args.dumps, args.dump_days].iter().all(Option::is_none) {
        return Err(Error::usage("nothing says what is to be kept; nothing was touched").hint(
            "Give --full N or --days N, and of logical dumps --dumps N or --dump-days N, or set archive.retain_full \
             and the like.",
        ));
    }
    let targets = cx.targets()?;
    let args = Arc::new(args);
    cx.each(targets, move |target, cx| {
        let args = Arc::clone(&args);
        async move { Box::pin(cx.unless_ended(one(&cx, &target, &args))).await }
    })
    .await
}

async fn one(cx: &Context, target: &Target, args: &Args) -> Result<Done<Retained>> {
    let shard = Archive::shard_of(target)?;
    let config = cx.config()?;
    let archive = Archive::open(config, shard, args.store.as_deref()).await?;
    let policy = Policy {
        full: args.full.map(usize::from),
        days: args.days.map(u32::from),
        dumps: args.dumps.map(usize::from),
        dump_days: args.dump_days.map(u32::from),
        least: usize::from(config.archive.minimum_redundancy),
        garbage_after: args.unfinished_after,
        now: clock::now(),
    };
    let body = Retained {
        shard: Some(shard.name.clone()),
        store: Some(archive.store().name().to_owned()),
        retain_full: args.full,
        retain_days: args.days,
        retain_dumps: args.dumps,
        retain_dump_days: args.dump_days,
        minimum_redundancy: Some(config.archive.minimum_redundancy),
        ..Retained::default()
    };
    let lines = Lines::new(cx, target, &shard.name, archive.store().name());
    if cx.global().dry_run || !cx.global().yes {
        return planned(cx, &archive, &policy, body, &lines).await;
    }
    // Only here, with the word that was given, is anything deleted.
    let _consent = Consent::by_yes(cx.global(), "deletes backups")?;
    let (mut outcome, mut body) = (Outcome::default(), body);
    let deleted = {
        let mut step = |step: Step<'_>| {
            body.count(&step);
            lines.step(&step)
        };
        retention::delete(&archive, &policy, &by(cx)?, &mut outcome, &mut step).await
    };
    body.spared = Some(outcome.spared as u64);
    if outcome.changed {
        noted(cx, shard, &body, deleted.as_ref().err()).await?;
    }
    Ok(match deleted {
        Ok(()) => Done::new(outcome.changed, body),
        Err(error) => Done::failed(outcome.changed, body, error),
    })
}

/// Says what would be done. Without consent that is a refusal, where there is anything to do.
async fn planned(
    cx: &Context,
    archive: &Archive,
    policy: &Policy,
    mut body: Retained,
    lines: &Lines<'_>,
) -> Result<Done<Retained>> {
    let plan = retention::plan(archive, policy).await?;
    body.begin(&plan);
    body.spared = Some(0);
    for group in &plan.groups {
        group.backups.iter().for_each(|gone| body.count(&Step::Backup(gone)));
    }
    plan.garbage.iter().for_each(|gone| body.count(&Step::Garbage(gone)));
    plan.dumps.iter().for_each(|gone| body.count(&Step::Dump(gone)));
    plan.dump_garbage.iter().for_each(|gone| body.count(&Step::DumpGarbage(gone)));
    plan.wal.iter().for_each(|gone| body.count(&Step::Wal(gone)));
    lines.kept(&plan, Status::Planned)?;
    lines.going(&plan)?;
    if cx.global().dry_run {
        return Ok(Done::planned(body));
    }
    if plan.is_empty() {
        return Ok(Done::unchanged(body));
    }
    match Consent::by_yes(cx.global(), "deletes backups and WAL for good") {
        Ok(_) => Ok(Done::planned(body)),
        Err(refused) => Ok(Done::failed(false, body, refused)),
    }
}

/// Who deletes. Runs of one account on one machine keep each other away by a lock.
fn by(cx: &Context) -> Result<By> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let folder = lock::runtime_dir()?;
    let place = format!("{} {} {}", host.trim(), boot.trim(), folder.display());
    Ok(By { run: cx.run_id().to_string(), place })
}

/// Leaves a line in the ledger.
async fn noted(cx: &Context, shard: &Shard, body: &Retained, failed: Option<&Error>) -> Result<()> {
    let detail = serde_json::json!({
        "store": body.store, "backups": body.backups, "dumps": body.dumps, "wal_files": body.wal_files,
        "objects": body.objects, "bytes": body.bytes, "kept_since": body.kept_since,
    });
    let entry = cx.entry(&shard.name).detail(detail);
    let entry = match failed {
        Some(error) => entry.failed(error),
        None => entry,
    };
    entry.leave(cx, shard, &cx.config()?.users.backup).await;
    Ok(())
}

impl Retained {
    fn begin(&mut self, plan: &Plan) {
        self.kept = Some(plan.kept.len() as u64);
        self.kept_dumps = Some(plan.kept_dumps.len() as u64);
        self.kept_since = plan.since.map(clock::rfc3339);
        self.unknown = Some(plan.unknown.len() as u64);
        for count in [
            &mut self.backups,
            &mut self.unfinished,
            &mut self.dumps,
            &mut self.unfinished_dumps,
            &mut self.wal_files,
            &mut self.objects,
            &mut self.bytes,
            &mut self.spared,
        ] {
            *count = Some(0);
        }
    }

    fn count(&mut self, step: &Step<'_>) {
        let add = |to: &mut Option<u64>, more: u64| *to = Some(to.unwrap_or_default() + more);
        let (objects, bytes) = match step {
            Step::Planned(plan) => {
                self.begin(plan);
                return;
            }
            Step::Backup(gone) => {
                add(&mut self.backups, 1);
                (gone.keys.len(), gone.bytes)
            }
            Step::Garbage(gone) => {
                add(&mut self.unfinished, 1);
                (gone.keys.len(), gone.bytes)
            }
            Step::Dump(gone) => {
                add(&mut self.dumps, 1);
                (gone.keys.len(), gone.bytes)
            }
            Step::DumpGarbage(gone) => {
                add(&mut self.unfinished_dumps, 1);
                (gone.keys.len(), gone.bytes)
            }
            Step::Wal(gone) => {
                add(&mut self.wal_files, gone.keys.len() as u64);
                (gone.keys.len(), gone.bytes)
            }
            Step::Spared(_) | Step::Sums(_) => return,
        };
        add(&mut self.objects, objects as u64);
        add(&mut self.bytes, bytes);
    }
}

//! `walg-wrap verify`: reads an archive's content and says what a restore would stumble over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Done, Line, Record, RecordInfo, Status};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla_archive::Archive;
use flotilla_archive::verify::{self, Finding, Memory, Options, Planned, Severity, Summary};
use schemars::JsonSchema;
use serde::Serialize;

use crate::memory::{Kept, MemoryFile};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "verify",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<Verified>(), RecordInfo::of::<Found>(), RecordInfo::of::<Unread>()],
    examples: &[
        Example { line: "walg-wrap verify", does: "Read what is new in every shard's archive, and all after 30 days" },
        Example { line: "walg-wrap verify -q --all", does: "The same in a crontab: says nothing when all is well" },
        Example {
            line: "walg-wrap verify -t s0 --store west --recheck",
            does: "Read all of one archive in the second store",
        },
    ],
};

/// `verify --prove`: changes.
pub(crate) const VERB_PROVE: Verb = Verb {
    name: "verify --prove",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: false,
    records: &[RecordInfo::of::<Verified>(), RecordInfo::of::<Found>(), RecordInfo::of::<Unread>()],
    examples: &[Example {
        line: "walg-wrap verify --prove -t s0",
        does: "Prove a backup that WAL-G made for a push which was cut off",
    }],
};

/// How much is read.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Verify this store instead of the first
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
    /// Read everything, also what was read before
    #[arg(long)]
    recheck: bool,
    /// Read again what was read longer ago than this
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = humantime::parse_duration)]
    recheck_after: Duration,
    /// Give unproven backups their sums, where all of them is sound
    #[arg(long)]
    prove: bool,
    /// Warn of a backup without a sentinel to which nothing was added for so long
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration, hide_short_help = true)]
    unfinished_after: Duration,
}

impl Args {
    /// The verb that is meant.
    pub(crate) fn verb(&self) -> &'static Verb {
        if self.prove { &VERB_PROVE } else { &VERB }
    }
}

/// What verification of an archive came to.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Verified {
    /// The shard.
    shard: Option<String>,
    /// The store.
    store: Option<String>,
    /// Objects of all kinds.
    objects: Option<u64>,
    /// Objects that were read now.
    read: Option<u64>,
    /// Their size as stored, in bytes.
    read_bytes: Option<u64>,
    /// Objects that were read before and haven't changed since.
    remembered: Option<u64>,
    /// Finished backups.
    backups: Option<u64>,
    /// Segments of the WAL.
    segments: Option<u64>,
    /// Objects that the store didn't give, so that nothing is known of them; they are among the errors.
    unchecked: Option<u64>,
    /// Backups that were unproven and are proven now.
    proven: Option<u64>,
    /// Findings because of which something can't be restored or trusted.
    errors: Option<u64>,
    /// Findings that leave everything restorable.
    warnings: Option<u64>,
}

impl Record for Verified {
    const KIND: &'static str = "walg-wrap.verified";
    const COLUMNS: &'static [&'static str] =
        &["store", "objects", "read", "read_bytes", "backups", "segments", "unchecked", "errors", "warnings"];
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Weight {
    /// Worth knowing.
    Info,
    /// Everything can be restored, but something isn't as it should be.
    Warning,
    /// Something can't be restored, or can't be trusted.
    Error,
}

/// Something that was found.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// The shard.
    shard: Option<String>,
    /// The store.
    store: Option<String>,
    /// How bad it is.
    severity: Option<Weight>,
    /// What kind it is, such as `missing`, `damaged`, `unchecked`, `changed`, `foreign`, `unfitting`, `wal` or `gap`.
    rule: Option<String>,
    /// The object's key below the shard's prefix.
    object: Option<String>,
    /// Where in it: a position of the WAL, or a block.
    place: Option<String>,
    /// What was found.
    message: Option<String>,
    /// What to do about it.
    hint: Option<String>,
}

impl Record for Found {
    const KIND: &'static str = "walg-wrap.finding";
    const COLUMNS: &'static [&'static str] = &["severity", "rule", "object", "place", "message"];
}

/// An object that would be read.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Unread {
    /// The shard.
    shard: Option<String>,
    /// The store.
    store: Option<String>,
    /// The object's key below the shard's prefix.
    object: Option<String>,
    /// Its size as stored, in bytes.
    size_bytes: Option<u64>,
    /// When it was read last; null of one that never was, or has changed since.
    last_read: Option<String>,
}

impl Record for Unread {
    const KIND: &'static str = "walg-wrap.unread";
    const COLUMNS: &'static [&'static str] = &["store", "object", "size_bytes", "last_read"];
}

/// Verifies the archive of each target.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let targets = cx.targets()?;
    let args = Arc::new(args);
    cx.each(targets, move |target, cx| {
        let args = Arc::clone(&args);
        async move { one(&cx, &target, &args).await }
    })
    .await
}

async fn one(cx: &Context, target: &Target, args: &Args) -> Result<Done<Verified>> {
    let shard = Archive::shard_of(target)?;
    let archive = Archive::open(cx.config()?, shard, args.store.as_deref()).await?;
    let options = Options {
        recheck: args.recheck_after,
        everything: args.recheck,
        unfinished_after: args.unfinished_after,
        prove: args.prove,
    };
    let about =
        About { target: target.name.clone(), shard: shard.name.clone(), store: archive.store().name().to_owned() };
    let file = MemoryFile::of(&archive);
    let memory = Memory::new(Mutex::new(file.read()));
    let place = archive.store().place().to_owned();
    let unchecked = |error: Error| error.within(format_args!("the archive at {place} could not be checked"));
    if cx.global().dry_run {
        return plan(cx, &archive, options, memory, &about).await.map_err(unchecked);
    }
    let _kept = Kept::new(file, Arc::clone(&memory));
    let failed: Arc<Mutex<Option<Error>>> = Arc::default();
    let report = {
        let (cx, about, failed) = (cx.clone(), about.clone(), Arc::clone(&failed));
        Arc::new(move |finding: Finding| {
            if let Err(error) = cx.output().line(&about.line(&finding)) {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        })
    };
    let verified = tokio::select! {
        verified = verify::verify(&archive, options, memory, report) => verified,
        () = cx.stop().asked() => return Err(flotilla::signal::cancelled()),
    };
    let summary = verified.map_err(unchecked)?;
    if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    Ok(about.done(&summary, &place))
}

async fn plan(
    cx: &Context,
    archive: &Archive,
    options: Options,
    memory: Memory,
    about: &About,
) -> Result<Done<Verified>> {
    let mut body = about.summary(&Summary::default());
    let (mut count, mut bytes) = (0, 0);
    let mut each = |object: Planned| {
        count += 1;
        bytes += object.bytes;
        let unread = Unread {
            shard: Some(about.shard.clone()),
            store: Some(about.store.clone()),
            object: Some(object.object),
            size_bytes: Some(object.bytes),
            last_read: object.last.map(flotilla::clock::rfc3339),
        };
        let line = Line::ok(Some(about.target.clone()), false, unread, Duration::ZERO);
        cx.output().line(&line.with_status(Status::Planned))
    };
    verify::plan(archive, options, memory, &mut each).await?;
    (body.read, body.read_bytes) = (Some(count), Some(bytes));
    (body.objects, body.remembered, body.backups, body.segments) = (None, None, None, None);
    (body.unchecked, body.errors, body.warnings, body.proven) = (None, None, None, None);
    Ok(Done::planned(body))
}

/// What every line is about.
#[derive(Clone)]
struct About {
    target: String,
    shard: String,
    store: String,
}

impl About {
    fn line(&self, finding: &Finding) -> Line<Found> {
        let body = Found {
            shard: Some(self.shard.clone()),
            store: Some(self.store.clone()),
            severity: Some(match finding.severity {
                Severity::Info => Weight::Info,
                Severity::Warning => Weight::Warning,
                Severity::Error => Weight::Error,
            }),
            rule: Some(finding.rule.name().to_owned()),
            object: Some(finding.object.clone()),
            place: finding.place.clone(),
            message: Some(finding.message.clone()),
            hint: Some(finding.hint.to_owned()),
        };
        let target = Some(self.target.clone());
        if finding.severity >= Severity::Warning {
            let error = Error::new(finding.code, format!("\"{}\": {}", finding.object, finding.message));
            Line::failed(target, &error.hint(finding.hint), Duration::ZERO).with_body(body)
        } else {
            Line::ok(target, false, body, Duration::ZERO)
        }
    }

    /// What it came to: any finding is a failure.
    fn done(&self, summary: &Summary, place: &str) -> Done<Verified> {
        let body = self.summary(summary);
        let findings = summary.of(Severity::Error) + summary.of(Severity::Warning);
        let changed = summary.proven > 0;
        let error = match (findings, summary.unchecked) {
            (0, _) => return Done::new(changed, body),
            // Nothing was found: it isn't known whether there is anything.
            (all, unchecked) if all == unchecked => {
                Error::new(Code::Io, format!("{unchecked} objects of the archive at {place} could not be checked"))
                    .retryable(true)
            }
            (1, _) => Error::new(Code::Mismatch, format!("the archive at {place} has 1 finding")),
            (all, _) => Error::new(Code::Mismatch, format!("the archive at {place} has {all} findings")),
        };
        Done::failed(changed, body, error.hint("Each has a line of its own, which says what to do."))
    }

    fn summary(&self, summary: &Summary) -> Verified {
        Verified {
            shard: Some(self.shard.clone()),
            store: Some(self.store.clone()),
            objects: Some(summary.objects),
            read: Some(summary.read),
            read_bytes: Some(summary.read_bytes),
            remembered: Some(summary.remembered),
            unchecked: Some(summary.unchecked),
            backups: Some(summary.backups),
            segments: Some(summary.segments),
            proven: Some(summary.proven),
            errors: Some(summary.of(Severity::Error)),
            warnings: Some(summary.of(Severity::Warning)),
        }
    }
}

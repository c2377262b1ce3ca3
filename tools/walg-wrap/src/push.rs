//! `walg-wrap push`: takes a base backup or a logical dump into the archive.

mod embedded;
mod folder;
mod parent;
mod source;
pub(crate) mod wal;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use flotilla::config::{Engine, Shard};
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, failpoint};
use flotilla_archive::base::{self, Describe, Parent};
use flotilla_archive::catalog::Backup;
use flotilla_archive::names::BackupName;
use flotilla_archive::wal::Segment;
use flotilla_archive::{Archive, Catalog};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use crate::dump;
use crate::engine::{self, Chosen, Settled};
pub(crate) use source::{From, Source};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "push",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: false,
    records: &[RecordInfo::of::<PushedBackup>(), RecordInfo::of::<dump::PushedDump>()],
    examples: &[
        Example { line: "walg-wrap push --all --type full", does: "Back up every shard" },
        Example {
            line: "walg-wrap push -t s0 --type delta --max-deltas 6",
            does: "Store what has changed since the newest backup, and after six of those everything",
        },
        Example {
            line: "walg-wrap push -t s0 --permanent --user-data '{\"release\": \"2.4\"}'",
            does: "Keep a backup for good, with a note",
        },
        Example { line: "walg-wrap push --all --type logical", does: "Dump the database of every shard by pg_dump" },
    ],
};

/// What is backed up, and how.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Everything, what has changed since the newest backup, or a logical dump
    #[arg(long = "type", value_enum, value_name = "TYPE", default_value = "full")]
    kind: Kind,
    /// The longest chain of deltas; then comes a full backup
    #[arg(long, value_name = "N", default_value = "6", default_value_if("kind", "logical", None::<&str>))]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    max_deltas: Option<u32>,
    /// Where it is taken from: primary, standby, or a node by its name; without it, a standby where one answers
    #[arg(long, value_name = "WHERE")]
    pub(crate) from: Option<From>,
    /// How its files are read: from the data folder where that is on this machine, else as the server sends them
    #[arg(long, value_enum, value_name = "HOW", default_value = "auto", default_value_if("kind", "logical", None::<&str>))]
    read: Option<Read>,
    /// Leave the backup alone when old ones are retired
    #[arg(long)]
    pub(crate) permanent: bool,
    /// A note, kept with the backup; JSON, or text
    #[arg(long, value_name = "TEXT")]
    pub(crate) user_data: Option<String>,
    /// How long WAL that the backup needs may take to arrive in the archive, and on the standby
    #[arg(long, value_name = "DURATION", default_value = "10m", default_value_if("kind", "logical", None::<&str>))]
    #[arg(value_parser = flotilla::clock::parse_duration)]
    wal_timeout: Option<Duration>,
    /// Push to this store instead of the first
    #[arg(long, value_name = "NAME")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) dump: dump::Args,
}

impl Args {
    /// Refuses what is for the other kind of backup.
    fn check(&self) -> Result<()> {
        let base = self.max_deltas.is_some() || self.wal_timeout.is_some() || self.read.is_some();
        let logical = self.kind == Kind::Logical;
        if logical && base {
            return Err(
                Error::usage("--max-deltas, --read and --wal-timeout are for base backups").hint("Leave them out.")
            );
        }
        if !logical && self.dump.any() {
            return Err(Error::usage("--database, --spool, --spool-mib and --bin are for --type logical")
                .hint("Leave them out."));
        }
        Ok(())
    }

    /// The longest chain of deltas.
    fn max_deltas(&self) -> u32 {
        self.max_deltas.unwrap_or_default()
    }

    /// How long WAL may take.
    fn wal_timeout(&self) -> Duration {
        self.wal_timeout.unwrap_or_default()
    }

    /// How its files are read.
    fn read(&self) -> Read {
        self.read.unwrap_or_default()
    }

    /// The operator's note: JSON where it is JSON, else text.
    pub(crate) fn note(&self) -> Option<serde_json::Value> {
        self.user_data.as_deref().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into()))
    }
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Everything
    Full,
    /// Pages that have changed since the newest backup, on which it then stands
    Delta,
    /// A dump of one database: for another version of PostgreSQL, or for a part of it
    Logical,
}

/// How the files of a base backup are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Read {
    /// From the data folder where that is on this machine and may be read, else from the stream
    #[default]
    Auto,
    /// From the data folder, as wal-g does, or not at all
    Folder,
    /// As the server sends them: from any machine, at the cost of the server's own work
    Stream,
}

/// A backup that was made.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct PushedBackup {
    /// The shard.
    shard: Option<String>,
    /// The store.
    store: Option<String>,
    /// The node that it was taken from.
    node: Option<String>,
    /// What made it: `wal-g` or `embedded`.
    engine: Option<String>,
    /// Why it is the embedded engine though `auto` looked for WAL-G.
    engine_because: Option<String>,
    /// How its files were read: from the data `folder`, or from the server's `stream`.
    read: Option<String>,
    /// Why from the stream though `auto` looked for the data folder.
    read_because: Option<String>,
    /// The backup's name.
    backup: Option<String>,
    /// `full` or `delta`.
    kind: Option<String>,
    /// The backup that a delta stands on.
    parent: Option<String>,
    /// Why it is full though a delta was asked for.
    full_because: Option<String>,
    /// Where it began.
    start_lsn: Option<String>,
    /// With the WAL up to here it is consistent.
    finish_lsn: Option<String>,
    /// Files and folders.
    members: Option<u64>,
    /// Files of which only changed pages are stored.
    incremented: Option<u64>,
    /// Parts.
    parts: Option<u64>,
    /// Their size before packing, in bytes.
    content_bytes: Option<u64>,
    /// Their size as stored, in bytes.
    stored_bytes: Option<u64>,
    /// How long its WAL took to arrive, in milliseconds.
    wal_wait_ms: Option<u64>,
    /// Whether retention leaves it alone.
    permanent: Option<bool>,
    /// Backups that WAL-G had made for pushes which were cut off, and that were proven now.
    proven: Option<Vec<String>>,
    /// What should be looked at.
    warnings: Option<Vec<String>>,
}

impl Record for PushedBackup {
    const KIND: &'static str = "walg-wrap.pushed";
    const COLUMNS: &'static [&'static str] = &["backup", "kind", "node", "content_bytes", "stored_bytes", "warnings"];
}

impl PushedBackup {
    /// The backup that this one will stand on, and what follows of it for the record.
    fn stands_on(&mut self, catalog: &Catalog, source: &Source, args: &Args) -> Option<Backup> {
        let (parent, reason) = match args.kind {
            Kind::Full | Kind::Logical => (None, None),
            Kind::Delta => match parent::choose(catalog, source, args.max_deltas(), args.permanent) {
                Ok(parent) => (Some(parent), None),
                Err(reason) => (None, Some(reason)),
            },
        };
        self.kind = Some(if parent.is_some() { "delta" } else { "full" }.to_owned());
        self.parent = parent.map(|parent| parent.name.to_string());
        self.full_because = reason;
        parent.cloned()
    }
}

/// Backs up every target.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    args.check()?;
    let targets = cx.targets()?;
    let args = Arc::new(args);
    if args.kind == Kind::Logical {
        return dump::run(cx, targets, args).await;
    }
    cx.each(targets, move |target, cx| {
        let args = Arc::clone(&args);
        async move { Box::pin(cx.unless_ended(push(&cx, &target, &args))).await }
    })
    .await
}

async fn push(cx: &Context, target: &Target, args: &Args) -> Result<Done<PushedBackup>> {
    let shard = Archive::shard_of(target)?;
    let config = cx.config()?;
    let archive = Archive::open(config, shard, args.store.as_deref()).await?;
    let mut source = Source::open(cx, shard, args.from.as_ref()).await?;
    let mut body = PushedBackup {
        shard: Some(shard.name.clone()),
        store: Some(archive.store().name().to_owned()),
        node: Some(source.node.clone()),
        permanent: Some(args.permanent),
        warnings: Some(warnings(config, &archive)),
        ..PushedBackup::default()
    };
    let mut catalog = Catalog::load(&archive).await?;
    let mut parent = body.stands_on(&catalog, &source, args);
    let at_hand = match args.read() {
        Read::Stream => Err("--read stream asks for the server's stream".to_owned()),
        Read::Auto | Read::Folder => folder::at_hand(shard, &source).await?,
    };
    let readable = match &at_hand {
        Ok(path) => folder::hindrance(&source).await?.map_or_else(|| Ok(path.clone()), Err),
        Err(why) => Err(why.clone()),
    };
    if let (Read::Folder, Err(why)) = (args.read(), &readable) {
        return Err(Error::new(Code::Unsupported, format!("--read folder, and {why}; nothing was touched"))
            .hint("Run it on the node's machine as the server's account, or leave --read out."));
    }
    let local = match config.archive.engine {
        Engine::Embedded => Err(String::new()),
        _ => engine::reached(cx, shard, &source, &at_hand)?,
    };
    let chosen = engine::choose(cx, &archive, local.as_ref().err().cloned()).await?;
    body.engine = Some(chosen.name());
    body.engine_because = chosen.because();
    let by = embedded::By::of(&readable, args.read());
    (body.read, body.read_because) = (Some(by.name().to_owned()), by.because());
    if cx.global().dry_run {
        return Ok(Done::planned(body));
    }
    archive.claim(&source.pin()).await?;
    source.lock().await?;
    let Settled { any, proven, warnings } = engine::settle(&archive, &source, args.wal_timeout()).await?;
    body.proven = Some(proven);
    body.warnings.get_or_insert_default().extend(warnings);
    if any {
        catalog = Catalog::load(&archive).await?;
        parent = body.stands_on(&catalog, &source, args);
    }
    if let (Chosen::WalG(walg), Ok(data)) = (&chosen, local) {
        let parent = parent.map(|parent| parent.name);
        return by_wal_g(cx, (shard, &archive, &source, walg), (data, parent.as_ref()), args, body).await;
    }
    let parent = match &parent {
        Some(parent) => Some(Parent::read(&archive, parent).await?),
        None => None,
    };
    source.fresh_start(args.wal_timeout()).await?;
    failpoint::hit("push.begun");

    let started = Utc::now();
    let size = source.segment_size;
    let taking =
        embedded::Taking { shard, archive: &archive, catalog: &catalog, label: format!("flotilla {}", cx.run_id()) };
    let taken = match readable {
        Ok(path) => taking.read_folder(cx, &source, path, parent).await?,
        Err(_) => taking.read_stream(cx, &mut source, parent).await?,
    };
    body.backup = Some(taken.name.to_string());
    body.start_lsn = Some(taken.start.to_string());
    body.finish_lsn = Some(taken.finish.to_string());
    body.members = Some(taken.members);
    body.incremented = Some(taken.incremented);
    body.parts = Some(taken.parts);
    body.content_bytes = Some(taken.uncompressed);
    body.stored_bytes = Some(taken.compressed);
    let segment = Segment::containing(taken.timeline, taken.start, size);

    let waiting = Instant::now();
    source.switch_wal().await?;
    let last = Segment::ending_at(segment.timeline, taken.finish, size);
    wal::arrived(&archive, &source, segment, last, args.wal_timeout()).await?;
    body.wal_wait_ms = u64::try_from(waiting.elapsed().as_millis()).ok();
    failpoint::hit("push.wal");

    let how = Describe {
        started,
        pg_version: source.version,
        hostname: source.host.clone(),
        data_dir: source.data_dir.clone(),
        permanent: args.permanent,
        user_data: args.note(),
    };
    base::seal(&archive, taken, how).await?;
    note(cx, shard, &source, &mut body).await;
    Ok(Done::changed(body))
}

/// The same by WAL-G.
async fn by_wal_g(
    cx: &Context,
    (shard, archive, source, walg): (&Shard, &Archive, &Source, &engine::WalG),
    (data, parent): (PathBuf, Option<&BackupName>),
    args: &Args,
    mut body: PushedBackup,
) -> Result<Done<PushedBackup>> {
    source.fresh_start(args.wal_timeout()).await?;
    failpoint::hit("push.begun");
    let wanted = engine::Wanted {
        shard,
        data,
        parent,
        max_deltas: args.max_deltas(),
        permanent: args.permanent,
        user_data: args.note().map(|note| note.to_string()),
        wal_timeout: args.wal_timeout(),
    };
    let made = engine::push(cx, archive, source, walg, &wanted).await?;
    body.kind = Some(if made.is_delta { "delta" } else { "full" }.to_owned());
    body.backup = Some(made.name.to_string());
    body.start_lsn = Some(made.start.to_string());
    body.finish_lsn = Some(made.finish.to_string());
    body.members = Some(made.members);
    body.incremented = Some(made.incremented);
    body.parts = Some(made.parts);
    body.content_bytes = Some(made.content_bytes);
    body.stored_bytes = Some(made.stored_bytes);
    body.wal_wait_ms = u64::try_from(made.wal_wait.as_millis()).ok();
    body.warnings.get_or_insert_default().extend(made.warning);
    note(cx, shard, source, &mut body).await;
    Ok(Done::changed(body))
}

/// Leaves a line in the ledger. The backup is there, whatever the ledger says.
async fn note(cx: &Context, shard: &Shard, source: &Source, body: &mut PushedBackup) {
    let detail = serde_json::json!({ "backup": body.backup, "store": body.store, "stored_bytes": body.stored_bytes });
    if let Err(error) = cx.entry(&shard.name).detail(detail).write(&source.session).await {
        tracing::warn!("the ledger on the primary has no line of this backup: {error}");
        let warnings = body.warnings.get_or_insert_default();
        warnings.push("the ledger on the primary has no line of this backup".to_owned());
    }
}

/// What is no failure, and should be looked at all the same.
pub(crate) fn warnings(config: &flotilla::config::Config, archive: &Archive) -> Vec<String> {
    let mut warnings = Vec::new();
    if archive.is_encrypted() && config.archive.key_escrow.is_none() {
        warnings.push("archive.key_escrow doesn't say where a copy of the key is kept".to_owned());
    }
    if !archive.is_encrypted() {
        warnings.push("the backup is not encrypted".to_owned());
    }
    warnings
}

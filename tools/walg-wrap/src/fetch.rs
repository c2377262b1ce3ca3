//! `walg-wrap fetch`: restores a base backup into an empty folder, or a logical dump into an empty database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::exit::Exit;
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla_archive::base::{self, RestoreOptions};
use flotilla_archive::catalog::{Backup, Broken};
use flotilla_archive::names::BackupName;
use flotilla_archive::{Archive, Catalog};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cluster;
use crate::engine::{self, Chosen};
use crate::load::{self, FetchedDump};
use crate::progress;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "fetch",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: false,
    records: &[RecordInfo::of::<FetchedBackup>(), RecordInfo::of::<FetchedDump>()],
    examples: &[
        Example {
            line: "walg-wrap fetch -t s0 LATEST --into /srv/restored",
            does: "Restore the newest backup of a shard; it recovers with wal-fetch as its restore_command",
        },
        Example {
            line: "walg-wrap fetch -t s0 base_000000010000000000000004 --into /srv/restored --tablespace 16402=/srv/space",
            does: "Restore one that has a tablespace",
        },
        Example {
            line: "walg-wrap fetch -t s0 LATEST --into /srv/restored --dry-run",
            does: "Say what would be restored, and whether it can be",
        },
        Example {
            line: "walg-wrap fetch -t s0 --type logical --into restored --on s1",
            does: "Restore the newest dump of a shard into an empty database on another",
        },
    ],
};

/// What is restored, and where to.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name of the backup or dump; LATEST is the newest
    #[arg(value_name = "BACKUP", default_value = LATEST)]
    backup: String,
    /// A base backup, full or delta, or a logical dump
    #[arg(long = "type", value_enum, value_name = "TYPE", default_value = "base")]
    kind: Kind,
    /// The new data folder, empty or not there; of a dump the empty database, by its name or a connection string
    #[arg(long, value_name = "DIR|DATABASE")]
    into: PathBuf,
    /// The new folder of a tablespace, by its OID; needed for each that the backup has
    #[arg(long, value_name = "OID=DIR", value_parser = tablespace)]
    tablespace: Vec<(u32, PathBuf)>,
    /// Fetch from this store instead of the first
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
    #[command(flatten)]
    load: load::Args,
}

/// What is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// A base backup
    Base,
    /// A logical dump
    Logical,
}

const LATEST: &str = "LATEST";

fn tablespace(text: &str) -> Result<(u32, PathBuf), String> {
    let (oid, folder) = text.split_once('=').ok_or("use OID=DIR")?;
    let oid = oid.parse().ok().filter(|oid| *oid > 0).ok_or_else(|| format!("{oid:?} is no OID"))?;
    if folder.is_empty() { Err("the folder is missing".to_owned()) } else { Ok((oid, PathBuf::from(folder))) }
}

/// A backup that was restored.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct FetchedBackup {
    /// The shard.
    shard: Option<String>,
    /// The store.
    store: Option<String>,
    /// The backup's name.
    backup: Option<String>,
    /// What restored it: `wal-g` or `embedded`.
    engine: Option<String>,
    /// Why it is the embedded engine though `auto` looked for WAL-G.
    engine_because: Option<String>,
    /// The backups that were put together, the full one first.
    chain: Option<Vec<String>>,
    /// The new data folder.
    into: Option<String>,
    /// The new folders of tablespaces by their OID.
    tablespaces: Option<BTreeMap<String, String>>,
    /// Where recovery begins.
    start_lsn: Option<String>,
    /// With the WAL up to here the cluster is consistent.
    finish_lsn: Option<String>,
    /// The first segment that recovery needs.
    first_segment: Option<String>,
    /// The last segment that it needs to become consistent.
    last_segment: Option<String>,
    /// Files that were made.
    files: Option<u64>,
    /// Bytes that were written.
    written_bytes: Option<u64>,
    /// Parts that were read.
    parts: Option<u64>,
    /// Their size as stored, in bytes.
    stored_bytes: Option<u64>,
    /// Parts without sums beside them, as WAL-G writes them.
    unsummed_parts: Option<u64>,
}

impl Record for FetchedBackup {
    const KIND: &'static str = "walg-wrap.fetched";
    const COLUMNS: &'static [&'static str] = &["backup", "into", "files", "written_bytes", "stored_bytes"];
}

/// Restores one backup.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    if args.kind == Kind::Logical {
        return logical(cx, args).await;
    }
    if args.load.any() {
        return Err(Error::usage("--on, --spool and --bin are for --type logical").hint("Leave them out."));
    }
    let Some(target) = cluster::one_target::<FetchedBackup>(cx)? else { return Ok(()) };
    let args = Arc::new(args);
    let plan = match Box::pin(cx.unless_ended(Plan::make(cx, &target, &args))).await {
        // What can't be asked for is said before any line.
        Err(error) if error.code().exit() == Exit::Usage => return Err(error),
        plan => Some(plan),
    };
    let plan = Arc::new(Mutex::new(plan));
    cx.each(vec![target], move |_, cx| {
        let plan = plan.lock().ok().and_then(|mut plan| plan.take());
        async move {
            let plan = plan.ok_or_else(|| Error::internal("a plan is carried out once"))??;
            Box::pin(cx.unless_ended(plan.carry_out(&cx))).await
        }
    })
    .await
}

/// Restores one logical dump.
async fn logical(cx: &Context, args: Args) -> Result<()> {
    if !args.tablespace.is_empty() {
        return Err(Error::usage("a dump has no tablespaces").hint("Leave --tablespace out."));
    }
    let Ok(into) = args.into.into_os_string().into_string() else {
        return Err(Error::usage("the database's name is not UTF-8"));
    };
    let Some(target) = cluster::one_target::<FetchedDump>(cx)? else { return Ok(()) };
    let wanted = Arc::new(load::Wanted { dump: args.backup, into, store: args.store, args: args.load });
    load::check(cx, &target, &wanted)?;
    cx.each(vec![target], move |target, cx| {
        let wanted = Arc::clone(&wanted);
        async move { Box::pin(cx.unless_ended(load::load(&cx, &target, &wanted))).await }
    })
    .await
}

/// What is to be restored, and that it can be.
struct Plan {
    archive: Archive,
    catalog: Catalog,
    backup: BackupName,
    into: PathBuf,
    options: RestoreOptions,
    chosen: Chosen,
    body: FetchedBackup,
}

fn broken(backup: &Backup, why: &Broken) -> Error {
    let hint = match why {
        Broken::Unproven(_) => {
            "`walg-wrap verify --prove` proves it where it is sound; `walg-wrap ls` shows what else there is."
        }
        _ => "`walg-wrap ls` shows which backups can be.",
    };
    Error::new(Code::Mismatch, format!("{} can't be restored: {why}", backup.name)).hint(hint)
}

impl Plan {
    async fn make(cx: &Context, target: &Target, args: &Args) -> Result<Self> {
        let shard = Archive::shard_of(target)?;
        let archive = Archive::open(cx.config()?, shard, args.store.as_deref()).await?;
        let tablespaces: BTreeMap<u32, PathBuf> = args.tablespace.iter().cloned().collect();
        if tablespaces.len() < args.tablespace.len() {
            return Err(Error::usage("a tablespace is named twice").hint("Name a folder once for each OID."));
        }
        let catalog = Catalog::load(&archive).await?;
        let backup = choose(&catalog, &archive, &args.backup)?;
        let chain = catalog.chain(backup).map_err(|why| broken(backup, &why))?;
        let (first, last) = backup.needs(catalog.size);
        let shown = |path: &Path| path.display().to_string();
        let body = FetchedBackup {
            shard: Some(shard.name.clone()),
            store: Some(archive.store().name().to_owned()),
            backup: Some(backup.name.to_string()),
            chain: Some(chain.iter().map(|backup| backup.name.to_string()).collect()),
            into: Some(shown(&args.into)),
            tablespaces: Some(tablespaces.iter().map(|(oid, path)| (oid.to_string(), shown(path))).collect()),
            start_lsn: Some(backup.sentinel.start_lsn.to_string()),
            finish_lsn: Some(backup.sentinel.finish_lsn.to_string()),
            first_segment: Some(first.to_string()),
            last_segment: Some(last.to_string()),
            ..FetchedBackup::default()
        };
        let options = RestoreOptions { tablespaces, ..RestoreOptions::default() };
        base::check(&chain, &args.into, &options)?;
        let chosen = engine::choose(cx, &archive, hindrance(&chain)).await?;
        let body = FetchedBackup { engine: Some(chosen.name()), engine_because: chosen.because(), ..body };
        let backup = backup.name.clone();
        Ok(Self { archive, catalog, backup, into: args.into.clone(), options, chosen, body })
    }

    async fn carry_out(mut self, cx: &Context) -> Result<Done<FetchedBackup>> {
        let mut body = self.body;
        if cx.global().dry_run {
            return Ok(Done::planned(body));
        }
        let gone = || Error::internal("a backup that was planned is gone");
        let backup = self.catalog.backup(&self.backup).ok_or_else(gone)?;
        let chain = self.catalog.chain(backup).map_err(|why| broken(backup, &why))?;
        let bar = progress::bytes(cx);
        self.options.progress = Some(Arc::new({
            let bar = bar.clone();
            move |done, total| {
                bar.set_length(total);
                bar.set_position(done);
            }
        }));
        let restored = match &self.chosen {
            Chosen::WalG(walg) => engine::fetch(walg, &self.archive, &chain, &self.into, &self.options).await,
            Chosen::Embedded(_) => base::restore(&self.archive, &chain, &self.into, &self.options).await,
        };
        bar.finish_and_clear();
        let restored = restored?;
        body.files = Some(restored.files);
        body.written_bytes = Some(restored.bytes);
        body.stored_bytes = Some(restored.stored_bytes);
        if let Chosen::Embedded(_) = self.chosen {
            body.parts = Some(restored.parts);
            body.unsummed_parts = Some(restored.unsummed_parts);
        }
        Ok(Done::changed(body))
    }
}

/// Why WAL-G can't restore the chain. Whatever it is told, it puts tablespaces where the original's are.
fn hindrance(chain: &[&Backup]) -> Option<String> {
    let spaces = |backup: &&&Backup| backup.sentinel.spec.as_ref().is_some_and(|spec| !spec.locations.is_empty());
    let found = chain.iter().find(spaces)?;
    Some(format!("{} has tablespaces, which wal-g would look for where the original's are", found.name))
}

/// The backup of this name, or the newest.
fn choose<'c>(catalog: &'c Catalog, archive: &Archive, name: &str) -> Result<&'c Backup> {
    if name == LATEST {
        // Where all are unproven, the error is about the newest.
        return catalog.newest_proven().or_else(|| catalog.newest()).ok_or_else(|| {
            Error::new(Code::NotFound, format!("there is no backup in {}", archive.store().place()))
                .hint("Make one with walg-wrap push.")
        });
    }
    let parsed: BackupName = name.parse().map_err(|_| {
        Error::usage(format!("{name:?} is no name of a backup")).hint("Use LATEST, or a name from walg-wrap ls.")
    })?;
    catalog.backup(&parsed).ok_or_else(|| {
        let (unreadable, unfinished) = (&catalog.unreadable, &catalog.unfinished);
        let why = if let Some((_, why)) = unreadable.iter().find(|(name, _)| *name == parsed) {
            return Error::new(Code::Mismatch, format!("{parsed} can't be restored: {why}"))
                .hint("`walg-wrap verify` tells more. Restore another backup.");
        } else if unfinished.contains(&parsed) {
            "it was begun and never finished, or is being made"
        } else {
            "it is not there"
        };
        Error::new(Code::NotFound, format!("there is no backup {parsed} in {}: {why}", archive.store().place()))
            .hint("`walg-wrap ls` lists what there is.")
    })
}

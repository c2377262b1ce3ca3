//! `walg-wrap push --type logical`: takes `pg_dump`'s directory format into the archive.

mod source;
mod store;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::Utc;
use flotilla::error::{Code, Error, Result};
use flotilla::pg::Programs;
use flotilla::record::{Done, Record};
use flotilla::target::Target;
use flotilla::{Context, failpoint};
use flotilla_archive::Archive;
use flotilla_archive::archive::{Form, Kept};
use flotilla_archive::documents::{Contents, Dump, DumpedTable};
use flotilla_archive::names::DumpName;
use flotilla_archive::retention;
use flotilla_archive::store::{Over, Put};
use schemars::JsonSchema;
use serde::Serialize;

use crate::program::{self, Item, Program};
use crate::push::{self, From};
use crate::spool::Spool;
use source::{Snapshot, Source};
use store::{Place, Stored};
use stream::{Stream, Streamed};

/// What `pg_dump` writes behind the rows of a table: `\.` and two empty lines.
const TAIL_LINES: u64 = 3;

/// How a logical dump is made.
#[derive(clap::Args)]
#[command(next_help_heading = "Logical dumps")]
#[group(skip)]
pub(crate) struct Args {
    /// The database; without it, the cluster's
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    database: Option<String>,
    /// Where files lie on their way; without it, where temporary files go
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    spool: Option<PathBuf>,
    /// How many MiB may wait there for the store before the dump is held
    #[arg(long, value_name = "MIB", default_value = "1024", hide_short_help = true)]
    #[arg(default_value_if("kind", "full", None::<&str>), default_value_if("kind", "delta", None::<&str>))]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    spool_mib: Option<u64>,
    /// The folder of PostgreSQL's programs; without it, Debian's of the server's version, or the PATH
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    bin: Option<PathBuf>,
}

impl Args {
    /// Whether any of it was given.
    pub(crate) fn any(&self) -> bool {
        self.database.is_some() || self.spool.is_some() || self.spool_mib.is_some() || self.bin.is_some()
    }
}

/// A logical dump that was made.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct PushedDump {
    /// The shard.
    shard: Option<String>,
    /// The store.
    store: Option<String>,
    /// The node that it was taken from.
    node: Option<String>,
    /// Why it was taken from the primary though there may be a standby.
    primary_because: Option<String>,
    /// The dump's name.
    dump: Option<String>,
    /// The database.
    database: Option<String>,
    /// The exported snapshot that all of it shows.
    snapshot: Option<String>,
    /// The WAL position when the snapshot was taken.
    lsn: Option<String>,
    /// The epoch of the shard's ownership then, as a decimal string; null without schema `flotilla`.
    epoch: Option<String>,
    /// Tables with rows of their own.
    tables: Option<u64>,
    /// Their rows.
    rows: Option<u64>,
    /// Large objects.
    large_objects: Option<u64>,
    /// Roles that must be there where it is restored.
    roles: Option<Vec<String>>,
    /// Files of `pg_dump`.
    files: Option<u64>,
    /// Their size before packing, in bytes.
    content_bytes: Option<u64>,
    /// Their size as stored, in bytes.
    stored_bytes: Option<u64>,
    /// Whether retention leaves it alone.
    permanent: Option<bool>,
    /// What should be looked at.
    warnings: Option<Vec<String>>,
}

impl Record for PushedDump {
    const KIND: &'static str = "walg-wrap.dumped";
    const COLUMNS: &'static [&'static str] = &["dump", "node", "tables", "rows", "content_bytes", "stored_bytes"];
}

/// Dumps every target.
pub(crate) async fn run(cx: &Context, targets: Vec<Target>, args: Arc<push::Args>) -> Result<()> {
    cx.each(targets, move |target, cx| {
        let args = Arc::clone(&args);
        async move { Box::pin(cx.unless_ended(dump(&cx, &target, &args))).await }
    })
    .await
}

async fn dump(cx: &Context, target: &Target, args: &push::Args) -> Result<Done<PushedDump>> {
    let shard = Archive::shard_of(target)?;
    let config = cx.config()?;
    let archive = Archive::open(config, shard, args.store.as_deref()).await?;
    let database = args.dump.database.as_deref().unwrap_or(&config.cluster.dbname);
    // A piped or named node is the node that is meant.
    let node = match &target.kind {
        flotilla::target::Kind::Node { node, .. } if args.from.is_none() => Some(From::Node(node.name.clone())),
        _ => args.from.clone(),
    };
    let mut source = Source::open(cx, shard, database, node.as_ref()).await?;
    let mut body = PushedDump {
        shard: Some(shard.name.clone()),
        store: Some(archive.store().name().to_owned()),
        node: Some(source.node.clone()),
        primary_because: source.primary_because.clone(),
        database: Some(database.to_owned()),
        permanent: Some(args.permanent),
        warnings: Some(push::warnings(config, &archive)),
        ..PushedDump::default()
    };
    let programs = Programs::find("pg_dump", args.dump.bin.as_deref(), source.session.major_version()).await?;
    if cx.global().dry_run {
        return Ok(Done::planned(body));
    }
    source.lock().await?;
    let spool = Spool::make(args.dump.spool.as_deref())?;
    let started = Utc::now();
    let snapshot = source.snapshot().await?;
    archive.claim(&source.pin(snapshot.version)).await?;
    let name = DumpName::at(started);
    failpoint::hit("dump.begun");

    let place = Place {
        archive: archive.clone(),
        name: name.clone(),
        system: source.system,
        folder: spool.dump(),
        given_up: stream::hopeful(),
    };
    let jobs = archive.parallelism();
    let mut stream = Stream::begin(place, jobs, args.dump.spool_mib.unwrap_or_default() << 20)?;
    let endpoint = source.endpoint.clone().application_name(format!("flotilla {}", cx.run_id()));
    let login = endpoint.program_login(&source.host, spool.path())?;
    let pg_dump = Program::start(&programs, "pg_dump", Some(&login), arguments(&spool, jobs, &snapshot))?;
    let said = stream.run(pg_dump).await?;
    failpoint::hit("dump.dumped");
    source.session.simple("ROLLBACK").await?;
    let items = program::list(&programs, &spool.dump(), None).await?;
    let streamed = stream.finish().await?;
    failpoint::hit("dump.files");

    let contents = contents(&items, &streamed, &snapshot)?;
    let system = Some(source.system);
    let json = serde_json::to_vec(&contents).map_err(|e| Error::internal("contents are no JSON").source(e))?;
    let key = name.contents(archive.codec());
    let there = || Error::refused(format!("there is a dump {name} already")).hint("Run it again.");
    let written = archive.write_new(&key, Form::Packed, system, move |sink| sink.write_all(&json));
    let (Kept::Written(sealed), ()) = written.await? else { return Err(there()) };
    failpoint::hit("dump.contents");
    let made = Made { snapshot: &snapshot, streamed: &streamed, contents: &contents };
    let document = Dump {
        version: 1,
        shard: shard.name.clone(),
        node: source.node.clone(),
        from_standby: source.is_standby,
        database: database.to_owned(),
        system_identifier: source.system.to_string(),
        pg_dump: version(&programs).await?,
        started,
        permanent: args.permanent,
        user_data: args.note(),
        codec: archive.codec().extension().to_owned(),
        encrypted: archive.is_encrypted(),
        key_id: config.archive.key_id.clone().filter(|_| archive.is_encrypted()),
        ..made.document(sealed.stored.bytes)
    };
    retention::check_dump_footing(&archive, &name, &document.objects(&name)).await?;
    let put = archive.write_plain(&name.document(), document.to_json().into(), Over::Keep, system).await?;
    if put == Put::Exists {
        return Err(there());
    }
    failpoint::hit("dump.document");

    body.dump = Some(name.to_string());
    body.snapshot = Some(snapshot.name);
    body.lsn = Some(snapshot.lsn);
    body.epoch = document.epoch;
    body.tables = Some(document.tables);
    body.rows = Some(document.rows);
    body.large_objects = Some(document.large_objects);
    body.roles = Some(contents.roles);
    body.files = Some(document.files);
    body.content_bytes = Some(document.content_bytes);
    body.stored_bytes = Some(document.stored_bytes);
    let warnings = body.warnings.get_or_insert_default();
    warnings.extend(snapshot.warnings);
    warnings.extend(said);
    if contents.flotilla.is_some() {
        note(cx, &shard.name, &source, &mut body).await;
    }
    Ok(Done::changed(body))
}

/// Leaves a line in the ledger. The dump is there, whatever the ledger says.
async fn note(cx: &Context, shard: &str, source: &Source, body: &mut PushedDump) {
    let detail = serde_json::json!({ "dump": body.dump, "store": body.store, "stored_bytes": body.stored_bytes });
    if let Err(error) = cx.entry(shard).detail(detail).write(&source.primary).await {
        tracing::warn!("the ledger on the primary has no line of this dump: {error}");
        let warnings = body.warnings.get_or_insert_default();
        warnings.push("the ledger on the primary has no line of this dump".to_owned());
    }
}

/// Not packed by `pg_dump`, for the archive's own packing is faster; without a subscription's connection
/// string, which may hold a password.
fn arguments(spool: &Spool, jobs: usize, snapshot: &Snapshot) -> Vec<String> {
    let mut arguments = vec![
        "--format=directory".to_owned(),
        "--compress=0".to_owned(),
        "--no-sync".to_owned(),
        "--no-password".to_owned(),
        "--no-subscriptions".to_owned(),
        "--lock-wait-timeout=60s".to_owned(),
    ];
    arguments.push(format!("--jobs={jobs}"));
    arguments.push(format!("--snapshot={}", snapshot.name));
    arguments.push(format!("--file={}", spool.dump().display()));
    arguments
}

async fn version(programs: &Programs) -> Result<String> {
    let (text, _) = Program::start(programs, "pg_dump", None, ["--version".to_owned()])?.finish().await?;
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

/// Compares what was stored with the list, and counts the rows.
fn contents(items: &[Item], streamed: &Streamed, snapshot: &Snapshot) -> Result<Contents> {
    let all = || streamed.large.iter().chain(&streamed.small);
    let stored: BTreeMap<&str, &Stored> = all().map(|stored| (stored.file.as_str(), stored)).collect();
    let missing = |what: &str| {
        Error::new(Code::Mismatch, format!("pg_dump lists {what}, and its file was not stored"))
            .hint("Nothing is listed of this dump. Take it again, and report it.")
    };
    let mut contents = snapshot.contents.clone();
    for item in items.iter().filter(|item| item.is_rows()) {
        let file = item.file();
        let there = stored.get(file.as_str()).ok_or_else(|| missing(&item.text))?;
        let (schema, name) = snapshot.tables.get(&item.oid).cloned().ok_or_else(|| {
            Error::internal(format!("pg_dump lists a table with OID {}, which the snapshot doesn't have", item.oid))
        })?;
        let rows = there.lines.checked_sub(TAIL_LINES).ok_or_else(|| missing(&item.text))?;
        contents.tables.push(DumpedTable { oid: item.oid, schema, name, file, rows });
    }
    let blobs = all().filter(|stored| stored.file.starts_with("blob_")).count() as u64;
    let listed = items.iter().any(Item::is_large_objects);
    if blobs != snapshot.large_objects || listed && !stored.contains_key("blobs.toc") {
        return Err(missing(&format!("{} large objects", snapshot.large_objects)));
    }
    if !stored.contains_key(stream::TOC) {
        return Err(missing("what it has"));
    }
    let names: BTreeSet<&str> = stored.keys().copied().collect();
    if names.len() != all().count() {
        return Err(Error::internal("a file was stored twice"));
    }
    Ok(contents)
}

/// What a dump became.
struct Made<'a> {
    snapshot: &'a Snapshot,
    streamed: &'a Streamed,
    contents: &'a Contents,
}

impl Made<'_> {
    /// What follows of it for its document; `more` bytes are stored besides.
    fn document(&self, more: u64) -> Dump {
        let Self { snapshot, streamed, contents } = self;
        let bytes = |files: &[Stored]| files.iter().map(|stored| stored.bytes).sum::<u64>();
        Dump {
            encoding: snapshot.encoding.clone(),
            timeline: snapshot.timeline,
            pg_version: snapshot.version,
            snapshot: snapshot.name.clone(),
            lsn: snapshot.lsn.clone(),
            epoch: contents.flotilla.as_ref().map(|flotilla| flotilla.epoch.clone()),
            finished: Utc::now(),
            tables: contents.tables.len() as u64,
            rows: contents.tables.iter().map(|table| table.rows).sum(),
            large_objects: snapshot.large_objects,
            files: (streamed.large.len() + streamed.small.len()) as u64,
            content_bytes: bytes(&streamed.large) + bytes(&streamed.small),
            packed_bytes: bytes(&streamed.small),
            stored_bytes: streamed.objects.iter().map(|object| object.stored.bytes).sum::<u64>() + more,
            parts: streamed.parts,
            large_files: streamed.large.iter().map(|stored| stored.file.clone()).collect(),
            ..Dump::default()
        }
    }
}

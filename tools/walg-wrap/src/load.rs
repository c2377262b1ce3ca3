//! `walg-wrap fetch --type logical`: restores a logical dump into an empty database.
//!
//! Schema `flotilla` comes first, for fences of tables call its functions. The rows of its ownership are
//! left out: what is restored says from its first moment that it owns nothing. The fences hold constants
//! of the time of the dump, so they let the rows in; they are swapped when all else is there.

mod feed;
mod place;

use std::path::{Path, PathBuf};
use std::time::Instant;

use flotilla::error::{Code, Error, Result};
use flotilla::pg::{Endpoint, Login, Programs, Role, SessionAttrs};
use flotilla::record::{Done, Record};
use flotilla::target::{self, Target};
use flotilla::{Context, failpoint, reach};
use flotilla_archive::Archive;
use flotilla_archive::catalog::{Dumps, FinishedDump};
use flotilla_archive::documents::{Contents, DumpedFlotilla};
use flotilla_archive::names::DumpName;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use schemars::JsonSchema;
use serde::Serialize;

use crate::program::{self, Item, Program};
use crate::spool::Spool;
use feed::Feed;
use place::Place;

/// The catalog of schemas, `pg_namespace`.
const SCHEMAS: u32 = 2615;
const LATEST: &str = "LATEST";
/// How many tables are counted by one statement.
const COUNTED: usize = 50;

/// Where a logical dump is restored to.
#[derive(clap::Args)]
#[command(next_help_heading = "Logical dumps")]
#[group(skip)]
pub(crate) struct Args {
    /// The shard or node whose database it is; without it, the dump's own shard
    #[arg(long, value_name = "TARGET", hide_short_help = true)]
    on: Option<String>,
    /// Where files lie on their way; without it, where temporary files go
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    spool: Option<PathBuf>,
    /// The folder of PostgreSQL's programs; without it, Debian's of the server's version, or the PATH
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    bin: Option<PathBuf>,
}

impl Args {
    /// Whether one of them was given.
    pub(crate) fn any(&self) -> bool {
        self.on.is_some() || self.spool.is_some() || self.bin.is_some()
    }
}

/// A logical dump that was restored.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct FetchedDump {
    /// The shard.
    shard: Option<String>,
    /// The store.
    store: Option<String>,
    /// The dump's name.
    dump: Option<String>,
    /// The database.
    database: Option<String>,
    /// The server that holds it.
    server: Option<String>,
    /// Whether what an earlier restore had left was cleared away first.
    cleared: Option<bool>,
    /// Tables with rows of their own.
    tables: Option<u64>,
    /// Their rows, counted there and as many as in the dump.
    rows: Option<u64>,
    /// Large objects.
    large_objects: Option<u64>,
    /// Ranges of buckets that the shard owned and the restored database doesn't.
    revoked_buckets: Option<Vec<String>>,
    /// Bytes of `pg_dump`'s files.
    content_bytes: Option<u64>,
    /// Their size as stored, in bytes.
    stored_bytes: Option<u64>,
    /// How long it took to make what rows need, in milliseconds.
    pre_data_ms: Option<u64>,
    /// How long the rows took, in milliseconds.
    data_ms: Option<u64>,
    /// How long indexes, constraints and the rest took, in milliseconds.
    post_data_ms: Option<u64>,
}

impl Record for FetchedDump {
    const KIND: &'static str = "walg-wrap.loaded";
    const COLUMNS: &'static [&'static str] = &["dump", "database", "tables", "rows", "large_objects", "content_bytes"];
}

/// What is restored, and where to.
pub(crate) struct Wanted {
    pub(crate) dump: String,
    pub(crate) into: String,
    pub(crate) store: Option<String>,
    pub(crate) args: Args,
}

/// What can't be asked for is said before any line.
pub(crate) fn check(cx: &Context, target: &Target, wanted: &Wanted) -> Result<()> {
    if wanted.dump != LATEST {
        parse(&wanted.dump)?;
    }
    destination(cx, target, wanted).map(drop)
}

fn parse(name: &str) -> Result<DumpName> {
    name.parse().map_err(|_| {
        Error::usage(format!("{name:?} is no name of a logical dump"))
            .hint("Use LATEST, or a name as walg-wrap push gave it, such as 20260102T030405.678Z.")
    })
}

/// Restores one dump.
pub(crate) async fn load(cx: &Context, target: &Target, wanted: &Wanted) -> Result<Done<FetchedDump>> {
    let shard = Archive::shard_of(target)?;
    let archive = Archive::open(cx.config()?, shard, wanted.store.as_deref()).await?;
    let dump = choose(&archive, &wanted.dump).await?;
    let endpoint = destination(cx, target, wanted)?;
    let session = cx.connect(endpoint.clone()).await?;
    let (host, server, major) = (session.host().clone(), session.place().to_owned(), session.major_version());
    let contents = contents(&archive, &dump).await?;
    let place = Place::of(session).await?;
    fits(&place, &dump, &contents, major).await?;
    let left = place.mark().await?;
    if left.is_none() {
        place.is_empty("Nothing was touched. Make a new one: CREATE DATABASE name TEMPLATE template0.").await?;
    }
    let programs = Programs::find("pg_restore", wanted.args.bin.as_deref(), major).await?;
    let mut body = FetchedDump {
        shard: Some(shard.name.clone()),
        store: Some(archive.store().name().to_owned()),
        dump: Some(dump.name.to_string()),
        database: Some(endpoint.database().to_owned()),
        server: Some(server),
        cleared: Some(left.is_some()),
        tables: Some(dump.dump.tables),
        large_objects: Some(dump.dump.large_objects),
        content_bytes: Some(dump.dump.content_bytes),
        stored_bytes: Some(dump.dump.stored_bytes),
        ..FetchedDump::default()
    };
    if cx.global().dry_run {
        return Ok(Done::planned(body));
    }
    place.lock().await?;
    let spool = Spool::make(wanted.args.spool.as_deref())?;
    spool.room(dump.dump.packed_bytes)?;
    if left.is_some() {
        place.clear().await?;
    } else {
        place.is_empty("Somebody has made something there meanwhile. Nothing was touched.").await?;
    }
    place.set_mark(&dump.name.to_string()).await?;
    failpoint::hit("load.marked");
    feed::lay_out(&archive, &dump, &spool.dump()).await?;
    failpoint::hit("load.laid_out");

    let name = format!("flotilla restore {}", cx.run_id());
    // What goes wrong is begun anew, so single commits needn't be durable.
    let endpoint = endpoint.application_name(name).setting("synchronous_commit", "off");
    let restore = Restore {
        login: endpoint.program_login(&host, spool.path())?,
        database: endpoint.database(),
        jobs: archive.parallelism(),
        programs: &programs,
        spool: &spool,
    };
    let lists = Lists::of(&restore, contents.flotilla.as_ref()).await?;
    let began = Instant::now();
    restore.section("pre-data", &lists.before)?.finish().await?;
    if let Some(flotilla) = &contents.flotilla {
        own_nothing(&place, flotilla).await?;
    }
    body.pre_data_ms = Some(since(began));
    failpoint::hit("load.pre_data");

    let began = Instant::now();
    let mut feed = Feed::new(&archive, &dump, &spool.dump());
    let rows = restore.section("data", &lists.rows)?;
    tokio::select! {
        done = rows.finish() => done.map(drop)?,
        error = feed.serve() => return Err(error),
    }
    feed.finish().await?;
    body.rows = Some(count(&place, &contents).await?);
    body.data_ms = Some(since(began));
    failpoint::hit("load.data");

    let began = Instant::now();
    restore.section("post-data", &lists.after)?.finish().await?;
    failpoint::hit("load.post_data");
    if let Some(flotilla) = &contents.flotilla {
        place.session.simple("CALL flotilla.swap_fences()").await?;
        body.revoked_buckets = Some(flotilla.owned.clone());
    }
    body.post_data_ms = Some(since(began));
    failpoint::hit("load.fences");
    place.clear_mark().await?;
    Ok(Done::changed(body))
}

fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The dump of this name, or the newest.
async fn choose(archive: &Archive, name: &str) -> Result<FinishedDump> {
    let dumps = Dumps::load(archive).await?;
    if name == LATEST {
        return dumps.finished.last().cloned().ok_or_else(|| {
            Error::new(Code::NotFound, format!("there is no logical dump in {}", archive.store().place()))
                .hint("Make one with walg-wrap push --type logical.")
        });
    }
    let parsed = parse(name)?;
    if let Some(found) = dumps.finished.iter().find(|dump| dump.name == parsed) {
        return Ok(found.clone());
    }
    if let Some((_, why)) = dumps.unreadable.iter().find(|(name, _)| *name == parsed) {
        return Err(
            Error::new(Code::Mismatch, format!("dump {parsed} can't be restored: {why}")).hint("Restore another one.")
        );
    }
    let why = if dumps.unfinished.contains(&parsed) {
        "it was begun and never finished, or is being made"
    } else {
        "it is not there"
    };
    Err(Error::new(Code::NotFound, format!("there is no dump {parsed} in {}: {why}", archive.store().place())))
}

/// The database, on the dump's own shard, on a target of the topology, or where a URL says.
fn destination(cx: &Context, target: &Target, wanted: &Wanted) -> Result<Endpoint> {
    let into = wanted.into.as_str();
    if into.contains("://") || into.contains('=') {
        if wanted.args.on.is_some() {
            return Err(Error::usage("a connection string says itself which server is meant")
                .hint("Leave --on out, or name a database alone."));
        }
        return Endpoint::from_argument(into);
    }
    let config = cx.config()?;
    let named = match &wanted.args.on {
        Some(name) => Some(target::named(config, std::slice::from_ref(name))?),
        None => None,
    };
    let on = named.as_ref().and_then(|targets| targets.first()).unwrap_or(target);
    let endpoint = match on.shard() {
        Some(shard) if named.is_none() => reach::primary(config, shard, &config.users.admin)?,
        _ => reach::primary_of(config, on, &config.users.admin)?,
    };
    Ok(endpoint.dbname(into).session_attrs(SessionAttrs::Primary))
}

async fn contents(archive: &Archive, dump: &FinishedDump) -> Result<Contents> {
    let key = dump.name.contents(dump.dump.packing());
    let read = archive.read(&key, dump.dump.packing(), |content| {
        serde_json::from_reader(std::io::BufReader::new(content))
            .map_err(|e| flotilla_archive::Corrupt::new(format!("what the dump has can't be understood: {e}")).into())
    });
    Ok(read.await?.1)
}

/// Whether the server can take it.
async fn fits(place: &Place, dump: &FinishedDump, contents: &Contents, major: u32) -> Result<()> {
    let session = &place.session;
    if session.role().await? == Role::Standby {
        return Err(
            Error::new(Code::WrongRole, "the server is a standby; nothing was touched").hint("Name its primary.")
        );
    }
    let of = dump.dump.pg_version / 10_000;
    if major < of {
        return Err(Error::new(
            Code::Unsupported,
            format!("the dump is of PostgreSQL {of}, and the server is {major}; nothing was touched"),
        )
        .hint("Restore it into a server of the same or a later version."));
    }
    let encoding = "SELECT pg_catalog.pg_encoding_to_char(encoding) FROM pg_catalog.pg_database \
                    WHERE datname = pg_catalog.current_database()";
    let encoding = session.value(encoding).await?.unwrap_or_default();
    if encoding != dump.dump.encoding {
        return Err(Error::refused(format!(
            "the dump is encoded in {}, and the database in {encoding}; nothing was touched",
            dump.dump.encoding
        ))
        .hint(format!("Make it by CREATE DATABASE name TEMPLATE template0 ENCODING '{}'.", dump.dump.encoding)));
    }
    let lacking = async |names: &[String], known: &str| -> Result<Vec<String>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let list = names.iter().map(|name| escape_literal(name)).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT name FROM unnest(ARRAY[{list}]) AS name WHERE name NOT IN ({known})");
        Ok(session.simple(&sql).await?.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect())
    };
    let roles = lacking(&contents.roles, "SELECT rolname FROM pg_catalog.pg_roles").await?;
    if !roles.is_empty() {
        return Err(Error::refused(format!("the server has no role {}; nothing was touched", roles.join(", ")))
            .hint("A dump holds no roles. Make them by CREATE ROLE; shardctl init makes Flotilla's own."));
    }
    let extensions = lacking(&contents.extensions, "SELECT name FROM pg_catalog.pg_available_extensions").await?;
    if !extensions.is_empty() {
        return Err(Error::refused(format!(
            "the server has no extension {}; nothing was touched",
            extensions.join(", ")
        ))
        .hint("Install its package on the server's machine."));
    }
    Ok(())
}

/// How `pg_restore` is called.
struct Restore<'a> {
    login: Login,
    database: &'a str,
    jobs: usize,
    programs: &'a Programs,
    spool: &'a Spool,
}

impl Restore<'_> {
    /// Restores what the list names of a section. Tablespaces are left to the new database.
    fn section(&self, section: &str, list: &str) -> Result<Program> {
        let path = self.spool.path().join(section);
        std::fs::write(&path, list).map_err(|e| feed::unusable(&path, e))?;
        let database = self.database.replace('\\', r"\\").replace('\'', r"\'");
        let mut args = vec![
            format!("--section={section}"),
            format!("--use-list={}", path.display()),
            format!("--dbname=dbname='{database}'"),
            "--format=directory".to_owned(),
            "--exit-on-error".to_owned(),
            "--no-password".to_owned(),
            "--no-tablespaces".to_owned(),
            "--no-subscriptions".to_owned(),
        ];
        if section != "pre-data" {
            args.push(format!("--jobs={}", self.jobs));
        }
        args.push(self.spool.dump().display().to_string());
        Program::start(self.programs, "pg_restore", Some(&self.login), args)
    }
}

/// What is restored in which order.
struct Lists {
    before: String,
    rows: String,
    after: String,
}

impl Lists {
    async fn of(restore: &Restore<'_>, flotilla: Option<&DumpedFlotilla>) -> Result<Self> {
        let folder: &Path = &restore.spool.dump();
        let all = program::list(restore.programs, folder, None).await?;
        let every: String = all.iter().map(Item::line).collect();
        let Some(flotilla) = flotilla else {
            return Ok(Self { before: every.clone(), rows: every.clone(), after: every });
        };
        // pg_restore itself says what is in the schema; names in its list can't be told apart.
        let first: std::collections::HashSet<u32> =
            program::list(restore.programs, folder, Some("flotilla")).await?.iter().map(|item| item.number).collect();
        let is_first =
            |item: &&Item| first.contains(&item.number) || (item.catalog, item.oid) == (SCHEMAS, flotilla.schema);
        let before = all.iter().filter(is_first).chain(all.iter().filter(|item| !is_first(item)));
        let before = before.map(Item::line).collect();
        let rows = all.iter().filter(|item| !(item.is_rows() && item.oid == flotilla.ownership));
        let rows = rows.map(Item::line).collect();
        Ok(Self { before, rows, after: every })
    }
}

/// One range of all buckets that aren't the shard's, in place of what it owned.
async fn own_nothing(place: &Place, flotilla: &DumpedFlotilla) -> Result<()> {
    let (last, epoch) = (flotilla.buckets.saturating_sub(1), escape_literal(&flotilla.epoch));
    let sql = format!(
        "INSERT INTO flotilla.ownership (first_bucket, last_bucket, state, epoch) VALUES (0, {last}, 'none', {epoch})"
    );
    place.session.simple(&sql).await.map(drop)
}

/// Counts the rows of every table: they must be as many as in the dump.
async fn count(place: &Place, contents: &Contents) -> Result<u64> {
    place.session.simple("SET row_security = off").await?;
    let flotilla = contents.flotilla.as_ref().map(|flotilla| flotilla.ownership);
    let tables: Vec<_> = contents.tables.iter().filter(|table| Some(table.oid) != flotilla).collect();
    let mut all = 0;
    for some in tables.chunks(COUNTED) {
        let selects = some.iter().map(|table| {
            let (schema, name) = (escape_identifier(&table.schema), escape_identifier(&table.name));
            format!("SELECT count(*) FROM ONLY {schema}.{name}")
        });
        let sql = selects.collect::<Vec<_>>().join(" UNION ALL ");
        let rows = place.session.simple(&sql).await?;
        for (table, row) in some.iter().zip(rows) {
            let found: Option<u64> = row.get(0).and_then(|count| count.parse().ok());
            if found != Some(table.rows) {
                return Err(Error::new(
                    Code::Mismatch,
                    format!(
                        "table \"{}\".\"{}\" has {} rows, and {} in the dump",
                        table.schema,
                        table.name,
                        found.map_or_else(|| "no".to_owned(), |found| found.to_string()),
                        table.rows
                    ),
                )
                .hint("The database isn't usable. Run it again; if it stays so, restore another dump."));
            }
            all += table.rows;
        }
    }
    Ok(all)
}

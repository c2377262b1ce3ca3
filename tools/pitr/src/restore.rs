//! `pitr restore`: brings a shard, or all of them, back as they were at a point, in a folder apart.
//!
//! The copy recovers alone: it archives nothing, follows nobody, listens on a socket in its own folder
//! only, and owns no bucket. Killed at any point, its server ends with it, and what is left says so.
//!
//! Failpoints: `restore.noted`, `restore.fetched`, `restore.configured`, `restore.recovered`,
//! `restore.isolated`.

pub(crate) mod isolate;
pub(crate) mod place;
pub(crate) mod reading;
pub(crate) mod server;
mod settings;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use flotilla::clock::millis;
use flotilla::error::{Code, Error, Result};
use flotilla::pg::Programs;
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, failpoint, fanout};
use flotilla_archive::backup::Control;
use flotilla_archive::base::{self, RestoreOptions};
use schemars::JsonSchema;
use serde::Serialize;

use self::isolate::Isolated;
use self::place::{Note, Place, Stage};
use self::server::{Reached, Server};
use crate::coverage::say_zone;
use crate::goal::{GoalArgs, SideArgs};
use crate::past::PastArgs;
use crate::plan::{self, Decided, PlanRecord};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "restore",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: false,
    records: &[RecordInfo::of::<RestoredShard>(), RecordInfo::of::<PlanRecord>()],
    examples: &[
        Example {
            line: "pitr restore --all --to '2024-06-28 15:30:00Z' --into /srv/restored",
            does: "Restore every shard as it was then, beside the running cluster",
        },
        Example {
            line: "pitr plan --latest -t s0 > plan.jsonl; pitr restore --into /srv/restored < plan.jsonl",
            does: "Restore what was planned, or nothing",
        },
        Example {
            line: "pitr restore -t s0 --xid 4711 --exclusive --into /srv/restored --leave-running",
            does: "Go back to before a transaction, and leave the server running to look around",
        },
    ],
};

/// What to restore, and where.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    goal: GoalArgs,
    #[command(flatten)]
    side: SideArgs,
    /// Restore into this folder, each shard into one of its name below it
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Leave the restored servers running
    #[arg(long)]
    leave_running: bool,
    /// Port of the restored servers, in the names of their sockets
    #[arg(long, value_name = "PORT", default_value_t = 5433, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Folder of PostgreSQL's programs instead of where Debian has them
    #[arg(long, value_name = "DIR")]
    bin: Option<PathBuf>,
    #[command(flatten)]
    past: PastArgs,
}

/// Where and how, apart from what.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The folder.
    pub(crate) into: PathBuf,
    /// The port in the socket's name.
    pub(crate) port: u16,
    /// The folder of PostgreSQL's programs.
    pub(crate) bin: Option<PathBuf>,
    /// Whether the servers stay.
    pub(crate) leave_running: bool,
    /// Which archives.
    pub(crate) past: PastArgs,
}

/// A restored shard.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct RestoredShard {
    /// The shard.
    pub(crate) shard: Option<String>,
    /// What was asked for: `time`, `lsn`, `xid`, `name` or `latest`.
    pub(crate) goal: Option<String>,
    /// Its value; null of the latest point.
    pub(crate) goal_value: Option<String>,
    /// Its data folder.
    pub(crate) data: Option<String>,
    /// The backup.
    pub(crate) backup: Option<String>,
    /// The record at which recovery stopped, as the server's log says.
    pub(crate) stop_lsn: Option<String>,
    /// Whether that record is replayed itself.
    pub(crate) stop_inclusive: Option<bool>,
    /// The time of the last commit that is there, UTC, as the server says; null where it doesn't know.
    pub(crate) last_commit: Option<String>,
    /// How many commits are left out although they are not later than the time: see `pitr plan`.
    pub(crate) late_count: Option<usize>,
    /// The copy's own timeline.
    pub(crate) timeline: Option<u32>,
    /// How many segments were replayed.
    pub(crate) segment_count: Option<usize>,
    /// Bytes of the data folder and tablespaces that came from the backups.
    pub(crate) restored_bytes: Option<u64>,
    /// How long the backups took, in milliseconds.
    pub(crate) fetch_ms: Option<u64>,
    /// How long recovery took, in milliseconds.
    pub(crate) recovery_ms: Option<u64>,
    /// What was cut off.
    pub(crate) isolated: Option<Isolated>,
    /// Whether its server runs.
    pub(crate) running: Option<bool>,
    /// What starts its server.
    pub(crate) start_command: Option<String>,
    /// How it is reached when it runs: a connection string without a secret.
    pub(crate) conninfo: Option<String>,
    /// The plan's hash.
    pub(crate) plan: Option<String>,
}

impl Record for RestoredShard {
    const KIND: &'static str = "pitr.restored";
    const COLUMNS: &'static [&'static str] =
        &["goal_value", "last_commit", "stop_lsn", "segment_count", "restored_bytes", "running", "start_command"];
}

/// What is to be restored, decided for each shard before any is begun.
pub(crate) struct Ready {
    pub(crate) decided: Decided,
    pub(crate) place: Place,
    pub(crate) programs: Programs,
    /// `walg-wrap`, beside this program.
    fetcher: PathBuf,
}

/// Restores each target.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let targets = cx.targets_with_lines()?;
    let given = args.goal.goal();
    if let Some(when) = args.goal.when() {
        say_zone(cx, when);
    }
    let wishes = reading::wishes(&targets, given.as_ref(), args.side.exclusive)?;
    let order =
        Order { into: args.into, port: args.port, bin: args.bin, leave_running: args.leave_running, past: args.past };
    let (order, several) = (Arc::new(order), targets.len() > 1);
    let working: Vec<(Target, reading::Wish)> = targets
        .iter()
        .filter(|target| target.upstream_failure.is_none())
        .filter_map(|target| Some((target.clone(), wishes.get(&target.name)?.clone())))
        .collect();
    let names: Vec<String> = working.iter().map(|(target, _)| target.name.clone()).collect();
    let decided = fanout::ask(cx, working, |(target, wish), cx| {
        let order = Arc::clone(&order);
        async move { prepare(&cx, &target, &wish, &order, several).await }
    })
    .await;
    let ready: HashMap<String, Result<Ready>> = names.into_iter().zip(decided).collect();
    let hindered = ready.values().any(Result::is_err);
    let ready = Arc::new(Mutex::new(ready));
    cx.each(targets, move |target, cx| {
        let ready = ready.lock().unwrap_or_else(PoisonError::into_inner).remove(&target.name);
        let order = Arc::clone(&order);
        async move {
            let ready = ready.ok_or_else(|| Error::internal("a target was not planned"))??;
            // All shards or none: a cluster of which some are back is none.
            if hindered {
                return Err(Error::refused("another shard can't be restored; nothing was touched")
                    .hint("See its line. To restore this one alone, name it with -t."));
            }
            let shard = flotilla_archive::Archive::shard_of(&target)?.name.clone();
            if cx.global().dry_run {
                return Ok(Done::planned(body(&ready, &order)));
            }
            let done = restore(&cx, &shard, &ready, &order).await;
            let entry = cx.entry(&shard).detail(serde_json::json!({
                "into": ready.place.root(), "plan": ready.decided.record.plan, "goal": ready.decided.record.goal_value,
            }));
            let entry = match &done {
                Ok(_) => entry,
                Err(error) => entry.failed(error),
            };
            let config = cx.config()?;
            entry.leave(&cx, flotilla_archive::Archive::shard_of(&target)?, &config.users.backup).await;
            done.map(Done::changed)
        }
    })
    .await
}

/// Decides and checks everything that can be before a byte is written.
pub(crate) async fn prepare(
    cx: &Context,
    target: &Target,
    wish: &reading::Wish,
    order: &Order,
    several: bool,
) -> Result<Ready> {
    let shard = flotilla_archive::Archive::shard_of(target)?;
    let place = Place::of(&order.into, &shard.name, order.port)?;
    let mut options = order.past.clone();
    options.store = options.store.or_else(|| wish.store.clone());
    options.timeline = options.timeline.or(wish.timeline);
    let decided = plan::decide(cx.config()?, shard, &options, &wish.goal, wish.exclusive, several).await?;
    if let Some(planned) = wish.plan.as_ref().filter(|planned| decided.record.plan.as_ref() != Some(*planned)) {
        return Err(Error::new(
            Code::StateMoved,
            format!(
                "the archive of shard \"{}\" has changed since plan {planned} was made; nothing was touched",
                shard.name
            ),
        )
        .hint("Plan again, and look at what has changed."));
    }
    let major = decided.record.pg_version.unwrap_or_default() / 10_000;
    let programs = server::programs(order.bin.as_deref(), major).await?;
    let fetcher = fetcher()?;
    can_fetch(cx, &place, &fetcher, &decided, &shard.name, options.store.as_deref()).await?;
    Ok(Ready { decided, place, programs, fetcher })
}

/// `walg-wrap` of this installation: recovery must not depend on what a PATH leads to.
fn fetcher() -> Result<PathBuf> {
    let me = std::env::current_exe().map_err(|e| Error::internal("a process doesn't know its path").source(e))?;
    let path = me.with_file_name("walg-wrap");
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::config(format!("there is no {}; nothing was touched", path.display()))
        .hint("Recovery fetches WAL by walg-wrap, which is installed beside pitr."))
}

/// The server's account must be able to fetch: to read the topology, the key and the store.
async fn can_fetch(
    cx: &Context,
    place: &Place,
    fetcher: &Path,
    decided: &Decided,
    shard: &str,
    store: Option<&str>,
) -> Result<()> {
    let segment = decided.record.first_segment.clone().unwrap_or_default();
    let mut command = server::as_account(place, fetcher);
    command.args(["wal-fetch", "-q", "--dry-run", "--for", "pitr", "-t", shard, "--config"]);
    command
        .arg(&cx.config()?.path)
        .args(store.map(|store| format!("--store={store}")))
        .arg(segment)
        .arg("RECOVERYXLOG");
    let output = command.output().await.map_err(|e| {
        Error::new(Code::NotFound, "could not run \"setpriv\"; nothing was touched")
            .hint("Install util-linux.")
            .source(e)
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(Code::Refused, "the account of the restored server can't fetch WAL; nothing was touched")
        .hint("It must be able to read the topology, the key file and the store.")
        .source(said))
}

fn body(ready: &Ready, order: &Order) -> RestoredShard {
    let plan = &ready.decided.record;
    let place = &ready.place;
    let data = place.data();
    let postgres = ready.programs.path("pg_ctl");
    RestoredShard {
        shard: plan.shard.clone(),
        goal: plan.goal.clone(),
        goal_value: plan.goal_value.clone(),
        data: Some(data.display().to_string()),
        backup: plan.backup.clone(),
        stop_lsn: plan.stop_lsn.clone(),
        stop_inclusive: plan.stop_inclusive,
        late_count: plan.late_count,
        restored_bytes: plan.restored_bytes,
        segment_count: plan.segment_count,
        running: Some(false),
        start_command: Some(format!("{} -D {} -l {} start", postgres.display(), data.display(), place.log().display())),
        conninfo: Some(format!("host={} port={} dbname=postgres", place.socket_folder().display(), order.port)),
        plan: plan.plan.clone(),
        ..RestoredShard::default()
    }
}

/// Restores one shard.
pub(crate) async fn restore(cx: &Context, shard: &str, ready: &Ready, order: &Order) -> Result<RestoredShard> {
    let mut done = body(ready, order);
    let (place, decided) = (&ready.place, &ready.decided);
    let mut note = Note {
        version: 1,
        shard: shard.to_owned(),
        stage: Stage::Fetching,
        plan: decided.record.plan.clone().unwrap_or_default(),
        stop_lsn: decided.cut.at.to_string(),
    };
    let began = Instant::now();
    let restored = fetch(cx, ready, &note).await?;
    done.restored_bytes = Some(restored);
    done.fetch_ms = Some(millis(began.elapsed()));
    failpoint::hit("restore.fetched");

    note.stage = Stage::Recovering;
    place.write_note(&note)?;
    let began = Instant::now();
    let (control, libraries) = configure(cx, shard, ready, order).await?;
    failpoint::hit("restore.configured");
    let mut server = Server::start(&ready.programs, place)?;
    let reached = server.wait(cx, shard).await?;
    done.segment_count = Some(reached.segments);
    let verified = verify(cx, ready, &reached, order).await;
    let isolated = match verified {
        Ok(last_commit) => {
            done.recovery_ms = Some(millis(began.elapsed()));
            done.last_commit = last_commit;
            done.stop_lsn = reached.stop.map(|stop| stop.to_string());
            done.timeline = Some(timeline(cx, place, order.port).await?);
            failpoint::hit("restore.recovered");
            note.stage = Stage::Isolating;
            place.write_note(&note)?;
            isolate::isolate(cx, place, order.port).await
        }
        Err(error) => Err(error),
    };
    server.stop().await?;
    done.isolated = Some(isolated?);
    let conf = settings::postgresql_conf(place, shard, order.port, &control, &libraries, None);
    place.write(&place.data().join("postgresql.conf"), conf.as_bytes())?;
    failpoint::hit("restore.isolated");
    note.stage = Stage::Done;
    place.write_note(&note)?;
    if order.leave_running {
        leave_running(ready).await?;
        done.running = Some(true);
    }
    Ok(done)
}

/// Fetches the backups; how many bytes they are.
async fn fetch(cx: &Context, ready: &Ready, note: &Note) -> Result<u64> {
    let (place, past) = (&ready.place, &ready.decided.past);
    let backup = past.catalog.backup(&ready.decided.backup).ok_or_else(|| Error::internal("the backup is gone"))?;
    let chain = past.catalog.chain(backup).map_err(|broken| Error::internal(broken.to_string()))?;
    let spec = backup.sentinel.spec.clone().unwrap_or_default();
    let oids = spec.locations.keys().filter_map(|oid| oid.parse::<u32>().ok());
    let tablespaces = oids.map(|oid| (oid, place.tablespaces().join(oid.to_string()))).collect();
    let options = RestoreOptions { tablespaces, ..RestoreOptions::default() };
    place.make(note)?;
    failpoint::hit("restore.noted");
    if let Err(error) = base::check(&chain, &place.data(), &options) {
        place.unmake();
        return Err(error);
    }
    let data = place.data();
    let restored = cx.unless_ended(base::restore(&past.archive, &chain, &data, &options)).await?;
    Ok(restored.bytes)
}

/// Gives the copy its own configuration.
async fn configure(cx: &Context, shard: &str, ready: &Ready, order: &Order) -> Result<(Control, Vec<String>)> {
    let (place, past) = (&ready.place, &ready.decided.past);
    let data = place.data();
    place.close()?;
    let path = data.join("global/pg_control");
    let bytes = fs::read(&path).map_err(|e| place::failed(&path, e))?;
    let control = Control::parse(&bytes).map_err(|e| Error::from(e).within(path.display()))?;
    // What can't be asked, as of a configuration that lies elsewhere, is not loaded.
    let mut ask = server::command(&ready.programs, place, "postgres");
    let asked = ask.args(["-C", "shared_preload_libraries", "-D"]).arg(&data).output().await;
    let named = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let libraries = settings::libraries(&named);
    for name in ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf", "standby.signal"] {
        place.keep_aside(name)?;
    }
    let config = cx.config()?;
    let config_path = fs::canonicalize(&config.path).unwrap_or_else(|_| config.path.clone());
    let store = past.archive.store().name();
    let target = settings::Target {
        cut: &ready.decided.cut,
        timeline: past.way.timeline(),
        command: settings::restore_command(&ready.fetcher, &config_path, Some(store), shard),
    };
    let conf = settings::postgresql_conf(place, shard, order.port, &control, &libraries, Some(&target));
    place.write(&data.join("postgresql.conf"), conf.as_bytes())?;
    place.write(&data.join("postgresql.auto.conf"), b"")?;
    place.write(&data.join("pg_hba.conf"), settings::PG_HBA.as_bytes())?;
    place.write(&data.join("pg_ident.conf"), b"")?;
    place.write(&data.join("recovery.signal"), b"")?;
    Ok((control, libraries))
}

/// Recovery ended where it was told to, by the log and by the server itself. The last commit's time.
async fn verify(cx: &Context, ready: &Ready, reached: &Reached, order: &Order) -> Result<Option<String>> {
    let (cut, plan) = (&ready.decided.cut, &ready.decided.record);
    let wrong = |what: String| {
        Err(Error::new(Code::Mismatch, format!("the restored shard is not what was asked for: {what}"))
            .hint("Its folder is kept to be looked at. It must not be used."))
    };
    let Some(stop) = reached.stop else { return wrong("recovery ended without reaching its target".to_owned()) };
    // A position that someone named may lie within a record.
    let named = plan.goal.as_deref() == Some("lsn");
    if (stop != cut.at && !named) || stop < cut.at || reached.before == cut.inclusive {
        let side = if reached.before { "before" } else { "after" };
        return wrong(format!("recovery stopped {side} {stop} instead of at {}", cut.at));
    }
    let session = cx.connect(isolate::endpoint(cx.config()?, &ready.place, order.port, "postgres")).await?;
    let asked = session
        .simple(
            "SELECT pg_is_in_recovery(), (SELECT system_identifier FROM pg_control_system()), \
             to_char(l.timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
             FROM (VALUES (1)) AS one LEFT JOIN LATERAL (SELECT timestamp FROM pg_last_committed_xact() \
             WHERE current_setting('track_commit_timestamp')::boolean) AS l ON true",
        )
        .await?;
    session.close().await;
    let row = asked.first().ok_or_else(|| Error::internal("a query of one row gave none"))?;
    if row.get(0) != Some("f") {
        return wrong("it is still in recovery".to_owned());
    }
    if plan.system_identifier.is_some() && row.get(1) != plan.system_identifier.as_deref() {
        return wrong(format!("it is system {}", row.get(1).unwrap_or("?")));
    }
    let last = row.get(2).map(str::to_owned);
    let known = matches!(plan.goal.as_deref(), Some("time" | "latest"));
    if let (true, Some(planned), Some(found)) = (known, &plan.last_commit, &last)
        && planned != found
    {
        return wrong(format!("its last commit is of {found} instead of {planned}"));
    }
    Ok(last)
}

async fn timeline(cx: &Context, place: &Place, port: u16) -> Result<u32> {
    let session = cx.connect(isolate::endpoint(cx.config()?, place, port, "postgres")).await?;
    let asked = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int";
    let value = session.value(asked).await?;
    session.close().await;
    value.and_then(|value| value.parse().ok()).ok_or_else(|| Error::internal("the server doesn't say its timeline"))
}

/// Starts it to stay.
async fn leave_running(ready: &Ready) -> Result<()> {
    let place = &ready.place;
    let mut command = server::command(&ready.programs, place, "pg_ctl");
    command.args(["-w", "-s", "-t", "600", "-D"]).arg(place.data()).arg("-l").arg(place.log()).arg("start");
    let status = command.status().await.map_err(|e| place::failed(&place.data(), e))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(Code::Io, "the restored server did not start again")
        .hint(format!("It is restored; its log is {}.", place.log().display())))
}

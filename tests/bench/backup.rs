//! Backups: `walg-wrap` beside pgBackRest and WAL-G, of the same server into stores of the same kind.
//!
//! All three pack by lz4, encrypt nothing, and have as many workers as there are cores. Each makes its
//! objects durable or doesn't, and waits for its WAL or doesn't, as it does by itself: what `walg-wrap`
//! does besides is in its time.

mod memory;
mod others;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use flotilla_native::account::Account;
use flotilla_native::postgres::program;
use flotilla_tests::{Fleet, ObjectStore, Sandbox};

use self::memory::{Spent, spent};
use self::others::{Other, cores};
use crate::figure::{Figure, median, mib, ms, ratio, ratio_of_memory};

/// A scale of pgbench is about so many bytes.
const SCALE: u64 = 15 << 20;
/// Segments that are pushed and fetched one by one.
const SEGMENTS: usize = 16;
/// What nobody's memory may pass.
const MOST: u64 = 256 << 20;

/// With a folder as the store, and with S3 by MinIO.
pub(crate) fn measure(bytes: u64, runs: u32) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Round::prepare(bytes, None)?.measure("a folder", runs)?;
    let service = ObjectStore::start();
    figures.extend(Round::prepare(bytes, Some(&service))?.measure("S3", runs)?);
    Ok(figures)
}

/// What one program took.
#[derive(Default)]
struct Times {
    push: Vec<Spent>,
    fetch: Vec<Spent>,
    fetch_to_memory: Vec<Spent>,
    wal_push: Vec<Spent>,
    wal_fetch: Vec<Spent>,
}

/// A server with a database, stores for everybody, and segments that nobody has archived.
struct Round {
    fleet: Fleet,
    /// On a disk, as where it matters.
    disk: Sandbox,
    memory: Sandbox,
    bytes: u64,
    others: Vec<Other>,
    /// A folder that looks like a cluster's, with the segments.
    cluster: PathBuf,
    segments: Vec<String>,
}

impl Round {
    fn prepare(bytes: u64, service: Option<&ObjectStore>) -> anyhow::Result<Self> {
        let builder = Fleet::new().shards(1).init().archiving().durable();
        let mut fleet = builder.set("max_wal_size", "4GB").set("wal_keep_size", "512MB").start();
        let (disk, memory) = (Sandbox::on_disk(), Sandbox::new());
        // The servers' account restores there.
        fs::set_permissions(memory.path(), Permissions::from_mode(0o755))?;
        let account = Account::server()?;
        let settings = format!("compression = \"lz4\"\nencryption = \"none\"\nparallelism = {}\n", cores());
        match service {
            None => {
                let (here, there) = (fleet.archive(&settings), disk.path().join("archive"));
                account.private_folder(&there)?;
                fs::remove_dir(&here)?;
                std::os::unix::fs::symlink(there, here)?;
            }
            Some(service) => fleet.archive_in(service, "walg-wrap", &settings),
        }
        archive_by(&mut fleet, "true")?;
        let scale = (bytes / SCALE).max(1).to_string();
        let mut load = Command::new(program("pgbench"));
        load.args(["-i", "-q", "-s", &scale]).arg(fleet.primary(0).conninfo(&fleet.topology.dbname)).current_dir("/");
        let loaded = account.run(&mut load).output()?;
        ensure!(loaded.status.success(), "pgbench: {}", String::from_utf8_lossy(&loaded.stderr));
        let (cluster, segments) = segments(&fleet, &disk)?;
        let others = Other::all(&fleet, &disk, service)?;
        Ok(Self { fleet, disk, memory, bytes, others, cluster, segments })
    }

    fn measure(mut self, place: &str, runs: u32) -> anyhow::Result<Vec<Figure>> {
        let mut ours = Times::default();
        let mut theirs: BTreeMap<&str, Times> = BTreeMap::new();
        // In turn, so that what disturbs one disturbs all.
        for at in 0..self.segments.len() {
            let (path, name) = (self.cluster.join("pg_wal").join(&self.segments[at]), self.segments[at].clone());
            // Who makes his own durable mustn't wait for what another has left unwritten.
            ours.wal_push.push(settled(|| spent(self.walg_wrap(&["wal-push", "-q", "-t", "s0"]).args([&path])))?);
            for other in &self.others {
                let times = theirs.entry(other.name()).or_default();
                times.wal_push.push(settled(|| spent(other.wal_push(&self.fleet, &self.cluster, &path)))?);
            }
            // WAL-G writes over nothing.
            let into = |who: &str| self.cluster.join("pg_wal").join(format!("RECOVERY-{who}-{at}"));
            let fetch = ["wal-fetch", "-q", "-t", "s0", "--for", "pitr", &name];
            ours.wal_fetch.push(settled(|| spent(self.walg_wrap(&fetch).args([into("us")])))?);
            for other in &self.others {
                let times = theirs.entry(other.name()).or_default();
                let fetch = other.wal_fetch(&self.fleet, &self.cluster, &name, &into(other.name()));
                times.wal_fetch.push(settled(|| spent(fetch))?);
            }
        }
        let command = self.archive_command();
        for _ in 0..runs {
            archive_by(&mut self.fleet, &command)?;
            ours.push.push(settled(|| spent(self.walg_wrap(&["push", "-q", "-t", "s0"])))?);
            let fetch = |into: &Path| self.walg_wrap(&["fetch", "-q", "-t", "s0", "--into"]).args([into]);
            self.fetch(&mut ours, &fetch)?;
            for other in &self.others {
                let times = theirs.entry(other.name()).or_default();
                archive_by(&mut self.fleet, &other.archive_command())?;
                times.push.push(settled(|| spent(other.push(&self.fleet)))?);
                self.fetch(times, &|into| other.fetch(&self.fleet, into))?;
            }
        }
        let size = self.fleet.sql(0, "SELECT pg_size_pretty(sum(pg_database_size(oid))) FROM pg_database");
        Ok(figures(&format!("{size}, store {place}"), &ours, &theirs))
    }

    fn walg_wrap(&self, args: &[&str]) -> flotilla_tests::Run {
        self.fleet.as_operator("walg-wrap", args)
    }

    fn archive_command(&self) -> String {
        let (program, config) = (flotilla_tests::binary("walg-wrap"), self.fleet.operator("flotilla.toml"));
        format!("{} wal-push -q -t s0 --config {} %p", program.display(), config.display())
    }

    /// Fetches into memory, and then onto the disk, of which one waits for the other's writing.
    fn fetch(&self, times: &mut Times, fetch: &dyn Fn(&Path) -> flotilla_tests::Run) -> anyhow::Result<()> {
        for (place, spent_there) in [(&self.memory, &mut times.fetch_to_memory), (&self.disk, &mut times.fetch)] {
            let into = place.path().join("restored");
            touch_memory(&self.memory, self.bytes)?;
            Account::server()?.private_folder(&into)?;
            spent_there.push(settled(|| spent(fetch(&into)))?);
            Self::put_away(place, &into)?;
        }
        Ok(())
    }

    /// Gives back the room that a restored cluster has taken, and its name. Its files stay until the end, empty: for a
    /// minute after files were removed ext4 makes new ones slowly, for it looks over what was removed.
    fn put_away(place: &Sandbox, restored: &Path) -> anyhow::Result<()> {
        for file in walkdir::WalkDir::new(restored) {
            let file = file?;
            if file.file_type().is_file() {
                File::options().write(true).open(file.path())?.set_len(0)?;
            }
        }
        let away = tempfile::Builder::new().prefix("put-away-").tempdir_in(place.path())?.keep();
        fs::rename(restored, away.join("restored"))?;
        Ok(())
    }
}

/// Has the machine get memory for so many bytes: a virtual one's host takes it back where it lies idle, and would give
/// it anew to whoever comes first.
fn touch_memory(memory: &Sandbox, bytes: u64) -> anyhow::Result<()> {
    let mut file = tempfile::tempfile_in(memory.path())?;
    io::copy(&mut io::repeat(1).take(bytes), &mut file)?;
    Ok(())
}

fn archive_by(fleet: &mut Fleet, command: &str) -> anyhow::Result<()> {
    let server = &mut fleet.shards[0].nodes[0].server;
    server.set("archive_command", command)?;
    server.reload();
    let shown = || server.sql("SHOW archive_command").is_ok_and(|shown| shown == command).then_some(());
    flotilla_tests::until("the server knows what it archives by", shown);
    Ok(())
}

/// Runs it when nothing is left to be written from before.
fn settled<T>(run: impl FnOnce() -> T) -> T {
    rustix::fs::sync();
    run()
}

/// Copies whole segments of the server into a folder that looks like a cluster's.
fn segments(fleet: &Fleet, disk: &Sandbox) -> anyhow::Result<(PathBuf, Vec<String>)> {
    let data = fleet.primary(0).data();
    let cluster = disk.path().join("cluster");
    let account = Account::server()?;
    for folder in ["global", "pg_wal", "pg_wal/archive_status"] {
        account.private_folder(&cluster.join(folder))?;
    }
    account.own(&cluster)?;
    let put = |from: &Path, to: &Path| -> anyhow::Result<()> {
        fs::copy(from, to)?;
        Ok(account.own(to)?)
    };
    put(&data.join("global/pg_control"), &cluster.join("global/pg_control"))?;
    put(&data.join("PG_VERSION"), &cluster.join("PG_VERSION"))?;
    let now = fleet.sql(0, "SELECT pg_walfile_name(pg_current_wal_lsn())");
    let names =
        fs::read_dir(data.join("pg_wal"))?.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
    let mut names: Vec<String> = names.collect::<anyhow::Result<_>>()?;
    names.retain(|name| name.len() == 24 && *name < now);
    names.sort();
    let names = names.split_off(names.len().saturating_sub(SEGMENTS));
    ensure!(!names.is_empty(), "the server has no whole segment: give it more rows");
    for name in &names {
        put(&data.join("pg_wal").join(name), &cluster.join("pg_wal").join(name))?;
    }
    Ok((cluster, names))
}

type Part = fn(&Times) -> &[Spent];

fn figures(what: &str, ours: &Times, theirs: &BTreeMap<&str, Times>) -> Vec<Figure> {
    let parts: [(&str, Part, BTreeMap<&str, f64>); 5] = [
        ("push", |times| &times.push, BTreeMap::from([("pgbackrest", 1.0), ("wal-g", 1.0)])),
        ("fetch", |times| &times.fetch, BTreeMap::from([("pgbackrest", 1.0 / 1.5), ("wal-g", 1.0 / 1.5)])),
        // What of it is the processor's; half of that is the kernel's, for everybody.
        ("fetch to memory", |times| &times.fetch_to_memory, BTreeMap::new()),
        ("wal-push, a segment", |times| &times.wal_push, BTreeMap::from([("wal-g", 0.5)])),
        ("wal-fetch, a segment", |times| &times.wal_fetch, BTreeMap::new()),
    ];
    let mut figures = Vec::new();
    for (part, of, most) in parts {
        let here = time(of(ours));
        for name in others::NAMES {
            let figure = Figure::new(format!("{part}: {what}"), ms(here));
            let Some(times) = theirs.get(name) else {
                figures.push(figure.target(format!("{name} is not installed"), false));
                continue;
            };
            let there = time(of(times));
            let figure = figure.beside(format!("{name} {}", ms(there)), ratio(here, there));
            figures.push(match most.get(name) {
                Some(most) => figure.ratio_at_most((most * 100.0).round() / 100.0),
                None => figure,
            });
        }
        let held = peak(of(ours));
        for (name, times) in theirs {
            let there = peak(of(times));
            let figure = Figure::new(format!("{part}: memory"), mib(held)).target("≤ 256 MiB", held <= MOST);
            figures.push(figure.beside(format!("{name} {}", mib(there)), ratio_of_memory(held, there)));
        }
    }
    figures
}

fn time(spent: &[Spent]) -> Duration {
    median(spent.iter().map(|spent| spent.wall).collect())
}

fn peak(spent: &[Spent]) -> u64 {
    spent.iter().map(|spent| spent.peak).max().unwrap_or_default()
}

/// The program of this name on the PATH.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = flotilla::env::var("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Runs what must succeed before anything is measured.
fn done(run: flotilla_tests::Run) -> anyhow::Result<()> {
    spent(run).map(drop).context("preparing")
}

//! A base backup made by WAL-G on the server's own machine.

use std::path::PathBuf;
use std::time::Duration;

use flotilla::config::Shard;
use flotilla::error::{Code, Error, Result};
use flotilla::{Context, failpoint, reach};
use flotilla_archive::catalog::{Backup, Coming};
use flotilla_archive::names::{self, BackupName};
use flotilla_archive::wal::{Lsn, Segment};
use flotilla_archive::{Archive, Catalog};

use super::WalG;
use super::adopt::{Adopted, adopt};
use super::run::Ran;
use crate::push::{From, Source, wal};

/// What is to be backed up.
pub(crate) struct Wanted<'a> {
    pub(crate) shard: &'a Shard,
    pub(crate) data: PathBuf,
    pub(crate) parent: Option<&'a BackupName>,
    pub(crate) max_deltas: u32,
    pub(crate) permanent: bool,
    pub(crate) user_data: Option<String>,
    pub(crate) wal_timeout: Duration,
}

/// A backup that was made.
pub(crate) struct Pushed {
    pub(crate) name: BackupName,
    pub(crate) start: Lsn,
    pub(crate) finish: Lsn,
    pub(crate) is_delta: bool,
    pub(crate) members: u64,
    pub(crate) incremented: u64,
    pub(crate) parts: u64,
    pub(crate) content_bytes: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) wal_wait: Duration,
    pub(crate) warning: Option<String>,
}

/// The same data folder, where WAL-G can log in to its server by itself; else why not.
pub(crate) fn reached(
    cx: &Context,
    shard: &Shard,
    source: &Source,
    at_hand: &Result<PathBuf, String>,
) -> Result<Result<PathBuf, String>> {
    let config = cx.config()?;
    let node = From::node(shard, &source.node)?;
    let endpoint = reach::node(config, node, &config.users.backup)?;
    if endpoint.hosts().iter().any(|host| host.hostaddr.is_some()) {
        let what = format!("the topology gives node \"{}\" an address, and WAL-G resolves names by itself", node.name);
        return Ok(Err(what));
    }
    Ok(at_hand.clone())
}

/// Makes a backup. It counts when its end is in the archive and every object of it was read back; until
/// then a note says that it is unproven, and when that fails, its sentinel is taken away again.
///
/// Failpoints: `walg.noted`, `walg.pushed`, `walg.wal`, `walg.part`, `walg.read`, `walg.sums`, `walg.proven`.
pub(crate) async fn push(
    cx: &Context,
    archive: &Archive,
    source: &Source,
    walg: &WalG,
    wanted: &Wanted<'_>,
) -> Result<Pushed> {
    let before = Catalog::load(archive).await?;
    Coming::note(archive, &before, &cx.run_id().to_string()).await?;
    failpoint::hit("walg.noted");
    let Ran { complaint, strayed } = walg.run(arguments(wanted), variables(cx, walg, wanted, source)?).await?;
    failpoint::hit("walg.pushed");
    let catalog = Catalog::load(archive).await?;
    let made: Vec<&Backup> = catalog
        .backups
        .iter()
        .filter(|backup| {
            before.backup(&backup.name).is_none() && backup.sentinel.system_identifier == Some(source.system)
        })
        .collect();
    let [backup] = made.as_slice() else {
        let what = format!("wal-g ended, and {} new backups are in the archive", made.len());
        Coming::settle(archive).await?;
        return Err(complaint
            .unwrap_or_else(|| Error::new(Code::Mismatch, what).hint("Look at the server's log, then run it again.")));
    };
    let proven = if strayed {
        Err(Error::new(Code::WrongSystem, "wal-g asked another server than the one that is backed up"))
    } else {
        prove(archive, source, backup, wanted.wal_timeout).await
    };
    match proven {
        Ok((adopted, wal_wait)) => {
            // With its sums it is proven, whatever the note says.
            if let Err(error) = Coming::settle(archive).await {
                tracing::warn!("the note of a backup that was coming stays until the next push: {error}");
            }
            failpoint::hit("walg.proven");
            let complaint = complaint.as_ref().map(Error::message);
            Ok(Pushed {
                name: backup.name.clone(),
                start: backup.sentinel.start_lsn,
                finish: backup.sentinel.finish_lsn,
                is_delta: backup.is_delta(),
                members: adopted.members,
                incremented: adopted.incremented,
                parts: adopted.parts,
                content_bytes: adopted.content_bytes,
                stored_bytes: adopted.stored_bytes,
                wal_wait,
                warning: complaint.map(|said| format!("the backup is sound, and wal-g complained: {said}")),
            })
        }
        Err(error) => {
            let sentinel = names::sentinel(&backup.name);
            archive.store().delete([sentinel.as_str()]).await?;
            Coming::settle(archive).await?;
            Err(error.within(format!("{} is not sound, and is no longer listed", backup.name)))
        }
    }
}

/// Proves a backup: its WAL is in the archive, and all of it can be read. Then it gets its sums.
pub(super) async fn prove(
    archive: &Archive,
    source: &Source,
    backup: &Backup,
    wal_timeout: Duration,
) -> Result<(Adopted, Duration)> {
    let began = tokio::time::Instant::now();
    source.switch_wal().await?;
    let size = source.segment_size;
    let first = Segment::containing(backup.timeline(), backup.sentinel.start_lsn, size);
    let last = Segment::ending_at(backup.timeline(), backup.sentinel.finish_lsn, size);
    wal::arrived(archive, source, first, last, wal_timeout).await?;
    let arrival = began.elapsed();
    failpoint::hit("walg.wal");
    let adopted = adopt(archive, backup, size, source.system).await?;
    failpoint::hit("walg.sums");
    Ok((adopted, arrival))
}

fn arguments(wanted: &Wanted<'_>) -> Vec<String> {
    let mut args = vec!["backup-push".to_owned(), wanted.data.display().to_string()];
    match wanted.parent {
        Some(parent) => args.extend(["--delta-from-name".to_owned(), parent.to_string()]),
        None => args.push("--full".to_owned()),
    }
    if wanted.permanent {
        args.push("--permanent".to_owned());
    }
    args
}

/// How it logs in, and what else the backup is to be. It can't read what isn't there, which libpq can.
fn variables(
    cx: &Context,
    walg: &WalG,
    wanted: &Wanted<'_>,
    source: &Source,
) -> Result<Vec<(&'static str, std::ffi::OsString)>> {
    let config = cx.config()?;
    let node = wanted.shard.nodes.iter().find(|node| node.name == source.node);
    let node = node.ok_or_else(|| Error::internal("a source that is no node"))?;
    let endpoint = reach::node(config, node, &config.users.backup)?;
    let host = endpoint.hosts().first().ok_or_else(|| Error::internal("a node without a host"))?;
    let login = endpoint.program_login(host, walg.home.path())?;
    let nothing = walg.home.path().join("none").display().to_string();
    let mut all: Vec<(&'static str, std::ffi::OsString)> =
        login.variables().filter(|(_, value)| *value != nothing).map(|(name, value)| (name, value.into())).collect();
    all.push(("WALG_DELTA_MAX_STEPS", wanted.parent.map_or(0, |_| wanted.max_deltas).to_string().into()));
    if let Some(note) = &wanted.user_data {
        all.push(("WALG_SENTINEL_USER_DATA", note.into()));
    }
    Ok(all)
}

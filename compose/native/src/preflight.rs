//! What must hold before anything is started: each failure names the way out.

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flotilla::{Error, Result};

use crate::parts::{Member, Need};
use crate::plan::Plan;
use crate::{ports, postgres};

/// What a new stack needs: six data folders with WAL, the stores, logs.
const DISK_BYTES: u64 = 4 << 30;
/// 2026-01-01: no clock can be right that says less.
const EARLIEST: Duration = Duration::from_hours(24 * 20_454);
/// 2093-01-01: row ids carry 41 bits of milliseconds since 2024.
const LATEST: Duration = Duration::from_hours(24 * 44_926);

/// Every program is there.
pub(crate) fn programs(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.program.exists()).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let packages: BTreeSet<&str> = missing.iter().map(|need| need.package).collect();
    let packages = packages.into_iter().collect::<Vec<_>>().join(", ");
    Err(Error::config(format!("{} is not installed", first.program.display()))
        .hint(format!("Run compose/install, which installs what is missing: {packages}.")))
}

/// The members' ports are free.
pub(crate) fn ports<'a>(members: impl IntoIterator<Item = &'a Member>) -> Result<()> {
    for member in members {
        for (_, port) in &member.ports {
            let address = SocketAddr::from((member.address, *port));
            let Err(error) = TcpListener::bind(address) else { continue };
            return Err(match error.kind() {
                io::ErrorKind::AddrInUse => {
                    let holder = ports::holder(address).map_or_else(String::new, |who| format!(" by {who}"));
                    Error::config(format!("{address}, the port of \"{}\", is taken{holder}", member.name))
                        .hint("Stop what holds it, or choose other ports with --base-port and another --name.")
                }
                _ => Error::config(format!("{address}, the address of \"{}\", can't be listened on", member.name))
                    .hint("The stack needs the loopback network 127.0.0.0/8, as every Linux has it.")
                    .source(error),
            });
        }
    }
    Ok(())
}

/// There is room for a new stack.
pub(crate) fn disk(state: &Path) -> Result<()> {
    // The folder may not be there yet; its file system is that of the nearest one that is.
    let there = state.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let stat = rustix::fs::statvfs(there)
        .map_err(|source| Error::config(format!("could not look at {}", there.display())).source(source))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free >= DISK_BYTES {
        return Ok(());
    }
    let (free, needed) = (free >> 20, DISK_BYTES >> 20);
    Err(Error::config(format!("{} has {free} MiB free, and a new stack needs {needed} MiB", there.display()))
        .hint("Free some space, or set FLOTILLA_STATE to a folder on a larger disk."))
}

/// The clock can be right: after this was written, within the row ids' range, and inside the
/// validity of the stack's certificates.
pub(crate) fn clock(plan: &Plan) -> Result<()> {
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let hint = "Set the clock, for example with `timedatectl set-ntp true`.";
    if !(EARLIEST..LATEST).contains(&since) {
        return Err(
            Error::config(format!("the clock stands at {} s since 1970, which can't be", since.as_secs())).hint(hint)
        );
    }
    let made = std::fs::metadata(plan.authority()).and_then(|certificate| certificate.modified());
    match made.ok().and_then(|made| made.duration_since(now).ok()) {
        Some(ahead) if ahead > Duration::from_mins(1) => Err(Error::config(format!(
            "the clock is at least {} s slow: {} was made later than it says",
            ahead.as_secs(),
            plan.authority().display()
        ))
        .hint(hint)),
        _ => Ok(()),
    }
}

/// Unix sockets' paths fit into what the kernel takes.
pub(crate) fn paths(plan: &Plan) -> Result<()> {
    let nodes = plan.shards().into_iter().flat_map(|shard| shard.nodes);
    let nodes = nodes.chain(plan.standby_clusters().into_iter().flat_map(|cluster| cluster.nodes));
    let node = nodes.map(|node| node.name).max_by_key(String::len).unwrap_or_default();
    let longest = plan.run_folder().join(node).join(".s.PGSQL.65535.lock");
    if longest.as_os_str().len() <= postgres::SOCKET_PATH_LIMIT {
        return Ok(());
    }
    Err(Error::config(format!("the path {} is too long for Unix sockets", plan.state.display()))
        .hint("Set FLOTILLA_STATE to a shorter one."))
}

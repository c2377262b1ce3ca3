//! Disks of this machine: how full they are.

use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};

use flotilla::Result;
use flotilla::config::HealthSettings;
use rustix::fs::statvfs;

use super::store::gone;
use crate::check::{Check, Limit};

/// How much of the disk below a folder is used; none where there is no such folder here.
pub(super) async fn used(path: &Path, settings: &HealthSettings) -> Result<Option<Check>> {
    let limit = Limit::above(settings.disk_ratio_warn, settings.disk_ratio_fail);
    let path = path.to_owned();
    // A network disk that hangs must not hold up a thread of the runtime.
    let looked = tokio::task::spawn_blocking(move || ratio(path)).await;
    let Some((path, ratio)) = looked.map_err(|e| gone(Path::new("a disk"), e.into()))?? else { return Ok(None) };
    let check = Check::number("disk_ratio", Some(ratio), "ratio", limit).of(path.display().to_string());
    Ok(Some(check.hint("Free space or grow the disk: a full one stops every write.")))
}

/// What `df` shows: the part that is used of what users may use.
fn ratio(path: PathBuf) -> Result<Option<(PathBuf, f64)>> {
    let disk = match statvfs(&path) {
        Ok(disk) => disk,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::ACCESS) => return Ok(None),
        Err(error) => return Err(gone(&path, error.into())),
    };
    let used = disk.f_blocks.saturating_sub(disk.f_bfree);
    let usable = used + disk.f_bavail;
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    Ok((usable > 0).then(|| (path, (used as f64 / usable as f64 * 1e4).round() / 1e4)))
}

/// Whether a server's files are this machine's: it is reached by a socket, or by an address that is ours.
pub(crate) fn is_here(host: &str, hostaddr: Option<IpAddr>) -> bool {
    if host.starts_with('/') && hostaddr.is_none() {
        return true;
    }
    let address = hostaddr.or_else(|| host.parse::<IpAddr>().ok());
    // Only the machine's own addresses can be bound.
    address.is_some_and(|address| UdpSocket::bind((address, 0)).is_ok())
}

/// The same of a server that may be known by its name alone.
pub(crate) async fn is_ours(host: &str, hostaddr: Option<IpAddr>) -> bool {
    if hostaddr.is_some() || host.starts_with('/') {
        return is_here(host, hostaddr);
    }
    let found = tokio::net::lookup_host((host, 0)).await;
    found.is_ok_and(|mut all| all.any(|address| is_here(host, Some(address.ip()))))
}

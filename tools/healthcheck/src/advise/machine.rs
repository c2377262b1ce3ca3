//! The machine that a node runs on, as far as somebody says: never guessed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use flotilla::config::{Config, Disk, Node};
use flotilla::{Context, Result};
use serde::Deserialize;

use super::advice::Found;
use super::sight::Seat;
use crate::component::is_here;

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    /// What of its memory is this node's, in bytes.
    pub(super) memory: Option<f64>,
    /// How that is known.
    pub(super) terms: String,
    /// How many huge pages it has set aside.
    pub(super) huge_pages: Option<f64>,
    /// What the data lies on.
    pub(super) disk: Option<Disk>,
    /// What is free there, in bytes.
    pub(super) free: Option<f64>,
}

const MEMORY_HINT: &str = "Give the node memory_bytes in the topology, or run advise on its machine.";

impl Machine {
    /// By the topology, then by this machine where the node is here, then by what the server lets be read.
    pub(super) async fn of(
        cx: &Context,
        config: &Config,
        seat: &Seat,
        folder: Option<&str>,
        found: &mut Found,
    ) -> Result<Self> {
        let node = &seat.node;
        let here = is_here(&node.host, node.hostaddr);
        let mut machine = Self { disk: node.disk, ..Self::default() };
        let meminfo = if here { fs::read_to_string("/proc/meminfo").ok() } else { by_server(cx, seat).await? };
        machine.huge_pages = meminfo.as_deref().and_then(|text| field(text, "HugePages_Total:"));
        if let Some(bytes) = node.memory_bytes {
            #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 bytes")]
            let memory = bytes as f64;
            machine.memory = Some(memory);
            machine.terms = format!("memory_bytes = {memory:.0}");
        } else if let Some(all) = meminfo.as_deref().and_then(|text| field(text, "MemTotal:")).map(|kib| kib * 1024.0) {
            let count = neighbours(config, node, here);
            machine.memory = Some(all / count);
            machine.terms = format!("MemTotal {all:.0} bytes / {count} nodes on the machine");
        } else {
            found.unseen(
                "setting",
                Some(&node.name),
                "how much memory its machine has is not known",
                Some(MEMORY_HINT),
            );
        }
        if let Some(folder) = folder.filter(|_| here) {
            machine.disk = machine.disk.or_else(|| disk(Path::new(folder)));
            #[expect(clippy::cast_precision_loss, reason = "a disk is far below 2^53 bytes")]
            let free = rustix::fs::statvfs(folder).ok().map(|disk| (disk.f_bavail * disk.f_frsize) as f64);
            machine.free = free;
        }
        if machine.disk.is_none() {
            let hint =
                "Give the node disk = \"solid-state\" or \"rotating\" in the topology, or run advise on its machine.";
            found.unseen("setting", Some(&node.name), "what kind of disk its data lies on is not known", Some(hint));
        }
        Ok(machine)
    }
}

/// The nodes of the topology that share a machine's memory.
fn neighbours(config: &Config, node: &Node, here: bool) -> f64 {
    let nodes = config.shards.iter().flat_map(|shard| &shard.nodes);
    let address = |node: &Node| node.hostaddr.map_or_else(|| node.host.clone(), |address| address.to_string());
    let count = nodes
        .filter(|other| if here { is_here(&other.host, other.hostaddr) } else { address(other) == address(node) })
        .count();
    #[expect(clippy::cast_precision_loss, reason = "a handful of nodes")]
    let count = count.max(1) as f64;
    count
}

/// The server may be asked for files by who was given `pg_read_server_files` on purpose.
async fn by_server(cx: &Context, seat: &Seat) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Read {
        text: Option<String>,
    }
    #[derive(Deserialize)]
    struct May {
        may: bool,
    }
    let may = "SELECT pg_has_role('pg_read_server_files', 'usage') AND has_function_privilege('pg_read_file(text)', 'execute') AS may";
    if !seat.rows::<May>(cx, may).await?.iter().any(|row| row.may) {
        return Ok(None);
    }
    // Another kernel has no such file.
    let read = seat.rows::<Read>(cx, "SELECT pg_read_file('/proc/meminfo', 0, 100000, true) AS text").await;
    Ok(read.ok().and_then(|rows| rows.into_iter().next()).and_then(|row| row.text))
}

/// A number of `/proc/meminfo`.
fn field(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// What a folder lies on: the kernel says so of a disk and not of its parts.
fn disk(folder: &Path) -> Option<Disk> {
    let device = fs::metadata(folder).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let place = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let text = [place.join("queue/rotational"), place.parent()?.join("queue/rotational")];
    match text.iter().find_map(|path| fs::read_to_string(path).ok())?.trim() {
        "0" => Some(Disk::SolidState),
        "1" => Some(Disk::Rotating),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:       24683764 kB\nMemFree:  1 kB\nHugePages_Total:       7\n";
        assert_eq!((field(text, "MemTotal:"), field(text, "HugePages_Total:")), (Some(24_683_764.0), Some(7.0)));
        assert_eq!(field(text, "Swap:"), None);
    }
}

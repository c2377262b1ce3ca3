//! What is paused for a shard: its databases on every pooler.

use flotilla::config::{Config, Shard};

/// The databases of a shard on every pooler: `pool-a/s0`. Readers are held back too: a replica that is to lead drops
/// its sessions.
pub(super) fn databases(config: &Config, shard: &Shard) -> Vec<String> {
    let write = shard.write_port.map(|_| shard.name.clone());
    let read = shard.read_port.map(|_| format!("{}_ro", shard.name));
    let names: Vec<String> = write.into_iter().chain(read).collect();
    let of = |pooler: &str| names.iter().map(|name| format!("{pooler}/{name}")).collect::<Vec<_>>();
    config.poolers.iter().flat_map(|pooler| of(&pooler.name)).collect()
}

//! The data folders that a fleet's shards begin with: a database and what `shardctl init` makes in it, made once for
//! all fleets of a kind.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::SystemTime;

use flotilla_native::places;
use flotilla_native::postgres::{Server, Template};

use super::{Builder, secrets};
use crate::sandbox::Sandbox;
use crate::tool;
use crate::topology::{NodeEntry, ShardEntry, Topology};

/// What the shards of such a fleet begin with.
pub(super) fn of_shards(builder: &Builder) -> Vec<Template> {
    let cache = places::cache().expect("the cache folder");
    let empty = |number| {
        let bare = Template::cached(&cache, number)?;
        let made = Template::changed(&[bare], "app", "1", |servers| servers[0].sql("CREATE DATABASE app").map(drop));
        made.map(|mut one| one.remove(0))
    };
    let made = (0..builder.shards).map(empty).collect::<flotilla::Result<Vec<_>>>().and_then(|empty| {
        if !builder.init || empty.is_empty() {
            return Ok(empty);
        }
        let name = hash(&(&builder.name, builder.shards, &builder.key_type, builder.buckets, tool::folder()));
        Template::changed(&empty, &name, &stamp(), |servers| {
            init(builder, servers);
            Ok(())
        })
    });
    made.unwrap_or_else(|e| panic!("{}", e.text("template")))
}

/// Changes with the tool that sets a shard up, and with the roles' verifiers.
fn stamp() -> String {
    let binary = tool::binary("shardctl").metadata().expect("the tool's binary");
    let built =
        binary.modified().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).map_err(std::io::Error::other));
    hash(&(built.expect("a time"), binary.len(), secrets::verifiers()))
}

pub(super) fn hash(value: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Sets the shards up.
fn init(builder: &Builder, servers: &[Server]) {
    let mut sandbox = Sandbox::new();
    secrets::give(&mut sandbox);
    let shards = servers.iter().enumerate().map(|(number, server)| {
        let host = server.socket_folder().display().to_string();
        let node = NodeEntry { name: format!("s{number}-a"), host, port: server.port() };
        ShardEntry { name: format!("s{number}"), initial_buckets: None, nodes: vec![node] }
    });
    // By the socket, whatever the fleet's servers will listen on.
    let topology = Topology { connect: Vec::new(), ..builder.topology(shards.collect()) };
    sandbox.topology(topology.to_string());
    sandbox.shardctl(["init", "--all"]).run().ok();
}

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

/// What a shard of such a fleet begins with.
pub(super) fn of_shard(builder: &Builder, number: u8) -> Template {
    let cache = places::cache().expect("the cache folder");
    let made = Template::cached(&cache, number).and_then(|bare| {
        let empty = bare.changed("app", "1", |server| server.sql("CREATE DATABASE app").map(drop))?;
        if !builder.init {
            return Ok(empty);
        }
        let name = hash(&(&builder.name, builder.shards, &builder.key_type, builder.buckets, tool::folder()));
        empty.changed(&name, &stamp(), |server| {
            init(builder, number, server);
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

/// Sets one shard up. The others need not be there.
fn init(builder: &Builder, number: u8, server: &Server) {
    let mut sandbox = Sandbox::new();
    secrets::give(&mut sandbox);
    let nowhere = sandbox.path().join("nowhere").display().to_string();
    let shards = (0..builder.shards).map(|shard| {
        let here = shard == number;
        let host = if here { server.socket_folder().display().to_string() } else { nowhere.clone() };
        let node = NodeEntry { name: format!("s{shard}-a"), host, port: server.port() };
        ShardEntry { name: format!("s{shard}"), initial_buckets: None, nodes: vec![node] }
    });
    // By the socket, whatever the fleet's servers will listen on.
    let topology = Topology { connect: Vec::new(), ..builder.topology(shards.collect()) };
    sandbox.topology(topology.to_string());
    sandbox.shardctl(["init", "-t", &format!("s{number}")]).run().ok();
}

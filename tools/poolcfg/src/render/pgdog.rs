//! PgDog's files: the same rows on the same shards as by every other way.
//!
//! PgDog hashes as PostgreSQL's partitions do, and so do buckets; but it takes the hash modulo the number
//! of shards, and owners of buckets are whoever `flotilla.ownership` says. Where both agree it hashes by
//! itself; else it asks a shard for the bucket, and the owners stand in that query.

use std::fmt::Write as _;

use flotilla::config::Config;
use flotilla::ownership::OwnershipMap;
use flotilla::placement::{Bucket, BucketSet, KeyType};
use flotilla::{Error, Result};
use serde::Serialize;

use super::{Certificates, template, text};

/// The two files.
pub(crate) struct Files {
    /// `pgdog.toml`.
    pub(crate) settings: String,
    /// `users.toml`.
    pub(crate) users: String,
}

#[derive(Serialize)]
struct Values<'a> {
    config: &'a str,
    name: &'a str,
    dbname: &'a str,
    port: u16,
    tls: &'a str,
    authority: &'a str,
    pool_size: u32,
    server_lifetime_ms: u64,
    pool_mode: &'a str,
    epoch: Option<String>,
    servers: Vec<Server<'a>>,
    columns: Vec<&'a str>,
    data_type: &'static str,
    lookup: Option<String>,
    users: Vec<User<'a>>,
}

#[derive(Serialize)]
struct Server<'a> {
    shard: usize,
    name: &'a str,
    host: String,
    port: u16,
}

#[derive(Serialize)]
struct User<'a> {
    name: &'a str,
    read_only: bool,
}

/// The files for the owners in a map; without one, for the topology's first division.
pub(crate) fn pgdog(config: &Config, map: Option<&OwnershipMap>) -> Result<Files> {
    let at = config.path.display();
    if config.pgdog.columns.is_empty() {
        return Err(Error::config(format!("{at}: pgdog.columns is not set"))
            .hint("PgDog finds the shard key by its column; name it, as columns = [\"user_id\"]."));
    }
    let data_type = match config.cluster.key_type {
        KeyType::Bigint | KeyType::Int => "bigint",
        KeyType::Uuid => "uuid",
        KeyType::Text => "varchar",
    };
    let owned = owned(config, map)?;
    let certificates = Certificates::of(config)?;
    let mut servers = Vec::new();
    for (shard, entry) in config.shards.iter().enumerate() {
        for node in &entry.nodes {
            let host = node.hostaddr.map_or_else(|| node.host.clone(), |address| address.to_string());
            servers.push(Server { shard, name: &node.name, host, port: node.port });
        }
    }
    let values = Values {
        config: text(&config.path)?,
        name: &config.cluster.name,
        dbname: &config.cluster.dbname,
        port: config.pgdog.port,
        tls: text(certificates.folder)?,
        authority: text(certificates.authority)?,
        pool_size: config.pgbouncer.default_pool_size,
        server_lifetime_ms: u64::from(config.pgbouncer.server_lifetime) * 1000,
        pool_mode: &config.pgbouncer.pool_mode,
        epoch: map.map(|map| map.epoch().to_string()),
        servers,
        columns: config.pgdog.columns.iter().map(String::as_str).collect(),
        data_type,
        lookup: lookup(&owned, config.cluster.key_type),
        users: vec![
            User { name: &config.users.app, read_only: false },
            User { name: &config.users.app_ro, read_only: true },
        ],
    };
    Ok(Files {
        settings: template::fill(include_str!("pgdog.toml.j2"), &values)?,
        users: template::fill(include_str!("pgdog_users.toml.j2"), &values)?,
    })
}

/// The buckets of each shard, in the topology's order.
fn owned(config: &Config, map: Option<&OwnershipMap>) -> Result<Vec<BucketSet>> {
    let Some(map) = map else { return config.shards.iter().map(|shard| config.division(shard)).collect() };
    let at = config.path.display();
    if map.cluster() != config.cluster.name || map.buckets() != config.cluster.buckets {
        return Err(Error::config(format!("{at}: the map is of cluster \"{}\"", map.cluster()))
            .hint("Export this cluster's with `shardctl map --export`."));
    }
    let place = |name: &String| {
        map.shards().iter().position(|shard| shard == name).ok_or_else(|| {
            Error::config(format!("{at}: the map doesn't know shard \"{name}\""))
                .hint("Export it again with `shardctl map --export`.")
        })
    };
    config.shards.iter().map(|shard| Ok(map.owned_by(place(&shard.name)?))).collect()
}

/// The query that gives a key's shard by its number; none where PgDog's own hash gives the same.
fn lookup(owned: &[BucketSet], key_type: KeyType) -> Option<String> {
    let count = u32::try_from(owned.len()).unwrap_or(u32::MAX);
    let is_theirs = |(shard, set): (u32, &BucketSet)| set.iter().all(|bucket: Bucket| bucket.get() % count == shard);
    if (0..count).zip(owned).all(is_theirs) {
        return None;
    }
    let cast = match key_type {
        KeyType::Bigint | KeyType::Int => "bigint",
        KeyType::Uuid => "uuid",
        KeyType::Text => "text",
    };
    let mut query = String::from("SELECT CASE");
    for (shard, set) in owned.iter().enumerate().filter(|(_, set)| !set.is_empty()) {
        let ranges = set.ranges().iter().map(|range| {
            let (first, last) = (range.first().get(), range.last().get());
            if first == last { format!("b = {first}") } else { format!("b BETWEEN {first} AND {last}") }
        });
        let _ = write!(query, " WHEN {} THEN {shard}", ranges.collect::<Vec<_>>().join(" OR "));
    }
    let _ = write!(query, " END FROM (SELECT flotilla.bucket($1::{cast}) AS b) AS k");
    Some(query)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(shards: &str) -> Config {
        let text = format!(
            "[cluster]\nname = \"c\"\ndbname = \"app\"\nbuckets = 8\n[connect]\nsslrootcert = \"tls/ca.crt\"\n\
             [pgdog]\ncolumns = [\"user_id\"]\n{shards}"
        );
        Config::parse(&text, Path::new("flotilla.toml")).expect("a topology")
    }

    fn shard(name: &str, buckets: &str) -> String {
        format!(
            "[[shards]]\nname = \"{name}\"\ninitial_buckets = [{buckets}]\n[[shards.nodes]]\nname = \"{name}-a\"\nhost = \"{name}.test\"\n"
        )
    }

    #[test]
    fn ranges_of_buckets_become_a_query() {
        let config = config(&[shard("s0", "\"0-3\""), shard("s1", "\"4-7\"")].concat());
        let files = pgdog(&config, None).expect("files");
        let query = "SELECT CASE WHEN b BETWEEN 0 AND 3 THEN 0 WHEN b BETWEEN 4 AND 7 THEN 1 END \
                     FROM (SELECT flotilla.bucket($1::bigint) AS b) AS k";
        assert!(files.settings.contains(query), "{}", files.settings);
        assert!(!files.users.contains("password ="), "{}", files.users);
        toml::from_str::<toml::Table>(&files.settings).expect("TOML");
        toml::from_str::<toml::Table>(&files.users).expect("TOML");
    }

    #[test]
    fn where_the_remainder_is_the_owner_pgdog_hashes_by_itself() {
        let odd = |rest: [u8; 4]| rest.map(|bucket| format!("\"{bucket}\"")).join(",");
        let config = config(&[shard("s0", &odd([0, 2, 4, 6])), shard("s1", &odd([1, 3, 5, 7]))].concat());
        let files = pgdog(&config, None).expect("files");
        assert!(!files.settings.contains("lookup_query"), "{}", files.settings);
    }
}

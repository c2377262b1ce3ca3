//! What a server must be before anything is set up on it.

use flotilla::config::{Config, Shard};
use flotilla::error::{Code, Error, Result};
use flotilla::pg::Session;
use flotilla::placement::KeyType;

use crate::schema;

/// What the server holds already.
const HOLDS: &str = "SELECT name, shard, buckets, key_type, \
    (SELECT max(release) FROM flotilla.version) AS release FROM flotilla.cluster";

/// Refuses a server that can't be this shard.
pub(super) async fn check(session: &Session, config: &Config, shard: &Shard) -> Result<()> {
    if session.major_version() < 15 {
        return Err(Error::new(Code::Unsupported, format!("the server is PostgreSQL {}", session.server_version()))
            .hint("Flotilla needs PostgreSQL 15 or later."));
    }
    let encoding = session.value("SHOW server_encoding").await?.unwrap_or_default();
    if config.cluster.key_type == KeyType::Text && encoding != "UTF8" {
        return Err(Error::new(
            Code::Unsupported,
            format!("the database's encoding is {encoding}, but the keys are text"),
        )
        .hint("Text keys are placed by their UTF-8 bytes; make the database with ENCODING 'UTF8'."));
    }
    if session.value("SELECT to_regclass('flotilla.cluster')").await?.is_none() {
        return Ok(());
    }
    let rows = session.simple(HOLDS).await?;
    let Some(row) = rows.first() else {
        return Err(Error::refused("the server holds a schema flotilla without a cluster's name")
            .hint("Something else made it. Look at it, then rename or drop it."));
    };
    let field = |name: &str| row.get(name).unwrap_or_default();
    let cluster = &config.cluster;
    for (what, held, wanted) in [
        ("cluster", field("name"), cluster.name.as_str()),
        ("shard", field("shard"), shard.name.as_str()),
        ("key type", field("key_type"), cluster.key_type.name()),
    ] {
        if held != wanted {
            return Err(Error::refused(format!(
                "the server belongs to {what} \"{held}\", not \"{wanted}\"; nothing was touched"
            ))
            .hint("Compare the address of this shard in flotilla.toml with the server you mean."));
        }
    }
    let wanted = cluster.buckets.to_string();
    if field("buckets") != wanted {
        return Err(Error::refused(format!(
            "the shard was set up with {} buckets, not {wanted}; nothing was touched",
            field("buckets")
        ))
        .hint("The count is fixed for a cluster's life, since every row is placed by it: correct flotilla.toml."));
    }
    if field("release").parse().is_ok_and(|release: i32| release > schema::RELEASE) {
        return Err(Error::refused(format!(
            "the shard's schema is of release {}, but this shardctl knows {} only; nothing was touched",
            field("release"),
            schema::RELEASE
        ))
        .hint("Use the newer shardctl."));
    }
    Ok(())
}

/// A setting that only a restart can change: what it must be, and why.
struct Setting {
    name: &'static str,
    good: fn(&str) -> bool,
    why: &'static str,
}

const SETTINGS: [Setting; 5] = [
    Setting { name: "wal_level", good: |v| v == "logical", why: "moves and change streams need logical" },
    Setting { name: "max_prepared_transactions", good: |v| v != "0", why: "atomic changes of all shards need some" },
    Setting {
        name: "track_commit_timestamp",
        good: |v| v == "on",
        why: "restoring all shards to one moment needs it on",
    },
    Setting {
        name: "shared_preload_libraries",
        good: |v| v.contains("pg_stat_statements"),
        why: "add pg_stat_statements",
    },
    Setting {
        name: "shared_preload_libraries",
        good: |v| v.contains("pgaudit"),
        why: "add pgaudit for the audit trail",
    },
];

/// Settings that should be right from the first start, and aren't.
pub(super) async fn settings(session: &Session) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for Setting { name, good, why } in SETTINGS {
        // The view leaves out what this user may not see, where SHOW would fail.
        match session.value(&format!("SELECT setting FROM pg_settings WHERE name = '{name}'")).await? {
            Some(value) if good(&value) => {}
            Some(value) => missing.push(format!("{name} is \"{value}\": {why}")),
            None => missing.push(format!("{name} can't be seen by this user: {why}")),
        }
    }
    let rewindable = "SELECT current_setting('wal_log_hints') = 'on' OR current_setting('data_checksums') = 'on'";
    if session.value(rewindable).await?.as_deref() != Some("t") {
        missing.push("wal_log_hints and data_checksums are off: a failed primary can't be rewound".to_owned());
    }
    Ok(missing)
}

//! What could be restored: how old the last backup is, when it was last read, when a restore was last practised.

use std::fs::File;
use std::io::{BufReader, ErrorKind};

use chrono::{DateTime, Utc};
use flotilla::config::{Config, HealthSettings, Shard};
use flotilla::fanout::BoxFuture;
use flotilla::{Error, Result, journal};
use flotilla_archive::Archive;
use flotilla_archive::names::{self, BackupName, Object};
use flotilla_archive::store::{Entry, Listing, Meta, Store};
use flotilla_archive::verify::Remembered;
use flotilla_archive::wal::SegmentSize;
use futures_util::TryStreamExt as _;

use super::client::shard;
use super::{Asking, Component, Found, Instance, Subject};
use crate::check::{Check, Health, Limit};

/// The archives of one shard, in every store.
pub(crate) struct Backup;

impl Component for Backup {
    fn name(&self) -> &'static str {
        "backup"
    }

    fn instance(&self, config: &Config, subject: &Subject) -> Option<String> {
        let shard = shard(subject)?;
        let stores: Vec<String> =
            config.archive.stores.iter().map(|store| format!("{}/{}", store.url, shard.archive_path())).collect();
        (!stores.is_empty()).then(|| stores.join(", "))
    }

    fn pause(&self) -> std::time::Duration {
        std::time::Duration::from_mins(1)
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let Some(shard) = shard(&instance.subject) else { return Err(Error::internal("a shard was expected")) };
            let config = asking.config()?;
            let mut checks = Vec::new();
            for store in &config.archive.stores {
                match newest(config, shard, &store.name).await {
                    Ok(newest) => checks.extend(of_store(&store.name, newest, &config.health)),
                    Err(error) => {
                        checks.push(Check::unknown("backup_seconds", error.message().to_owned()).of(&*store.name));
                    }
                }
            }
            checks.push(drill(&shard.name, &config.health));
            Ok(Found { role: None, checks })
        })
    }
}

/// The newest backup of an archive: when it was finished, and when all of it was last read and found sound.
pub(crate) struct Newest {
    pub(crate) finished: DateTime<Utc>,
    pub(crate) verified: Option<DateTime<Utc>>,
}

/// Looks at names and times alone: what a backup holds is `walg-wrap verify`'s to say.
pub(crate) async fn newest(config: &Config, shard: &Shard, store: &str) -> Result<Option<Newest>> {
    let archive = Archive::open_hasty(config, shard, Some(store)).await?;
    let mut found: Option<(BackupName, Meta)> = None;
    let mut entries = archive.store().list(Listing::of(names::BACKUPS).flat());
    while let Some(entry) = entries.try_next().await.map_err(Error::from)? {
        let Entry::Object(meta) = entry else { continue };
        // A sentinel is written last: what has one is finished.
        let Object::Sentinel(name) = Object::of(&meta.key, SegmentSize::DEFAULT) else { continue };
        if found.as_ref().is_none_or(|(_, newest)| newest.modified < meta.modified) {
            found = Some((name, meta));
        }
    }
    let Some((name, sentinel)) = found else { return Ok(None) };
    let memory = remembered(archive.store());
    let verified = if memory.is_empty() {
        None
    } else {
        let folder = format!("{}{name}/", names::BACKUPS);
        let entries: Vec<Entry> =
            archive.store().list(Listing::of(&folder)).try_collect().await.map_err(Error::from)?;
        let objects = entries.into_iter().filter_map(|entry| match entry {
            Entry::Object(meta) => Some(meta),
            Entry::Folder(_) => None,
        });
        memory.since(&objects.chain([sentinel.clone()]).collect::<Vec<_>>())
    };
    Ok(Some(Newest { finished: sentinel.modified, verified }))
}

/// What `walg-wrap verify` has read on this machine as this user.
fn remembered(store: &Store) -> Remembered {
    let Ok(folder) = journal::state_dir() else { return Remembered::default() };
    let path = folder.join(Remembered::file(&format!("{} {}", store.name(), store.place())));
    match File::open(&path).and_then(|file| Remembered::read(BufReader::new(file))) {
        Ok(remembered) => remembered,
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                tracing::warn!("could not read {}: {error}", path.display());
            }
            Remembered::default()
        }
    }
}

fn of_store(store: &str, newest: Option<Newest>, settings: &HealthSettings) -> Vec<Check> {
    let Some(newest) = newest else {
        return vec![
            Check::holds("backup", false, Health::Fail, format!("store \"{store}\" holds no backup"))
                .of(store)
                .hint("Make one: walg-wrap push; walg-wrap copy brings another store up to date."),
        ];
    };
    let limit = Limit::above(settings.backup_seconds_warn, settings.backup_seconds_fail);
    let age = Check::number("backup_seconds", Some(seconds_since(newest.finished)), "seconds", limit)
        .of(store)
        .hint("Make one: walg-wrap push; walg-wrap copy brings another store up to date.");
    let limit = Limit::above(settings.verified_seconds_warn, None);
    let verified = match newest.verified {
        Some(at) => Check::number("verified_seconds", Some(seconds_since(at)), "seconds", limit).of(store),
        None => {
            Check::holds("verified", false, Health::Warn, "the last backup was never read on this machine").of(store)
        }
    };
    vec![age, verified.hint("Read it: walg-wrap verify.")]
}

/// When a restore of the shard was last practised on this machine. A backup that nobody has restored is a hope.
fn drill(shard: &str, settings: &HealthSettings) -> Check {
    let limit = Limit::above(settings.drill_seconds_warn, None);
    let check = match journal::recent() {
        Ok(lines) => match last_good(&lines, "pitr", "drill", shard) {
            Some(at) => Check::number("drill_seconds", Some(seconds_since(at)), "seconds", limit),
            None => Check::holds("drill", false, Health::Warn, "no restore was practised on this machine"),
        },
        Err(error) => Check::unknown("drill_seconds", error.message().to_owned()),
    };
    check.hint("Practise one: pitr drill.")
}

/// When a run about a target last ended well, by lines of a journal, the newest first.
pub(crate) fn last_good(lines: &[serde_json::Value], tool: &str, verb: &str, target: &str) -> Option<DateTime<Utc>> {
    let is_it = |line: &&serde_json::Value| {
        line["tool"] == tool && line["verb"] == verb && line["target"] == target && line["status"] == "ok"
    };
    lines.iter().find(is_it)?["at"].as_str()?.parse().ok()
}

/// How long ago something was, in seconds.
pub(crate) fn seconds_since(at: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds of some years")]
    let seconds = (flotilla::clock::now() - at).num_seconds() as f64;
    seconds.max(0.0)
}

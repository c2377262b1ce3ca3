//! Backups: whether strangers could read them, and whether anybody could restore them.

use flotilla::config::{Config, Encryption, Shard};
use flotilla::{Code, Error, journal};
use flotilla_archive::Archive;
use flotilla_archive::names;
use flotilla_archive::store::{Entry, Listing};
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use super::facts::{Facts, Unseen};
use super::rule::{Judged, MOOT, Rule, Severity, holds, none};
use super::{Auditor, Looking};
use crate::check::shown;
use crate::component::{Asking, Instance, Subject, last_good, newest_backup, seconds_since, shard};

/// The archives of one shard, in every store.
pub(crate) struct Backup;

/// What a store has of a shard; null where nothing.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    store: String,
    /// How long ago the newest backup was finished, in seconds.
    finished: Option<f64>,
    /// How long ago all of it was last read on this machine, in seconds.
    verified: Option<f64>,
    /// How a segment of the WAL begins, in hexadecimal digits.
    begins: Option<String>,
}

/// What the topology says.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    encrypted: bool,
    escrow: Option<String>,
    stores: usize,
    /// Limits of `[health]`, in seconds.
    oldest: f64,
    verified: f64,
    drilled: f64,
}

impl Auditor for Backup {
    fn name(&self) -> &'static str {
        "backup"
    }

    fn instance(&self, config: &Config, subject: &Subject) -> Option<String> {
        let shard = shard(subject)?;
        let stores: Vec<String> =
            config.archive.stores.iter().map(|store| format!("{}/{}", store.url, shard.archive_path())).collect();
        (!stores.is_empty()).then(|| stores.join(", "))
    }

    fn rules(&self) -> Vec<&'static Rule> {
        RULES.iter().collect()
    }

    fn look<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> Looking<'a> {
        Box::pin(async move {
            let Some(shard) = shard(&instance.subject) else { return Err(Error::internal("a shard was expected")) };
            let config = asking.config()?;
            let (archive, health) = (&config.archive, &config.health);
            let mut facts = Facts::default();
            facts.saw(
                "said",
                Said {
                    encrypted: archive.encryption != Encryption::None,
                    escrow: archive.key_escrow.clone(),
                    stores: archive.stores.len(),
                    oldest: health.backup_seconds_fail,
                    verified: health.verified_seconds_warn,
                    drilled: health.drill_seconds_warn,
                },
            );
            let mut kept = Ok(Vec::new());
            for store in &archive.stores {
                let found = of_store(config, shard, &store.name).await;
                kept = kept.and_then(|mut all: Vec<Kept>| {
                    all.push(found?);
                    Ok::<_, Error>(all)
                });
            }
            facts.note("kept", kept);
            let drilled = journal::recent().map(|lines| last_good(&lines, "pitr", "drill", &shard.name));
            facts.note("drilled", drilled.map(|at| at.map(seconds_since)));
            Ok(facts)
        })
    }
}

async fn of_store(config: &Config, shard: &Shard, store: &str) -> Result<Kept, Error> {
    let newest = newest_backup(config, shard, store).await?;
    let archive = Archive::open_hasty(config, shard, Some(store)).await?;
    let objects = archive.store();
    let mut segments = objects.list(Listing::of(names::WAL));
    let mut begins = None;
    while let Some(entry) = segments.try_next().await.map_err(Error::from)? {
        let Entry::Object(meta) = entry else { continue };
        if meta.size < 4 {
            continue;
        }
        let body = objects.get_range(&meta.key, 0..4).await.map_err(Error::from)?;
        let first = body.into_reader().read_u32().await.map_err(|e| {
            Error::new(Code::Io, format!("could not read the beginning of \"{}\" in \"{store}\"", meta.key)).source(e)
        })?;
        begins = Some(format!("{first:08x}"));
        break;
    }
    Ok(Kept {
        store: store.to_owned(),
        finished: newest.as_ref().map(|newest| seconds_since(newest.finished)),
        verified: newest.and_then(|newest| newest.verified).map(seconds_since),
        begins,
    })
}

const RULES: &[Rule] = &[
    Rule {
        name: "backup-plain",
        severity: Severity::Fail,
        proof: true,
        why: "Whoever gets hold of the store, or of a disk that was in it, reads every row.",
        mend: "Set archive.encryption = \"libsodium\" and archive.key_file, then make a full backup and retire the old ones.",
        judge: plain,
    },
    Rule {
        name: "backup-key-escrow",
        severity: Severity::Fail,
        proof: false,
        why: "With the machine its key is gone, and no backup can be read any more.",
        mend: "Keep a copy of the key elsewhere, and say in archive.key_escrow where.",
        judge: key_escrow,
    },
    Rule {
        name: "backup-one-store",
        severity: Severity::Warn,
        proof: false,
        why: "A fire, a provider's mistake or a stolen key takes servers and backups at once.",
        mend: "Add a store elsewhere to [[archive.stores]], and bring it up to date by walg-wrap copy.",
        judge: one_store,
    },
    Rule {
        name: "backup-old",
        severity: Severity::Fail,
        proof: false,
        why: "Without a fresh backup a restore takes longer than anybody waits, or gives nothing.",
        mend: "Make one: walg-wrap push; walg-wrap copy brings another store up to date.",
        judge: old,
    },
    Rule {
        name: "backup-unverified",
        severity: Severity::Warn,
        proof: false,
        why: "A backup that nobody has read since may be damaged, or changed by whoever wants it to be.",
        mend: "Read it: walg-wrap verify, for each store.",
        judge: unverified,
    },
    Rule {
        name: "backup-undrilled",
        severity: Severity::Warn,
        proof: false,
        why: "A backup that nobody has restored is a hope.",
        mend: "Practise a restore: pitr drill.",
        judge: undrilled,
    },
];

/// How LZ4 and Zstandard begin; ciphertext begins with random bytes.
const PLAIN: [(&str, &str); 2] = [("04224d18", "LZ4"), ("28b52ffd", "Zstandard")];

fn plain(facts: &Facts) -> Judged {
    let said: Said = facts.get("said")?;
    if !said.encrypted {
        return holds(false, "archive.encryption is none");
    }
    let kept: Vec<Kept> = facts.get("kept")?;
    let mut found = Vec::new();
    for Kept { store, begins, .. } in &kept {
        let Some(begins) = begins else {
            return Err(Unseen::new(format!("store \"{store}\" holds no WAL yet")).hint("Wait until WAL is archived."));
        };
        let known = PLAIN.iter().find(|(magic, _)| begins == magic);
        found.extend(known.map(|(_, name)| format!("in \"{store}\" WAL begins as {name} does")));
    }
    none(&found, "what is stored is ciphertext", "not encrypted")
}

fn key_escrow(facts: &Facts) -> Judged {
    let Said { encrypted, escrow, .. } = facts.get("said")?;
    match escrow.filter(|escrow| !escrow.trim().is_empty()) {
        _ if !encrypted => holds(true, "there is no key"),
        Some(escrow) => holds(true, format!("a copy of the key is kept: {escrow}")),
        None => holds(false, "nobody says where a copy of the key is kept"),
    }
}

fn one_store(facts: &Facts) -> Judged {
    let Said { stores, .. } = facts.get("said")?;
    holds(stores > 1, if stores > 1 { format!("{stores} stores") } else { "one store".to_owned() })
}

fn old(facts: &Facts) -> Judged {
    let (said, kept): (Said, Vec<Kept>) = (facts.get("said")?, facts.get("kept")?);
    let mut found = Vec::new();
    for Kept { store, finished, .. } in kept {
        match finished {
            None => found.push(format!("\"{store}\" holds none")),
            Some(age) if age > said.oldest => found.push(format!("in \"{store}\" it is {} old", shown(age, "seconds"))),
            Some(_) => {}
        }
    }
    none(&found, "every store has a fresh backup", "the newest backup")
}

fn unverified(facts: &Facts) -> Judged {
    let (said, kept): (Said, Vec<Kept>) = (facts.get("said")?, facts.get("kept")?);
    // That there is none is another rule's.
    if kept.iter().all(|one| one.finished.is_none()) {
        return MOOT;
    }
    let mut found = Vec::new();
    for Kept { store, finished, verified, .. } in kept {
        let Some(_) = finished else { continue };
        match verified {
            None => found.push(format!("in \"{store}\" it was never read on this machine")),
            Some(ago) if ago > said.verified => {
                found.push(format!("in \"{store}\" it was read {} ago", shown(ago, "seconds")));
            }
            Some(_) => {}
        }
    }
    none(&found, "the newest backups have been read", "the newest backup")
}

fn undrilled(facts: &Facts) -> Judged {
    let said: Said = facts.get("said")?;
    match facts.find::<f64>("drilled")? {
        None => holds(false, "no restore was practised on this machine"),
        Some(ago) => holds(ago <= said.drilled, format!("a restore was practised {} ago", shown(ago, "seconds"))),
    }
}

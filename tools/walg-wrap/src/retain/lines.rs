//! A line for everything that stays or goes.

use std::time::Duration;

use flotilla::error::Result;
use flotilla::record::{Line, Record, Status};
use flotilla::target::Target;
use flotilla::{Context, clock};
use flotilla_archive::names::DumpName;
use flotilla_archive::objects::KeyMap;
use flotilla_archive::retention::{Gone, Plan, Step, WalGone};
use schemars::JsonSchema;
use serde::Serialize;

/// Something that stays or goes.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct RetentionLine {
    /// The shard.
    shard: Option<String>,
    /// The store.
    store: Option<String>,
    /// `keep` or `delete`.
    action: Option<&'static str>,
    /// What it is: `full`, `delta`, `dump`, `unfinished`, `unfinished_dump`, `wal`, `sums` or `unknown`.
    kind: Option<&'static str>,
    /// The backup or dump, the first file of the WAL, or the object's key.
    object: Option<String>,
    /// The last file of the WAL, of several.
    last_object: Option<String>,
    /// Why: of what stays `no_rule`, `count`, `window`, `minimum_redundancy`, `newest`, `permanent`, `underway`,
    /// `unproven`, `unreadable`, `broken` or `unknown`; of what goes `policy`, `unfinished`, `unneeded` or `leftover`.
    reason: Option<&'static str>,
    /// When a backup or dump ended, UTC.
    finished_at: Option<String>,
    /// Objects that go.
    objects: Option<u64>,
    /// Their size in bytes.
    bytes: Option<u64>,
}

impl Record for RetentionLine {
    const KIND: &'static str = "walg-wrap.retention";
    const COLUMNS: &'static [&'static str] =
        &["action", "kind", "object", "last_object", "reason", "finished_at", "bytes"];
}

/// Where lines go, and what each says.
pub(super) struct Lines<'a> {
    cx: &'a Context,
    target: String,
    shard: Option<String>,
    store: Option<String>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(cx: &'a Context, target: &Target, shard: &str, store: &str) -> Self {
        Self { cx, target: target.name.clone(), shard: Some(shard.to_owned()), store: Some(store.to_owned()) }
    }

    fn write(&self, status: Status, changed: bool, body: RetentionLine) -> Result<()> {
        let body = RetentionLine { shard: self.shard.clone(), store: self.store.clone(), ..body };
        let line = Line::ok(Some(self.target.clone()), changed, body, Duration::ZERO);
        self.cx.output().line(&line.with_status(status))
    }

    /// What stays.
    pub(super) fn kept(&self, plan: &Plan, status: Status) -> Result<()> {
        for kept in &plan.kept {
            let body = RetentionLine {
                action: Some("keep"),
                kind: Some(if kept.name.parent_digits().is_some() { "delta" } else { "full" }),
                object: Some(kept.name.to_string()),
                reason: Some(kept.reason.name()),
                finished_at: kept.finished.map(clock::rfc3339),
                ..RetentionLine::default()
            };
            self.write(status, false, body)?;
        }
        for kept in &plan.kept_dumps {
            let body = RetentionLine {
                action: Some("keep"),
                kind: Some("dump"),
                object: Some(kept.name.to_string()),
                reason: Some(kept.reason.name()),
                finished_at: kept.finished.map(clock::rfc3339),
                ..RetentionLine::default()
            };
            self.write(status, false, body)?;
        }
        for (key, bytes) in &plan.unknown {
            let body = RetentionLine {
                action: Some("keep"),
                kind: Some("unknown"),
                object: Some(key.clone()),
                reason: Some("unknown"),
                bytes: Some(*bytes),
                ..RetentionLine::default()
            };
            self.write(status, false, body)?;
        }
        Ok(())
    }

    /// What would go.
    pub(super) fn going(&self, plan: &Plan) -> Result<()> {
        for gone in &plan.garbage {
            self.write(Status::Planned, false, unfinished(gone))?;
        }
        for gone in plan.groups.iter().flat_map(|group| &group.backups) {
            self.write(Status::Planned, false, backup(gone))?;
        }
        for gone in &plan.dump_garbage {
            self.write(Status::Planned, false, unfinished_dump(gone))?;
        }
        for gone in &plan.dumps {
            self.write(Status::Planned, false, dump(gone))?;
        }
        for gone in &plan.wal {
            self.write(Status::Planned, false, wal(gone))?;
        }
        if plan.sums.is_empty() { Ok(()) } else { self.write(Status::Planned, false, sums(&plan.sums)) }
    }

    /// What was done.
    pub(super) fn step(&self, step: &Step<'_>) -> Result<()> {
        match step {
            Step::Planned(plan) => self.kept(plan, Status::Ok),
            Step::Backup(gone) => self.write(Status::Ok, true, backup(gone)),
            Step::Garbage(gone) => self.write(Status::Ok, true, unfinished(gone)),
            Step::Dump(gone) => self.write(Status::Ok, true, dump(gone)),
            Step::DumpGarbage(gone) => self.write(Status::Ok, true, unfinished_dump(gone)),
            Step::Wal(gone) => self.write(Status::Ok, true, wal(gone)),
            Step::Sums(gone) => self.write(Status::Ok, true, sums(gone)),
            Step::Spared(group) => group.backups.iter().try_for_each(|gone| {
                let body = RetentionLine { action: Some("keep"), reason: Some("underway"), ..backup(gone) };
                self.write(Status::Ok, false, body)
            }),
        }
    }
}

fn deleted<N: ToString>(gone: &Gone<N>, kind: &'static str, reason: &'static str) -> RetentionLine {
    RetentionLine {
        action: Some("delete"),
        kind: Some(kind),
        object: Some(gone.name.to_string()),
        reason: Some(reason),
        finished_at: gone.finished.map(clock::rfc3339),
        objects: Some(gone.keys.len() as u64),
        bytes: Some(gone.bytes),
        ..RetentionLine::default()
    }
}

fn backup(gone: &Gone) -> RetentionLine {
    deleted(gone, if gone.name.parent_digits().is_some() { "delta" } else { "full" }, "policy")
}

fn unfinished(gone: &Gone) -> RetentionLine {
    deleted(gone, "unfinished", "unfinished")
}

fn dump(gone: &Gone<DumpName>) -> RetentionLine {
    deleted(gone, "dump", "policy")
}

fn unfinished_dump(gone: &Gone<DumpName>) -> RetentionLine {
    deleted(gone, "unfinished_dump", "unfinished")
}

fn wal(gone: &WalGone) -> RetentionLine {
    RetentionLine {
        action: Some("delete"),
        kind: Some("wal"),
        object: Some(gone.first.clone()),
        last_object: Some(gone.last.clone()),
        reason: Some("unneeded"),
        objects: Some(gone.keys.len() as u64),
        bytes: Some(gone.bytes),
        ..RetentionLine::default()
    }
}

fn sums(gone: &KeyMap<u64>) -> RetentionLine {
    let (mut first, mut last, mut bytes) = (None, None, 0);
    for (key, size) in gone.iter() {
        bytes += size;
        first.get_or_insert_with(|| key.clone());
        last = Some(key);
    }
    RetentionLine {
        action: Some("delete"),
        kind: Some("sums"),
        object: first,
        last_object: last,
        reason: Some("leftover"),
        objects: Some(gone.len() as u64),
        bytes: Some(bytes),
        ..RetentionLine::default()
    }
}

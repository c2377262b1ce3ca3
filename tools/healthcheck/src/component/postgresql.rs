//! A PostgreSQL server: its role, a commit, how far behind it is, and what will stop it some day.

mod age;
mod archiver;
mod counters;
mod login;
mod sessions;
mod slots;
mod standby;
mod write;

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use flotilla::config::{Config, HealthSettings, Node, Shard};
use flotilla::fanout::BoxFuture;
use flotilla::pg::Session;
use flotilla::target::Kind;
use flotilla::{Code, Error, Result};
use futures_util::future::join_all;

use super::disk;
use super::rows::{flag, number, text};
use super::{Asking, Component, Found, Instance, Subject};
use crate::board::Board;
use crate::check::{Check, Health, Limit};
use crate::kept::Open;

/// What the table of components calls it.
pub(crate) const NAME: &str = "postgresql";

/// One PostgreSQL server, by SQL.
pub(crate) struct PostgreSql;

/// What a server said of itself, for comparison with what others say.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Whether it takes writes.
    pub(crate) is_primary: bool,
    /// The timeline that it is on.
    pub(crate) timeline: Option<u32>,
    /// How many replicas stream from it.
    pub(crate) streaming: u32,
    /// How many of them a commit may wait for.
    pub(crate) synchronous: u32,
    /// Whether commits are meant to wait for any.
    pub(crate) wants_synchronous: bool,
}

/// What became of asking a server.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// It answered.
    Said(Seen),
    /// It answered, and doesn't let this login in.
    Refused,
    /// It didn't answer.
    Silent,
}

/// What every server says. Functions of one role alone stand where the other doesn't call them. Where recovery is to
/// end means nothing to a primary; Patroni takes these settings out of the file when it has promoted one.
const CORE: &str = "\
SELECT pg_is_in_recovery() AS standby, \
 (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline, \
 CASE WHEN NOT pg_is_in_recovery() THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END \
  AS current_timeline, \
 extract(epoch FROM clock_timestamp()) AS clock, \
 current_setting('synchronous_standby_names') <> '' AS wants_synchronous, \
 (SELECT count(*) FROM pg_settings WHERE pending_restart \
   AND (pg_is_in_recovery() OR name NOT LIKE 'recovery\\_target%')) AS pending_restart, \
 (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming') AS streaming, \
 (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')) \
  AS synchronous, \
 current_setting('data_directory', true) AS data_directory";

/// A part of what is asked: its statement, and what follows from the answer.
type Part = (&'static str, fn(&[tokio_postgres::SimpleQueryRow], &HealthSettings) -> Vec<Check>);

/// What every server is asked beside that, each with the check that is unknown when it can't be answered.
const PARTS: &[(&str, Part)] = &[
    ("connections", (sessions::SQL, sessions::checks)),
    ("xid_age", (age::SQL, age::checks)),
    ("checksum_failures", (counters::SQL, counters::checks)),
    ("slots", (slots::SQL, slots::checks)),
    ("archiver", (archiver::SQL, archiver::checks)),
];

impl Component for PostgreSql {
    fn name(&self) -> &'static str {
        NAME
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        let (_, node) = node(subject)?;
        Some(format!("{}:{}", node.hostaddr.map_or_else(|| node.host.clone(), |a| a.to_string()), node.port))
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let Some((_, node)) = node(&instance.subject) else {
                return Err(Error::internal("a node was expected"));
            };
            let Some(open) = asking.kept.take(&node.name) else { return look_afresh(asking, node).await };
            let beside =
                async { if open.wants_login() { Some(login::enter_beside(asking, node).await) } else { None } };
            let (looked, entered) = tokio::join!(look_by(asking, &open, node), beside);
            let mut found = match looked {
                // It broke since: what the server is now, a new session tells.
                Err(error) if error.code() == Code::Unreachable => return look_afresh(asking, node).await,
                looked => looked?,
            };
            let (open, login) = match entered {
                None => (open, login::went_well()),
                Some(Ok(session)) => (open.entered(session).await, login::went_well()),
                Some(Err(error)) if error.code() == Code::Cancelled => return Err(error),
                Some(Err(error)) => (open, login::failed(&error)),
            };
            found.checks.push(login);
            asking.kept.give(&node.name, open);
            Ok(found)
        })
    }

    fn ended(&self, board: &Board, instance: &Instance, failed: Option<&Error>) {
        let (Some(error), Some(slots)) = (failed, board.node(&instance.name)) else { return };
        let heard = if error.code() == Code::AuthFailed { Heard::Refused } else { Heard::Silent };
        slots.sql.send_replace(Some(Arc::new(heard)));
    }
}

/// The node of a subject, with its shard.
pub(crate) fn node(subject: &Subject) -> Option<(&Shard, &Node)> {
    match subject {
        Subject::Target(target) => match &target.kind {
            Kind::Node { shard, node } => Some((shard, node)),
            _ => None,
        },
        Subject::Store(_) => None,
    }
}

/// Looks by a session.
async fn look_by(asking: &Asking, open: &Open, node: &Node) -> Result<Found> {
    asking.guarded(open.session.canceller(), look(asking, &open.session, node)).await
}

/// Looks by a new session, which is kept when all went well.
async fn look_afresh(asking: &Asking, node: &Node) -> Result<Found> {
    let open = Open::new(asking.log_in(node).await?);
    let mut found = look_by(asking, &open, node).await?;
    found.checks.push(login::went_well());
    asking.kept.give(&node.name, open);
    Ok(found)
}

/// Everything in two goes: what can be read, then what only a primary or a standby is asked.
async fn look(asking: &Asking, session: &Session, node: &Node) -> Result<Found> {
    let settings = &asking.config()?.health;
    let sent = flotilla::clock::now();
    let statements: Vec<&str> = std::iter::once(CORE).chain(PARTS.iter().map(|(_, (sql, _))| *sql)).collect();
    let mut answers = join_all(statements.into_iter().map(|sql| session.simple(sql))).await.into_iter();
    let answered = flotilla::clock::now();
    let core = answers.next().unwrap_or_else(|| Err(Error::internal("no answer")))?;
    let core = core.first().ok_or_else(|| Error::new(Code::QueryFailed, "the server gave no row"))?;
    let is_primary = flag(core, "standby") == Some(false);
    let seen = Seen {
        is_primary,
        timeline: number(core, "current_timeline").or_else(|| number(core, "timeline")).and_then(count),
        streaming: number(core, "streaming").and_then(count).unwrap_or(0),
        synchronous: number(core, "synchronous").and_then(count).unwrap_or(0),
        wants_synchronous: flag(core, "wants_synchronous").unwrap_or(false),
    };
    if let Some(slots) = asking.board.node(&node.name) {
        slots.sql.send_replace(Some(Arc::new(Heard::Said(seen.clone()))));
    }
    let mut checks = Vec::new();
    if is_primary {
        checks.extend(write::checks(session).await?);
    } else {
        checks.extend(standby::checks(session, settings).await?);
    }
    for ((check, (_, judge)), answer) in PARTS.iter().zip(answers) {
        match answer {
            Ok(rows) => checks.extend(judge(&rows, settings)),
            Err(error) => checks.push(Check::unknown(check, error.message().to_owned()).hint(format!(
                "Let role \"{}\" read it: shardctl init makes it a member of pg_monitor.",
                asking.config()?.users.monitor
            ))),
        }
    }
    checks.push(clock(number(core, "clock"), sent, answered, settings));
    if let Some(folder) = text(core, "data_directory").filter(|_| disk::is_here(&node.host, node.hostaddr)) {
        checks.extend(disk::used(Path::new(folder), settings).await?);
    }
    checks.extend(pending_restart(number(core, "pending_restart")));
    let role = if is_primary { "primary" } else { "replica" };
    Ok(Found { role: Some(role.to_owned()), checks })
}

/// How far the server's clock is from this machine's. It looked at its own somewhere between question and answer,
/// so only what lies beyond both counts.
fn clock(theirs: Option<f64>, sent: DateTime<Utc>, answered: DateTime<Utc>, settings: &HealthSettings) -> Check {
    let apart = theirs.map(|theirs| (theirs - seconds(answered)).max(seconds(sent) - theirs).max(0.0));
    let apart = apart.map(|apart| (apart * 1e3).round() / 1e3);
    Check::number(
        "clock_seconds",
        apart,
        "seconds",
        Limit::above(settings.clock_seconds_warn, settings.clock_seconds_fail),
    )
    .hint("Set the clocks by chrony or NTP: times of commits, certificates and leases depend on them.")
}

fn pending_restart(count: Option<f64>) -> Option<Check> {
    let count = count.filter(|count| *count > 0.0)?;
    Some(
        Check::word("pending_restart", format!("{count}"), Health::Warn)
            .message(format!("{count} settings were changed and wait for a restart"))
            .hint("Restart the server, a replica first; pg_settings.pending_restart names them."),
    )
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a small whole number")]
fn count(value: f64) -> Option<u32> {
    (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 need 51 bits")]
fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_micros() as f64 / 1e6
}

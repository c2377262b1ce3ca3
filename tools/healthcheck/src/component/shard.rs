//! A shard as a whole: exactly one primary, replicas that stream, and no two answers that contradict each other.

use flotilla::config::{Config, Node, Shard as Nodes};
use flotilla::fanout::BoxFuture;
use flotilla::pg::Role;
use flotilla::{Error, Result, reach};
use futures_util::future::join_all;

use super::client::shard;
use super::{Asking, Component, Found, Heard, Instance, Seen, Subject, patroni, postgresql};
use crate::board::filled;
use crate::check::{Check, Health, Limit};

/// One shard, by what its nodes and their Patronis say.
pub(crate) struct Shard;

/// What a node and its Patroni said; none where either didn't answer.
struct Said<'a> {
    node: &'a Node,
    sql: Option<Seen>,
    /// Whether the node answered and didn't let the login in.
    is_refused: bool,
    rest: Option<bool>,
}

impl Component for Shard {
    fn name(&self) -> &'static str {
        "shard"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        let shard = shard(subject)?;
        Some(shard.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>().join(", "))
    }

    fn rests_on(&self) -> &'static [&'static str] {
        &[postgresql::NAME, patroni::NAME]
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let Some(shard) = shard(&instance.subject) else { return Err(Error::internal("a shard was expected")) };
            let said = join_all(shard.nodes.iter().map(|node| heard(asking, node))).await;
            let claims: Vec<&Node> = primaries(&said).map(|said| said.node).collect();
            let claims = if claims.len() > 1 { confirmed(asking, &claims).await } else { claims };
            Ok(Found { role: None, checks: checks(shard, &said, &claims) })
        })
    }
}

async fn heard<'a>(asking: &Asking, node: &'a Node) -> Said<'a> {
    let Some(slots) = asking.board.node(&node.name) else {
        return Said { node, sql: None, is_refused: false, rest: None };
    };
    let rest = async { if node.patroni.is_some() { filled(&slots.rest).await } else { None } };
    let (sql, rest) = tokio::join!(filled(&slots.sql), rest);
    let rest = rest.and_then(|believed| believed.as_ref().as_ref().map(|b| b.is_primary));
    let (sql, is_refused) = match sql.as_deref() {
        Some(Heard::Said(seen)) => (Some(seen.clone()), false),
        Some(Heard::Refused) => (None, true),
        Some(Heard::Silent) | None => (None, false),
    };
    Said { node, sql, is_refused, rest }
}

fn primaries<'a, 'b>(said: &'b [Said<'a>]) -> impl Iterator<Item = &'b Said<'a>> {
    said.iter().filter(|said| said.sql.as_ref().is_some_and(|seen| seen.is_primary))
}

/// Of nodes that have claimed to be primaries, those that still do. Each was asked at its own time, and between two
/// times a switchover has room; who claims it again, after all have claimed it before, does so beside the others.
async fn confirmed<'a>(asking: &Asking, claims: &[&'a Node]) -> Vec<&'a Node> {
    let again = claims.iter().map(|node| async {
        let config = asking.config().ok()?;
        let endpoint = reach::node(config, node, &config.users.monitor).ok()?.connect_timeout(asking.limit / 2);
        let session = asking.cx.connect(endpoint).await.ok()?;
        // One that doesn't answer now may still take writes: its last word counts.
        match asking.guarded(session.canceller(), session.role()).await {
            Ok(Role::Standby) => None,
            _ => Some(*node),
        }
    });
    join_all(again).await.into_iter().flatten().collect()
}

fn checks(shard: &Nodes, said: &[Said<'_>], claims: &[&Node]) -> Vec<Check> {
    let silent: Vec<&str> =
        said.iter().filter(|s| s.sql.is_none() && !s.is_refused).map(|s| s.node.name.as_str()).collect();
    let refused: Vec<&str> = said.iter().filter(|s| s.is_refused).map(|s| s.node.name.as_str()).collect();
    let names: Vec<&str> = claims.iter().map(|node| node.name.as_str()).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful of nodes")]
    let count = |n: usize| Some(n as f64);
    let one = match names.len() {
        1 => Check::word("primary", names[0], Health::Pass),
        // Any of them may be the primary.
        0 if !refused.is_empty() => {
            return vec![
                Check::unknown("primary", format!("{} doesn't let the login in: nobody can tell who takes writes", refused.join(", ")))
                    .hint("Put the password of users.monitor into the password file, or let the role in by pg_hba.conf."),
            ];
        }
        0 => Check::holds("primary", false, Health::Fail, "no node takes writes")
            .hint("Look at the nodes' lines and at `patronictl list`; etcd without a leader lets nobody be elected."),
        _ => Check::holds("primary", false, Health::Fail, format!("two primaries: {} all take writes", names.join(", ")))
            .hint("Stop writes to the shard at once and fence all but the one on the highest timeline; what the others took since is not replicated."),
    };
    let mut checks = vec![one, Check::number("primaries", count(names.len()), "primaries", Limit::above(None, 1.0))];
    checks.extend(replicas(shard, said, &silent));
    for said in said {
        checks.extend(disagreement(said));
    }
    checks
}

fn replicas(shard: &Nodes, said: &[Said<'_>], silent: &[&str]) -> Vec<Check> {
    let wanted = shard.nodes.len().saturating_sub(1);
    let mut primaries = primaries(said);
    let (Some(primary), None) = (primaries.next(), primaries.next()) else { return Vec::new() };
    let Some(seen) = &primary.sql else { return Vec::new() };
    let mut checks = Vec::new();
    if wanted > 0 {
        #[expect(clippy::cast_precision_loss, reason = "a handful of nodes")]
        let limit = Limit::below(wanted as f64, 1.0);
        let gone = if silent.is_empty() { String::new() } else { format!("; {} doesn't answer", silent.join(", ")) };
        checks.push(
            Check::number("replicas_streaming", Some(f64::from(seen.streaming)), "replicas", limit)
                .message(format!("{} of {wanted} replicas stream{gone}", seen.streaming))
                .hint("Bring the others back: with none, losing the primary loses the shard."),
        );
    }
    if seen.wants_synchronous {
        let check = Check::holds(
            "synchronous",
            seen.synchronous > 0,
            Health::Fail,
            "commits should wait for a replica, and there is none",
        )
        .hint("Until one streams, commits hang or, as Patroni does without strict mode, aren't safe.");
        checks.push(check);
    }
    let timelines: Vec<u32> = said.iter().filter_map(|s| s.sql.as_ref()?.timeline).collect();
    let newest = timelines.iter().max().copied();
    if let (Some(newest), Some(own)) = (newest, seen.timeline)
        && own < newest
    {
        let message = format!("the primary is on timeline {own}, and another node on {newest}");
        checks.push(
            Check::holds("timeline", false, Health::Fail, message)
                .hint("The primary may be one that was failed over from."),
        );
    }
    checks
}

/// What the node says by SQL, beside what its Patroni says.
fn disagreement(said: &Said<'_>) -> Option<Check> {
    said.node.patroni.as_ref()?;
    let (message, hint) = match (&said.sql, said.rest) {
        (Some(seen), Some(believed)) if seen.is_primary == believed => return None,
        (Some(seen), Some(_)) if seen.is_primary => (
            "PostgreSQL takes writes, and its Patroni calls it a replica".to_owned(),
            "Clients that bypass the balancers may write there; if it isn't a failover under way, restart its Patroni.",
        ),
        (Some(_), Some(_)) => (
            "Patroni calls it the primary, and PostgreSQL is in recovery".to_owned(),
            "Balancers send writes there, which fail; if it isn't a promotion under way, look at its log.",
        ),
        (Some(_), None) => (
            "Patroni is dead, and its PostgreSQL lives".to_owned(),
            "Nobody demotes it when its lease runs out, and what is written there then is lost: start its Patroni, or stop the server.",
        ),
        (None, Some(true)) if !said.is_refused => (
            "Patroni calls it the primary, and PostgreSQL doesn't answer".to_owned(),
            "Balancers may still send clients there: look for a full disk or a server that hangs.",
        ),
        (None, _) => return None,
    };
    Some(Check::holds("agreement", false, Health::Fail, message).of(said.node.name.clone()).hint(hint))
}

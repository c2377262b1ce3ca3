//! Waiting until writes arrive at the new primary, on every way that poolers take.

use std::time::{Duration, Instant};

use flotilla::config::{Node, Shard};
use flotilla::error::{Code, Error, Result};
use flotilla::pg::{Endpoint, Role, Session};
use flotilla::{Context, fanout, reach};

/// How long Patroni may take; it gives up by itself before.
const LEADING: Duration = Duration::from_mins(1);
/// How long the balancers may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a login may take at first, and in the end. HAProxy keeps a connection whose server has just gone for
/// seconds, while the next would find the new one at once.
const SHORTEST: Duration = Duration::from_millis(400);
const LONGEST: Duration = Duration::from_secs(5);
/// As what sessions say they are.
const NAME: &str = "flotilla shardctl switchover";
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// While a balancer still counts the old primary in, it leads there every other time.
const IN_A_ROW: u32 = 2;

/// Waits until one of the nodes leads; which, and a session of the administrator's with it. The session is there
/// before: a standby keeps its sessions when it is promoted, and a login takes both sides longer than the question.
pub(super) async fn lead<'a>(cx: &Context, shard: &Shard, nodes: &[&'a Node]) -> Result<(&'a Node, Session)> {
    let all = nodes.iter().map(|node| Box::pin(async { Ok((*node, one(cx, shard, node).await?)) }));
    futures_util::future::select_ok(all).await.map(|(found, _)| found)
}

async fn one(cx: &Context, shard: &Shard, node: &Node) -> Result<Session> {
    let endpoint = reach::node(cx.config()?, node, &cx.config()?.users.admin)?.application_name(NAME);
    let until = Instant::now() + LEADING;
    loop {
        let error = match endpoint.connect().await {
            Ok(session) => match leads(&session, until).await {
                Ok(()) => return Ok(session),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if Instant::now() >= until {
            let why = format!("\"{}\" was to lead shard \"{}\", and doesn't take writes", node.name, shard.name);
            return Err(Error::new(Code::Timeout, why)
                .hint("Look at `shardctl status`, and at Patroni's log.")
                .source(error));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn leads(session: &Session, until: Instant) -> Result<()> {
    while session.role().await? != Role::Primary {
        if Instant::now() >= until {
            return Err(Error::new(Code::Timeout, "it is still a standby"));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Waits until every balancer leads there.
pub(super) async fn reach(cx: &Context, shard: &Shard) -> Result<()> {
    let config = cx.config()?;
    let mut ways = Vec::new();
    for balancer in &config.balancers {
        ways.extend(reach::balanced_by(config, balancer, shard, &config.users.monitor)?);
    }
    let until = Instant::now() + LIMIT;
    let found = fanout::ask(cx, ways, |way, _| reached(way, until)).await;
    for way in found {
        way?.close().await;
    }
    Ok(())
}

/// Connects again and again until it has worked [`IN_A_ROW`].
async fn reached(endpoint: Endpoint, until: Instant) -> Result<Session> {
    let endpoint = endpoint.application_name(NAME);
    let mut patience = SHORTEST;
    let mut good = 0;
    loop {
        match endpoint.clone().connect_timeout(patience).connect().await {
            Ok(session) => {
                good += 1;
                if good >= IN_A_ROW {
                    return Ok(session);
                }
                session.close().await;
                continue;
            }
            Err(error) if Instant::now() >= until => {
                return Err(Error::new(
                    Code::Timeout,
                    "the lead was moved, but writes don't arrive at the new primary",
                )
                .hint("Look at `shardctl status`, and at what the balancers say of the shard.")
                .source(error));
            }
            Err(error) => {
                good = 0;
                if error.code() == Code::Timeout {
                    patience = (patience * 3 / 2).min(LONGEST);
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

//! Waiting until writes arrive at the new primary, on every way that poolers take.

use std::time::{Duration, Instant};

use flotilla::config::{Node, Shard};
use flotilla::error::{Code, Error, Result};
use flotilla::pg::{Endpoint, Session, SessionAttrs};
use flotilla::{Context, fanout, reach};

/// How long Patroni may take; it gives up by itself before.
const LEADING: Duration = Duration::from_mins(1);
/// How long the balancers may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a login may take at first, and in the end. HAProxy keeps a connection whose server has just gone for
/// seconds, while the next would find the new one at once.
const SHORTEST: Duration = Duration::from_millis(400);
const LONGEST: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// While a balancer still counts the old primary in, it leads there every other time.
const IN_A_ROW: u32 = 2;

/// Waits until a node leads; a session of the administrator's with it.
pub(super) async fn lead(cx: &Context, shard: &Shard, node: &Node) -> Result<Session> {
    let direct = reach::node(cx.config()?, node, &cx.config()?.users.admin)?.session_attrs(SessionAttrs::Primary);
    let late = || format!("\"{}\" was to lead shard \"{}\", and doesn't take writes", node.name, shard.name);
    reached(direct, 1, LEADING, late).await
}

/// Waits until every balancer leads there.
pub(super) async fn reach(cx: &Context, shard: &Shard) -> Result<()> {
    let config = cx.config()?;
    let mut ways = Vec::new();
    for balancer in &config.balancers {
        ways.extend(reach::balanced_by(config, balancer, shard, &config.users.monitor)?);
    }
    let late = || "the lead was moved, but writes don't arrive at the new primary".to_owned();
    let found = fanout::ask(cx, ways, |way, _| reached(way, IN_A_ROW, LIMIT, late)).await;
    for way in found {
        way?.close().await;
    }
    Ok(())
}

/// Connects again and again until it has worked so many times in a row.
async fn reached(endpoint: Endpoint, in_a_row: u32, limit: Duration, late: impl Fn() -> String) -> Result<Session> {
    let endpoint = endpoint.application_name("flotilla shardctl switchover");
    let until = Instant::now() + limit;
    let mut patience = SHORTEST;
    let mut good = 0;
    loop {
        match endpoint.clone().connect_timeout(patience).connect().await {
            Ok(session) => {
                good += 1;
                if good >= in_a_row {
                    return Ok(session);
                }
                session.close().await;
                continue;
            }
            Err(error) if Instant::now() >= until => {
                return Err(Error::new(Code::Timeout, late())
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

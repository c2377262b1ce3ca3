//! Waiting until writes arrive at the new primary, on every way that poolers take.

use std::time::{Duration, Instant};

use flotilla::config::{Node, Shard};
use flotilla::error::{Code, Error, Result};
use flotilla::pg::{Endpoint, Session, SessionAttrs};
use flotilla::{Context, fanout, reach};

/// How long it may take altogether.
const LIMIT: Duration = Duration::from_secs(20);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// While a balancer still counts the old primary in, it leads there every other time.
const IN_A_ROW: u32 = 2;

/// Waits; a session of the administrator's with the new primary.
pub(super) async fn wait(cx: &Context, shard: &Shard, node: &Node) -> Result<Session> {
    let config = cx.config()?;
    let until = Instant::now() + LIMIT;
    let direct = reach::node(config, node, &config.users.admin)?.session_attrs(SessionAttrs::Primary);
    let session = reached(direct, 1, until).await?;
    let mut ways = Vec::new();
    for balancer in &config.balancers {
        ways.extend(reach::balanced_by(config, balancer, shard, &config.users.monitor)?);
    }
    let found = fanout::ask(cx, ways, |way, _| reached(way, IN_A_ROW, until)).await;
    for way in found {
        way?.close().await;
    }
    Ok(session)
}

/// Connects again and again until it has worked so many times in a row.
async fn reached(endpoint: Endpoint, in_a_row: u32, until: Instant) -> Result<Session> {
    let endpoint = endpoint.application_name("flotilla shardctl switchover");
    let mut good = 0;
    loop {
        match endpoint.connect().await {
            Ok(session) => {
                good += 1;
                if good >= in_a_row {
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
            Err(_) => good = 0,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

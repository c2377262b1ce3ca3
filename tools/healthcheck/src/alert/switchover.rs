//! Our own switchovers and drills make things bad on purpose; nobody needs to be told.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flotilla::{Context, clock, fanout, journal, reach};

use super::judge::Stage;
use super::state::State;

/// What breaks a shard for a moment, by tool and verb.
const ACTS: [(&str, &str); 2] = [("shardctl", "switchover"), ("shardctl", "drill")];
/// How long a ledger may be waited for: a shard that doesn't answer is what is to be told.
const LIMIT: Duration = Duration::from_secs(3);

/// The shards with something to be told of that were switched over, or drilled, so recently. Asked are this machine's
/// journal and the shards' ledgers.
pub(super) async fn shards(cx: &Context, state: &State, within: Duration) -> BTreeSet<String> {
    let begins = |alert: &&super::state::Alert| alert.stage == Stage::Firing;
    let named: BTreeSet<String> =
        state.alerts.values().filter(begins).filter_map(|alert| alert.shard.clone()).collect();
    if named.is_empty() || within.is_zero() {
        return BTreeSet::new();
    }
    let since = clock::now() - within;
    let mut quiet: BTreeSet<String> = by_journal(since).intersection(&named).cloned().collect();
    let asked: Vec<String> = named.difference(&quiet).cloned().collect();
    let answers = fanout::ask(cx, asked, move |shard, cx| async move {
        let found = tokio::time::timeout(LIMIT, by_ledger(&cx, &shard, within)).await;
        (shard, matches!(found, Ok(Ok(true))))
    })
    .await;
    quiet.extend(answers.into_iter().filter(|(_, found)| *found).map(|(shard, _)| shard));
    quiet
}

fn by_journal(since: DateTime<Utc>) -> BTreeSet<String> {
    let lines = journal::recent().unwrap_or_default();
    let is_act = |line: &&serde_json::Value| {
        let at = line["at"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
        ACTS.iter().any(|(tool, verb)| line["tool"] == *tool && line["verb"] == *verb)
            && at.is_some_and(|at| at >= since)
    };
    lines.iter().filter(is_act).filter_map(|line| line["target"].as_str().map(str::to_owned)).collect()
}

async fn by_ledger(cx: &Context, shard: &str, within: Duration) -> flotilla::Result<bool> {
    let config = cx.config()?;
    let session = cx.connect(reach::primary(config, config.shard(shard)?, &config.users.monitor)?).await?;
    let acts = ACTS.map(|(tool, verb)| format!("(tool = '{tool}' AND verb = '{verb}')")).join(" OR ");
    let sql = format!(
        "SELECT EXISTS (SELECT FROM flotilla.ledger WHERE at > now() - interval '{} seconds' AND ({acts}))",
        within.as_secs()
    );
    Ok(cx.guarded(session.canceller(), session.value(&sql)).await?.as_deref() == Some("t"))
}

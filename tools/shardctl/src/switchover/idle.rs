//! Transactions that stand idle: a pooler can't be paused before they end.

use std::fmt;

use flotilla::error::Result;
use flotilla::{Context, fanout, reach};

use super::Move;

/// Sessions of clients, on one node, whose transaction stands idle.
const IDLE: &str = "FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend' \
                    AND datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() \
                    AND state IN ('idle in transaction', 'idle in transaction (aborted)')";

/// What was seen.
pub(super) struct Idle(Vec<String>);

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("transactions are at work") } else { f.write_str(&self.0.join("; ")) }
    }
}

/// Who stands idle, on every node that the poolers lead to.
pub(super) async fn look(cx: &Context, planned: &Move<'_>) -> Result<Idle> {
    let sql = format!(
        "SELECT pg_catalog.format('process %s (user %s, idle in its transaction for %s s): %s', pid, usename, \
         round(extract(epoch FROM clock_timestamp() - state_change)), \
         left(regexp_replace(query, '\\s+', ' ', 'g'), 200)) {IDLE} ORDER BY xact_start LIMIT 3"
    );
    let found = everywhere(cx, planned, sql).await?;
    Ok(Idle(
        found
            .into_iter()
            .flat_map(|(node, rows)| rows.into_iter().map(move |row| format!("on \"{node}\" {row}")))
            .collect(),
    ))
}

/// Ends them; how many.
pub(super) async fn kill(cx: &Context, planned: &Move<'_>) -> Result<u32> {
    let killed = everywhere(cx, planned, format!("SELECT pg_catalog.pg_terminate_backend(pid) {IDLE}")).await?;
    Ok(u32::try_from(killed.iter().map(|(_, rows)| rows.len()).sum::<usize>()).unwrap_or(u32::MAX))
}

/// Runs SQL on every node of the shard; one that doesn't answer has no clients.
async fn everywhere(cx: &Context, planned: &Move<'_>, sql: String) -> Result<Vec<(String, Vec<String>)>> {
    let config = cx.config()?;
    let shard = config.shards.iter().find(|shard| shard.nodes.iter().any(|node| node.name == planned.from.name));
    let nodes = shard.map_or_else(Vec::new, |shard| shard.nodes.clone());
    let answers = fanout::ask(cx, nodes, |node, cx| {
        let sql = sql.clone();
        async move {
            let config = cx.config()?;
            let session = cx.connect(reach::node(config, &node, &config.users.admin)?).await?;
            let rows = session.simple(&sql).await?;
            session.close().await;
            let text = rows.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect();
            Ok::<_, flotilla::Error>((node.name, text))
        }
    })
    .await;
    Ok(answers.into_iter().flatten().collect())
}

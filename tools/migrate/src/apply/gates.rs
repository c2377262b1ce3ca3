//! Gates between waves: replicas that keep up, no queue for locks, and queries that must be true.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::fanout;
use flotilla::pg::Session;
use flotilla::reach;
use flotilla::target::Target;
use tokio::time::Instant;

use crate::statements;

/// What must hold before a wave begins, and after it before the next.
pub(super) struct Gates {
    pub(super) max_lag: Option<Duration>,
    pub(super) max_waiting: Option<u32>,
    pub(super) wait: Duration,
    pub(super) soak: Duration,
    pub(super) queries: Arc<[String]>,
    pub(super) max_failed: u64,
}

/// The queries of files, each of which must be true.
pub(super) fn queries(files: &[PathBuf]) -> Result<Arc<[String]>> {
    let mut queries = Vec::new();
    for file in files {
        let sql = fs::read_to_string(file)
            .map_err(|e| Error::config(format!("could not read {}", file.display())).source(e))?;
        let found = statements::split(&sql);
        if found.is_empty() {
            return Err(Error::config(format!("{}: no query in it", file.display()))
                .hint("Write queries that end with a semicolon; the first value of each must be true."));
        }
        queries.extend(found.iter().map(|statement| statement.text(&sql).to_owned()));
    }
    Ok(queries.into())
}

impl Gates {
    /// Waits until a wave may begin.
    pub(super) async fn open(&self, cx: &Context, wave: &[Target]) -> Result<()> {
        if self.max_lag.is_none() && self.max_waiting.is_none() {
            return Ok(());
        }
        let until = Instant::now() + self.wait;
        loop {
            let Err(error) = self.each(cx, wave, None).await else { return Ok(()) };
            if Instant::now() >= until || error.code() != Code::Mismatch {
                return Err(error);
            }
            tracing::info!("waiting: {}", error.message());
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
                () = cx.stop().asked() => return Err(flotilla::signal::cancelled()),
            }
        }
    }

    /// Whether a wave has proven itself.
    pub(super) async fn passed(&self, cx: &Context, wave: &[Target]) -> Result<()> {
        let failed = cx.output().tally().bad;
        if failed > self.max_failed {
            return Err(Error::new(Code::Mismatch, format!("{failed} shards failed; no further wave was begun"))
                .hint("Their lines say why."));
        }
        if cx.stop().is_asked() {
            return Err(flotilla::signal::cancelled());
        }
        tokio::select! {
            () = tokio::time::sleep(self.soak) => {}
            () = cx.stop().asked() => return Err(flotilla::signal::cancelled()),
        }
        if self.queries.is_empty() { Ok(()) } else { self.each(cx, wave, Some(&self.queries)).await }
    }

    /// Asks each shard of a wave: these queries, or without any whether it is calm.
    async fn each(&self, cx: &Context, wave: &[Target], queries: Option<&Arc<[String]>>) -> Result<()> {
        let (lag, waiting) = (self.max_lag, self.max_waiting);
        let answers = fanout::ask(cx, wave.to_vec(), |target, cx| {
            let queries = queries.cloned();
            async move {
                let users = &cx.config()?.users;
                let user = if queries.is_some() { &users.migrator } else { &users.monitor };
                let session = cx.connect(reach::primary_of(cx.config()?, &target, user)?).await?;
                let answer = async {
                    match &queries {
                        Some(queries) => verify(&session, queries).await,
                        None => calm(&session, &target, lag, waiting).await,
                    }
                };
                let answer = cx.guarded(session.canceller(), answer).await;
                session.close().await;
                answer.map_err(|e| e.within(&target.name))
            }
        });
        answers.await.into_iter().collect()
    }
}

async fn calm(session: &Session, target: &Target, lag: Option<Duration>, waiting: Option<u32>) -> Result<()> {
    if let Some(lag) = lag {
        replicas_keep_up(session, target, lag).await?;
    }
    if let Some(most) = waiting {
        let sql = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE wait_event_type = 'Lock' \
                   AND datname = pg_catalog.current_database()";
        let count: u32 = session.value(sql).await?.and_then(|text| text.parse().ok()).unwrap_or(0);
        if count > most {
            return Err(Error::new(Code::Mismatch, format!("{count} sessions wait for locks, more than {most}"))
                .hint("Find what they wait for in pg_stat_activity, then run this again."));
        }
    }
    Ok(())
}

/// Whether every replica plays within this time what is written now. The server's own figures stand still
/// when a replica does, and say nothing of one that is gone.
async fn replicas_keep_up(session: &Session, target: &Target, lag: Duration) -> Result<()> {
    let begun = Instant::now();
    let here = session.value("SELECT pg_catalog.pg_current_wal_insert_lsn()").await?.unwrap_or_default();
    let sql = format!(
        "SELECT count(*), count(*) FILTER (WHERE replay_lsn >= '{here}') FROM pg_catalog.pg_stat_replication AS r \
         WHERE state IN ('startup', 'catchup', 'streaming') AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots AS s \
           WHERE s.active_pid = r.pid AND s.slot_type = 'logical')"
    );
    let known = target.shard().map_or(0, |shard| shard.nodes.len().saturating_sub(1));
    loop {
        let rows = session.simple(&sql).await?;
        let count = |at: usize| rows.first().and_then(|row| row.get(at)?.parse::<usize>().ok()).unwrap_or(0);
        let (connected, caught_up) = (count(0), count(1));
        if connected < known {
            let message = format!("{connected} of {known} replicas are connected");
            return Err(Error::new(Code::Mismatch, message)
                .hint("Start what is missing or take it out of the topology, then run this again."));
        }
        if caught_up == connected {
            return Ok(());
        }
        if begun.elapsed() > lag {
            let message = format!("a replica is more than {} behind", humantime::format_duration(lag));
            return Err(Error::new(Code::Mismatch, message).hint("Wait until it has caught up, then run this again."));
        }
        tokio::time::sleep(Duration::from_millis(50).min(lag)).await;
    }
}

async fn verify(session: &Session, queries: &[String]) -> Result<()> {
    for query in queries {
        session.simple("BEGIN READ ONLY").await?;
        let value = session.value(query).await;
        session.simple("ROLLBACK").await?;
        let value = value?;
        if value.as_deref() != Some("t") {
            let shown: String = query.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect();
            let value = value.unwrap_or_else(|| "nothing".to_owned());
            return Err(Error::new(Code::Mismatch, format!("a query wasn't true, but {value}: {shown}"))
                .hint("Look at that shard; `migrate undo` takes the migration back."));
        }
    }
    Ok(())
}

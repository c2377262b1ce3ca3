//! Running a statement on targets: its rows as lines, then one line for the outcome.

use std::time::{Duration, Instant};

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::journal::Entry;
use flotilla::pg::{Query, Row, RowSession, Session};
use flotilla::reach;
use flotilla::record::{Done, Line, Record};
use flotilla::target::{self, Target};
use schemars::JsonSchema;
use serde::Serialize;

use super::source::Source;
use super::{Args, As, lag, path};

/// One row of a result.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct RowRecord {
    /// The shard that the row came from.
    shard: Option<String>,
    /// The row: a key for each column. What JSON numbers can't hold exactly is a string.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    row: Option<Row>,
}

impl Record for RowRecord {
    const KIND: &'static str = "shardctl.row";
    const COLUMNS: &'static [&'static str] = &[];
}

/// How the statement ended on one target.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct SqlResult {
    /// The shard.
    shard: Option<String>,
    /// What the server calls what was done, such as `INSERT 0 3`; null for a file.
    command: Option<String>,
    /// How many rows were read or changed, where the server says so.
    row_count: Option<u64>,
    /// How far the replica that answered was behind, in milliseconds; null where the primary did.
    lag_ms: Option<u64>,
}

impl Record for SqlResult {
    const KIND: &'static str = "shardctl.sql";
    const COLUMNS: &'static [&'static str] = &["command", "row_count", "lag_ms"];
}

/// What to run on each target.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) source: Source,
    pub(super) params: Vec<Option<String>>,
    pub(super) role: As,
    pub(super) read_only: bool,
    pub(super) max_lag: Option<Duration>,
    /// The epoch of the map that named the target; the fence compares it.
    pub(super) epoch: Option<i64>,
}

/// Runs on every target of this call.
pub(super) async fn run(cx: &Context, args: Args, source: Source) -> Result<()> {
    let work = Work {
        source,
        params: args.values(),
        role: args.role,
        read_only: args.read_only(),
        max_lag: args.max_lag,
        epoch: None,
    };
    cx.each(cx.targets()?, move |target, cx| {
        let work = work.clone();
        async move { one(&cx, &target, &work).await }
    })
    .await
}

/// Runs on one target.
pub(super) async fn one(cx: &Context, target: &Target, work: &Work) -> Result<Done<SqlResult>> {
    if cx.global().dry_run {
        let shard = target.shard().map(|s| s.name.clone());
        return Ok(Done::planned(SqlResult { shard, ..SqlResult::default() }));
    }
    let config = cx.config()?;
    let mut session = cx.connect_rows(path(config, target, work.role, work.max_lag.is_some())?).await?;
    let canceller = session.canceller();
    let result = cx.guarded(canceller, execute(cx, target, &mut session, work)).await;
    session.close().await;
    record_in_ledger(cx, target, work, result.as_ref().err()).await;
    Ok(Done::new(!cx.is_reads_only(), result?))
}

/// Opens a transaction where more than the statement itself must hold: behind a pooler only a
/// transaction stays on one server, so what is proven of it must be proven in there.
async fn begin(cx: &Context, target: &Target, session: &mut RowSession, work: &Work) -> Result<Option<u64>> {
    let mode = if work.read_only { "BEGIN READ ONLY" } else { "BEGIN" };
    session.simple(mode).await?;
    if let Some(epoch) = work.epoch {
        // The guard compares on writes; reads match no row on the wrong shard, so they are checked here.
        session.simple(&format!("SET LOCAL flotilla.epoch = {epoch}; SELECT flotilla.check_epoch({epoch})")).await?;
    }
    match (work.max_lag, target.shard()) {
        (Some(most), Some(shard)) => lag::check(cx, shard, session, most).await.map(Some),
        _ => Ok(None),
    }
}

async fn execute(cx: &Context, target: &Target, session: &mut RowSession, work: &Work) -> Result<SqlResult> {
    let shard = target.shard().map(|s| s.name.clone());
    let sql = match &work.source {
        Source::Script(text) => {
            session.simple(text).await?;
            return Ok(SqlResult { shard, ..SqlResult::default() });
        }
        Source::Statement(sql) => sql,
    };
    let transaction = work.read_only || work.epoch.is_some() || work.max_lag.is_some();
    let lag_ms = if transaction { begin(cx, target, session, work).await? } else { None };
    let began = Instant::now();
    let mut rows = session.run(&Query::new(sql).params(&work.params)).await?;
    while let Some(row) = rows.next().await? {
        let record = RowRecord { shard: shard.clone(), row: Some(row) };
        cx.output().line(&Line::ok(Some(target.name.clone()), false, record, began.elapsed()))?;
    }
    let (command, row_count) = (rows.tag().map(str::to_owned), rows.affected());
    drop(rows);
    if transaction {
        session.simple("COMMIT").await?;
    }
    Ok(SqlResult { shard, command, row_count, lag_ms })
}

/// Leaves a line in the ledger for what may have changed something.
async fn record_in_ledger(cx: &Context, target: &Target, work: &Work, error: Option<&Error>) {
    if cx.is_reads_only() {
        return;
    }
    let text = match &work.source {
        Source::Statement(text) | Source::Script(text) => text,
    };
    // The statement's text may hold personal data; its first words say enough.
    let words = text.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    let entry = cx.entry(&target.name).detail(serde_json::json!({ "begins": words, "bytes": text.len() }));
    keep(cx, &target.name, &error.map_or(entry.clone(), |e| entry.failed(e))).await;
}

/// Writes a ledger line. The application's role can't write there, so it is left as the migrator;
/// where even that fails, the file alone has it.
pub(super) async fn keep(cx: &Context, target: &str, entry: &Entry) {
    let written = match migrator(cx, target).await {
        Ok(session) => entry.write(&session).await,
        Err(error) => {
            entry.to_file();
            Err(error)
        }
    };
    if let Err(error) = written {
        tracing::warn!("no ledger line was written on \"{target}\": {error}");
    }
}

async fn migrator(cx: &Context, target: &str) -> Result<Session> {
    let config = cx.config()?;
    let target = target::named(config, &[target.to_owned()])?.remove(0);
    let shard = target.shard().ok_or_else(|| Error::internal("a ledger line about no shard"))?;
    let endpoint = reach::primary(config, shard, &config.users.migrator)?;
    let session = tokio::time::timeout(Duration::from_secs(10), endpoint.connect()).await;
    session.map_err(|e| Error::new(Code::Timeout, "no connection within 10 s").source(e))?
}

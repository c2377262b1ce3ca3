//! `migrate history`: who applied what where, when and why, from the ledgers of all shards.

use std::sync::Arc;
use std::time::Duration;

use flotilla::Context;
use flotilla::clock::parse_duration;
use flotilla::error::Result;
use flotilla::pg::Session;
use flotilla::reach;
use flotilla::record::{Done, Line, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use postgres_protocol::escape::escape_literal;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "history",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<HistoryRecord>(), RecordInfo::of::<HistoryEnd>()],
    examples: &[
        Example { line: "migrate history", does: "Show the last changes on each shard" },
        Example {
            line: "migrate history --since 24h -o json | jq -r .operator | sort | uniq -c",
            does: "Count who changed what today",
        },
    ],
};

/// What to show.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Show only what happened within this time
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    since: Option<Duration>,
    /// Show only this run
    #[arg(long, value_name = "ID")]
    run: Option<Uuid>,
    /// Show at most this many lines of each shard, the newest
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

/// One line of a shard's ledger.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct HistoryRecord {
    /// The shard.
    shard: Option<String>,
    /// The run; the same on every shard.
    run_id: Option<String>,
    /// When it happened, UTC.
    ran_at: Option<String>,
    /// The verb: apply, undo, baseline, repair.
    verb: Option<String>,
    /// The version; null for repeatable ones and repairs.
    version: Option<String>,
    /// The script.
    script: Option<String>,
    /// Who ran it, as `user@host`.
    operator: Option<String>,
    /// The database login.
    login: Option<String>,
    /// Why, in the operator's words.
    reason: Option<String>,
    /// The commit of the scripts; ends in `-modified` when the folder differed from it.
    commit: Option<String>,
    /// How it ended: a record's `status`.
    outcome: Option<String>,
    /// How many statements were done, of a script that can't be one transaction and wasn't ended here.
    statements_done: Option<u32>,
}

impl Record for HistoryRecord {
    const KIND: &'static str = "migrate.history";
    const COLUMNS: &'static [&'static str] =
        &["ran_at", "verb", "version", "script", "operator", "reason", "commit", "outcome"];
}

/// The end of a shard's lines.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct HistoryEnd {
    /// The shard.
    shard: Option<String>,
    /// How many lines were shown.
    line_count: Option<usize>,
}

impl Record for HistoryEnd {
    const KIND: &'static str = "migrate.history_end";
    const COLUMNS: &'static [&'static str] = &["line_count"];
}

/// Writes each target's lines, the oldest first.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let targets = cx.targets()?;
    let args = Arc::new(args);
    cx.each(targets, move |target, cx| {
        let args = Arc::clone(&args);
        async move {
            let config = cx.config()?;
            let session = cx.connect(reach::primary_of(config, &target, &config.users.monitor)?).await?;
            let lines = cx.guarded(session.canceller(), lines(&session, &target, &args)).await?;
            session.close().await;
            let line_count = Some(lines.len());
            for body in lines {
                cx.output().line(&Line::ok(Some(target.name.clone()), false, body, Duration::ZERO))?;
            }
            Ok(Done::unchanged(HistoryEnd { shard: target.shard().map(|s| s.name.clone()), line_count }))
        }
    })
    .await
}

async fn lines(session: &Session, target: &Target, args: &Args) -> Result<Vec<HistoryRecord>> {
    let since = args.since.map_or_else(String::new, |since| {
        format!(" AND at > clock_timestamp() - interval '{} milliseconds'", since.as_millis())
    });
    let run =
        args.run.map_or_else(String::new, |run| format!(" AND run_id = {}::uuid", escape_literal(&run.to_string())));
    // A script that can't be one transaction leaves a line for each statement; one that was followed by
    // the next, or by the end, says nothing more.
    let sql = format!(
        "WITH told AS (SELECT *, lead(detail) OVER same AS next_detail, lead(status) OVER same AS next_status \
           FROM flotilla.ledger WHERE tool = 'migrate' \
           WINDOW same AS (PARTITION BY verb, detail->>'table', detail->>'script' ORDER BY line)) \
         SELECT run_id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), verb, detail->>'version', \
         detail->>'script', operator, login, reason, detail->>'commit', status, detail->>'statements_done' \
         FROM (SELECT * FROM told WHERE NOT (detail ? 'statements_done' AND (coalesce(next_detail->>'begun_at', '') = detail->>'begun_at' \
             OR NOT coalesce(next_detail ? 'statements_done', true) AND next_status = 'ok')){since}{run} \
           ORDER BY line DESC LIMIT {}) AS l \
         ORDER BY line",
        args.limit
    );
    let rows = session.simple(&sql).await?;
    let shard = target.shard().map(|shard| shard.name.clone());
    let record = |row: &tokio_postgres::SimpleQueryRow| {
        let text = |at: usize| row.get(at).map(str::to_owned);
        HistoryRecord {
            shard: shard.clone(),
            run_id: text(0),
            ran_at: text(1),
            verb: text(2),
            version: text(3),
            script: text(4),
            operator: text(5),
            login: text(6),
            reason: text(7),
            commit: text(8),
            outcome: text(9),
            statements_done: text(10).and_then(|done| done.parse().ok()),
        }
    };
    Ok(rows.iter().map(record).collect())
}

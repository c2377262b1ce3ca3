//! `shardctl init`: schema `flotilla`, roles and ownership on every shard.
//!
//! Everything on one shard is one transaction under an advisory lock, so a run that fails leaves
//! nothing behind. A second run finds the files' checksums and changes nothing. What needs rights that
//! a managed service may not give is tried apart and reported, never fatal.

mod apply;
mod ownership;
mod preflight;
mod verifiers;

use std::sync::Arc;
use std::time::Duration;

use flotilla::Context;
use flotilla::config::{Config, Shard};
use flotilla::error::{Error, Result};
use flotilla::pg::{Session, advisory};
use flotilla::reach;
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;

use self::verifiers::Verifiers;
pub use self::verifiers::pair as verifier;
use crate::schema;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "init",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: true,
    records: &[RecordInfo::of::<InitResult>()],
    examples: &[
        Example { line: "shardctl init --all", does: "Set up every shard, or bring it up to date" },
        Example { line: "shardctl init --all --dry-run", does: "Say what that would do" },
        Example { line: "shardctl targets --role primary | shardctl init", does: "Set up the present primaries" },
    ],
};

/// Nothing but the flags that every verb has: what to set up stands in the topology.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// What was set up on one shard.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct InitResult {
    /// The shard.
    shard: Option<String>,
    /// The release of the schema that the shard holds now.
    release: Option<i32>,
    /// The files that were applied.
    applied: Option<Vec<&'static str>>,
    /// The roles whose verifier was set.
    verifiers: Option<Vec<String>>,
    /// The buckets that the shard owns, as ranges.
    owned: Option<String>,
    /// The epoch of its ownership, as a decimal string.
    epoch: Option<String>,
    /// What isn't as it should be although the run succeeded: settings that need a restart, parts that
    /// need more rights.
    missing: Option<Vec<String>>,
}

impl Record for InitResult {
    const KIND: &'static str = "shardctl.init";
    const COLUMNS: &'static [&'static str] = &["shard", "release", "applied", "owned", "epoch", "missing"];
}

/// Sets up each target's shard, on its primary.
pub(crate) async fn run(cx: &Context, _args: Args) -> Result<()> {
    let targets = cx.targets()?;
    // One bad line of the file must stop the run before anything is touched.
    let verifiers = Arc::new(Verifiers::load(cx.config()?)?);
    cx.each(targets, move |target, cx| {
        let verifiers = Arc::clone(&verifiers);
        async move { one(&cx, &target, &verifiers).await }
    })
    .await
}

async fn one(cx: &Context, target: &Target, verifiers: &Verifiers) -> Result<Done<InitResult>> {
    let config = cx.config()?;
    let session = cx.connect(reach::primary_of(config, target, &config.users.admin)?).await?;
    let shard = target.shard().ok_or_else(|| Error::internal("a primary belongs to no shard"))?;
    let done = cx.guarded(session.canceller(), set_up(cx, &session, shard, target, verifiers)).await?;
    session.close().await;
    Ok(done)
}

/// The transaction. A failure ends the session, and with it the transaction.
async fn set_up(
    cx: &Context,
    session: &Session,
    shard: &Shard,
    target: &Target,
    verifiers: &Verifiers,
) -> Result<Done<InitResult>> {
    let config = cx.config()?;
    begin(session, config, cx.global().lock_wait).await?;
    preflight::check(session, config, shard).await?;
    let mut missing = preflight::settings(session).await?;

    let applied = apply::files(session, &schema::Values::new(config, &shard.name)?, &mut missing).await?;
    let roles = verifiers.set(session, &mut missing).await?;
    let seeded = ownership::seed(cx, session, shard).await?;
    let (owned, epoch) = ownership::current(session, config).await?;

    let changed = !applied.is_empty() || !roles.is_empty() || seeded;
    let result = InitResult {
        shard: Some(shard.name.clone()),
        release: Some(schema::RELEASE),
        applied: Some(applied),
        verifiers: Some(roles),
        owned: Some(owned.to_string()),
        epoch: Some(epoch),
        missing: Some(missing),
    };
    if cx.global().dry_run {
        session.simple("ROLLBACK").await?;
        return Ok(Done::planned(result));
    }
    if changed {
        let detail =
            serde_json::json!({ "applied": result.applied, "verifiers": result.verifiers, "owned": result.owned });
        cx.entry(&target.name).detail(detail).write(session).await?;
    }
    session.simple("COMMIT").await?;
    Ok(Done::new(changed, result))
}

/// Opens the transaction and takes the lock: one init per shard, whoever runs it and where.
async fn begin(session: &Session, config: &Config, wait: Duration) -> Result<()> {
    // Chatter such as "already exists, skipping" says nothing here. The schema's files name the schema
    // of everything; the path keeps it so for what a hostile database may hold in public.
    session
        .simple(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL client_min_messages = warning; \
             SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL synchronous_commit = on; \
             SET LOCAL statement_timeout = 0; SET LOCAL standard_conforming_strings = on",
        )
        .await?;
    let key = advisory::Key::Name(format!("init {}", config.cluster.name));
    if wait.is_zero() {
        if !advisory::try_lock_transaction(session, &key).await? {
            return Err(held(None));
        }
    } else {
        session.simple(&format!("SET LOCAL lock_timeout = {}", wait.as_millis())).await?;
        advisory::lock_transaction(session, &key)
            .await
            .map_err(|e| if e.state() == Some("55P03") { held(Some(e)) } else { e })?;
    }
    session.simple("SET LOCAL lock_timeout = '10s'").await.map(drop)
}

fn held(source: Option<Error>) -> Error {
    let error = Error::new(flotilla::Code::LockHeld, "another init is at work on this shard")
        .hint("Wait for it to end, or give --lock-wait 5m.");
    match source {
        Some(source) => error.source(source),
        None => error,
    }
}

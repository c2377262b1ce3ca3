//! Asking the shards who owns what, and the copy kept for when one of them doesn't answer.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::{Claim, Claims, Comparison, MapFile, OwnershipMap, ShardClaims, State, compare, read_file};
use crate::config::Shard;
use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::placement::BucketRange;
use crate::{fanout, journal, log, reach};

/// Which shard of which cluster a server is.
const HEAD: &str = "SELECT name, shard, buckets, key_type, flotilla.epoch() AS epoch FROM flotilla.cluster";

/// Asks every shard's primary, and compares what they say.
pub async fn read_live(cx: &Context) -> Result<Comparison> {
    Ok(compare(cx.config()?, &read_claims(cx).await?))
}

/// Asks every shard's primary what it owns.
pub async fn read_claims(cx: &Context) -> Result<Vec<ShardClaims>> {
    let shards = cx.config()?.shards.clone();
    let claims = fanout::ask(cx, shards, |shard, cx| async move {
        let claims = claims_of(&cx, &shard).await;
        ShardClaims { shard: shard.name, claims }
    })
    .await;
    cx.stop().check()?;
    Ok(claims)
}

/// A map to route by. The shards are asked; when one doesn't answer, the last map that was whole
/// serves, for a stale route meets the fence and a dead shard must not stop routing to the others.
pub async fn for_routing(cx: &Context) -> Result<OwnershipMap> {
    let comparison = read_live(cx).await?;
    let Some(silent) = comparison.findings.iter().find(|f| f.kind == "unreachable") else {
        if let Some(finding) =
            comparison.findings.iter().find(|f| matches!(f.kind, "cluster" | "shard" | "buckets" | "key_type"))
        {
            return Err(Error::new(Code::Mismatch, finding.message.clone())
                .hint("The topology file and the servers don't belong together; which is the right file?"));
        }
        if comparison.map.is_whole() {
            keep(cx, &comparison);
        }
        return Ok(comparison.map);
    };
    match kept(cx) {
        Some(map) if map.epoch() >= comparison.map.epoch() => {
            if !cx.output().is_quiet() {
                log::say(&format!(
                    "{}: {}; routing by the last whole map (epoch {})",
                    cx.tool(),
                    silent.message,
                    map.epoch()
                ));
            }
            Ok(map)
        }
        _ => Err(Error::new(Code::Unreachable, silent.message.clone())
            .hint("No earlier map is kept that could serve; give one with --map FILE.")),
    }
}

async fn claims_of(cx: &Context, shard: &Shard) -> Result<Claims> {
    let config = cx.config()?;
    let session = cx.connect(reach::primary(config, shard, &config.users.monitor)?).await?;
    cx.guarded(session.canceller(), async {
        let rows = session.simple(HEAD).await;
        let head = rows.map_err(|e| not_set_up(e, &shard.name))?;
        let head = head.first().ok_or_else(|| Error::internal("flotilla.cluster holds no row"))?;
        let text = |name: &str| head.get(name).unwrap_or_default().to_owned();
        let mut claims = Claims {
            cluster: text("name"),
            shard: text("shard"),
            buckets: parse(&text("buckets"))?,
            key_type: text("key_type"),
            epoch: parse(&text("epoch"))?,
            primary: reach::node_at(shard, session.host())?.name.clone(),
            rows: Vec::new(),
        };
        for row in session.simple("SELECT first_bucket, last_bucket, state, epoch FROM flotilla.ownership").await? {
            let field = |name: &str| row.get(name).unwrap_or_default();
            let state = State::parse(field("state")).ok_or_else(|| {
                Error::new(
                    Code::Unsupported,
                    format!("the shard knows a state \"{}\" that this release doesn't", field("state")),
                )
                .hint("Use the release that `shardctl init` was last run with.")
            })?;
            // A range that the topology's count can't hold is reported by the comparison, not here.
            let (first, last) = (parse(field("first_bucket"))?, parse(field("last_bucket"))?);
            if let Ok(range) = BucketRange::new(first, last, config.cluster.buckets) {
                claims.rows.push(Claim { range, state, epoch: parse(field("epoch"))? });
            }
        }
        Ok(claims)
    })
    .await
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|e| Error::internal(format!("the server sent {text:?} for a number")).source(e))
}

/// Whether a query failed because the shard was never set up: undefined table, function or schema.
pub fn is_not_set_up(error: &Error) -> bool {
    matches!(error.state(), Some("42P01" | "42883" | "3F000"))
}

fn not_set_up(error: Error, shard: &str) -> Error {
    if !is_not_set_up(&error) {
        return error;
    }
    Error::new(Code::NotFound, format!("shard \"{shard}\" holds no schema flotilla"))
        .source(error)
        .hint("Set it up with `shardctl init`.")
}

fn kept_path(cx: &Context) -> Option<PathBuf> {
    let name = &cx.config().ok()?.cluster.name;
    Some(journal::state_dir().ok()?.join(format!("map-{name}.json")))
}

fn kept(cx: &Context) -> Option<OwnershipMap> {
    let path = kept_path(cx)?;
    let map = read_file(&path).ok()?;
    (map.cluster() == cx.config().ok()?.cluster.name).then_some(map)
}

/// Keeps the map for a worse day. Failing to is no failure of routing.
fn keep(cx: &Context, comparison: &Comparison) {
    let write = || -> Result<()> {
        let path = kept_path(cx).ok_or_else(|| Error::internal("no folder to keep the map in"))?;
        let text = serde_json::to_vec(&MapFile::new(comparison, cx.config()?))
            .map_err(|e| Error::internal("the map is not JSON").source(e))?;
        // Written beside and renamed, so that a reader never sees half a map.
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let written = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&part);
        written
            .and_then(|mut f| std::io::Write::write_all(&mut f, &text))
            .and_then(|()| std::fs::rename(&part, &path))
            .map_err(|e| Error::new(Code::Io, format!("could not write {}", path.display())).source(e))
    };
    if let Err(error) = write() {
        tracing::info!("the map was not kept: {error}");
    }
}

//! What an application would see: a commit through poolers and balancers, and a read from a replica.

use std::time::Instant;

use flotilla::config::{Config, Shard};
use flotilla::fanout::BoxFuture;
use flotilla::pg::Endpoint;
use flotilla::target::Kind;
use flotilla::{Code, Error, Result, reach};

use super::{Asking, Component, Found, Instance, Subject};
use crate::check::{Check, Health, Limit};

/// One shard, on the way that applications take.
pub(crate) struct Client;

impl Component for Client {
    fn name(&self) -> &'static str {
        "client"
    }

    fn instance(&self, config: &Config, subject: &Subject) -> Option<String> {
        let shard = shard(subject)?;
        let poolers: Vec<&str> = config.poolers.iter().map(|pooler| &*pooler.name).collect();
        Some(if poolers.is_empty() {
            shard.name.clone()
        } else {
            format!("{} through {}", shard.name, poolers.join(", "))
        })
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let Some(shard) = shard(&instance.subject) else { return Err(Error::internal("a shard was expected")) };
            let config = asking.config()?;
            let limit = asking.statement_limit().as_millis();
            let write = format!(
                "BEGIN; SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = {limit}; \
                 SELECT pg_catalog.pg_logical_emit_message(true, 'flotilla.probe', ''); COMMIT"
            );
            let read =
                format!("BEGIN; SET LOCAL statement_timeout = {limit}; SELECT pg_catalog.pg_is_in_recovery(); COMMIT");
            let writer = reach::writer(config, shard, &config.users.app)?;
            let reader = reach::reader(config, shard, &config.users.app_ro)?;
            let has_replicas = shard.nodes.len() > 1;
            let (written, was_read) = tokio::join!(on_the_way(asking, writer, &write), async {
                if has_replicas { Some(on_the_way(asking, reader, &read).await) } else { None }
            });
            let mut checks = vec![];
            checks.extend(of("write", written)?);
            if let Some(was_read) = was_read {
                checks.extend(of("read", was_read)?);
            }
            Ok(Found { role: None, checks })
        })
    }
}

/// The shard that a subject is.
pub(crate) fn shard(subject: &Subject) -> Option<&Shard> {
    match subject {
        Subject::Target(target) => match &target.kind {
            Kind::Shard(shard) => Some(shard),
            _ => None,
        },
        Subject::Store(_) => None,
    }
}

/// Connects and runs; how long both took together, which is what a client without a pool of its own waits.
async fn on_the_way(asking: &Asking, endpoint: Endpoint, sql: &str) -> Result<f64> {
    let began = Instant::now();
    let session = asking.cx.connect(endpoint.connect_timeout(asking.limit)).await?;
    asking.guarded(session.canceller(), session.simple(sql)).await?;
    Ok(began.elapsed().as_secs_f64())
}

/// Nothing is known of a way that doesn't let the login in.
fn of(check: &'static str, went: Result<f64>) -> Result<Vec<Check>> {
    let seconds = if check == "write" { "write_seconds" } else { "read_seconds" };
    match went {
        Ok(took) => Ok(vec![
            Check::holds(check, true, Health::Fail, ""),
            Check::number(seconds, Some(took), "seconds", Limit::default()),
        ]),
        Err(error) if error.code() == Code::Cancelled => Err(error),
        Err(error) => {
            let health = if error.code() == Code::AuthFailed { Health::Unknown } else { Health::Fail };
            let hint =
                error.record().hint.unwrap_or_else(|| "Look at the poolers, the balancers and the shard.".to_owned());
            Ok(vec![Check::holds(check, false, health, format!("a {check} failed: {}", error.message())).hint(hint)])
        }
    }
}

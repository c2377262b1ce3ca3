//! Runs that should have been: what the ledger doesn't show, cron didn't do.

use flotilla::config::{Config, HealthJob};
use flotilla::fanout::BoxFuture;
use flotilla::ownership::is_not_set_up;
use flotilla::{Error, Result, journal, reach};

use super::backup::{last_good, seconds_since};
use super::client::shard;
use super::rows::{number, text};
use super::{Asking, Component, Found, Instance, Subject};
use crate::check::{Check, Health, Limit};

/// The runs that the topology expects on one shard.
pub(crate) struct Job;

const SQL: &str = "\
SELECT tool, verb, extract(epoch FROM clock_timestamp() - max(at)) AS ago FROM flotilla.ledger \
WHERE status = 'ok' GROUP BY tool, verb";

impl Component for Job {
    fn name(&self) -> &'static str {
        "job"
    }

    fn instance(&self, config: &Config, subject: &Subject) -> Option<String> {
        let shard = shard(subject)?;
        (!config.health.jobs.is_empty()).then(|| format!("the ledger of {}", shard.name))
    }

    fn pause(&self) -> std::time::Duration {
        std::time::Duration::from_secs(30)
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let Some(shard) = shard(&instance.subject) else { return Err(Error::internal("a shard was expected")) };
            let config = asking.config()?;
            let endpoint = reach::primary(config, shard, &config.users.monitor)?.connect_timeout(asking.limit);
            let session = asking.cx.connect(endpoint).await?;
            let rows = match asking.guarded(session.canceller(), session.simple(SQL)).await {
                Ok(rows) => rows,
                Err(error) if is_not_set_up(&error) => Vec::new(),
                Err(error) => return Err(error),
            };
            // What could be written to no shard is in this machine's file.
            let lines = journal::recent().unwrap_or_default();
            let ago = |job: &HealthJob| {
                let row =
                    rows.iter().find(|r| text(r, "tool") == Some(&job.tool) && text(r, "verb") == Some(&job.verb));
                let here = last_good(&lines, &job.tool, &job.verb, &shard.name).map(seconds_since);
                let there = row.and_then(|row| number(row, "ago"));
                here.into_iter().chain(there).min_by(f64::total_cmp)
            };
            let checks = config.health.jobs.iter().map(|job| of_job(job, ago(job))).collect();
            Ok(Found { role: None, checks })
        })
    }
}

fn of_job(job: &HealthJob, ago: Option<f64>) -> Check {
    let name = format!("{} {}", job.tool, job.verb);
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    let limit = Limit::above(None, job.every_seconds as f64);
    let check = match ago {
        Some(ago) => Check::number("run_seconds", Some(ago.round()), "seconds", limit),
        None => Check::holds("run", false, Health::Fail, format!("`{name}` has never ended well here")),
    };
    check.of(name).hint("Look at the crontab and its mail; shardctl status --ledger 50 shows what ran.")
}

//! PgBouncer: whether clients wait, and whether it lets them in at all.

use flotilla::config::{Config, HealthSettings, Pooler};
use flotilla::fanout::BoxFuture;
use flotilla::target::Kind;
use flotilla::{Error, Result, reach};
use tokio_postgres::SimpleQueryRow;

use super::rows::{number, text};
use super::{Asking, Component, Found, Instance, Subject};
use crate::check::{Check, Health, Limit};

/// One PgBouncer, by its console.
pub(crate) struct PgBouncer;

impl Component for PgBouncer {
    fn name(&self) -> &'static str {
        "pgbouncer"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        let pooler = pooler(subject)?;
        Some(format!("{}:{}", pooler.hostaddr.map_or_else(|| pooler.host.clone(), |a| a.to_string()), pooler.port))
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let Some(pooler) = pooler(&instance.subject) else { return Err(Error::internal("a pooler was expected")) };
            let config = asking.config()?;
            let endpoint = reach::console(config, pooler, &config.users.monitor)?.connect_timeout(asking.limit);
            let session = asking.cx.connect(endpoint).await?;
            // The console takes one question at a time.
            let pools = session.simple("SHOW POOLS").await?;
            let databases = session.simple("SHOW DATABASES").await?;
            let settings = session.simple("SHOW CONFIG").await?;
            let mut checks = waiting(&pools, &config.health);
            checks.extend(closed(&databases));
            checks.extend(clients(&pools, &settings, &config.health));
            Ok(Found { role: None, checks })
        })
    }
}

/// The pooler of a subject.
pub(crate) fn pooler(subject: &Subject) -> Option<&Pooler> {
    match subject {
        Subject::Target(target) => match &target.kind {
            Kind::Pooler(pooler) => Some(pooler),
            _ => None,
        },
        Subject::Store(_) => None,
    }
}

/// The console's own pool is nobody's.
fn of_shards<'a>(rows: &'a [SimpleQueryRow], column: &'static str) -> impl Iterator<Item = &'a SimpleQueryRow> {
    rows.iter().filter(move |row| text(row, column).is_some_and(|name| name != "pgbouncer"))
}

fn waiting(pools: &[SimpleQueryRow], settings: &HealthSettings) -> Vec<Check> {
    let mut checks = Vec::new();
    for row in of_shards(pools, "database") {
        let of = format!("{}/{}", text(row, "database").unwrap_or_default(), text(row, "user").unwrap_or_default());
        let seconds = number(row, "maxwait").map(|s| s + number(row, "maxwait_us").unwrap_or(0.0) / 1e6);
        checks.push(
            Check::number(
                "wait_seconds",
                seconds,
                "seconds",
                Limit::above(settings.pool_wait_seconds_warn, settings.pool_wait_seconds_fail),
            )
            .of(&*of)
            .hint("Servers are busy or gone: look at the shard, then at the pool's size."),
        );
        for (check, column) in [
            ("clients_active", "cl_active"),
            ("clients_waiting", "cl_waiting"),
            ("servers_active", "sv_active"),
            ("servers_idle", "sv_idle"),
        ] {
            checks.extend(Check::figure(check, number(row, column), "").map(|figure| figure.of(&*of)));
        }
    }
    checks
}

fn closed(databases: &[SimpleQueryRow]) -> Vec<Check> {
    let mut checks = Vec::new();
    for row in of_shards(databases, "name") {
        let name = text(row, "name").unwrap_or_default();
        for (column, health, what, how) in
            [("paused", Health::Warn, "paused", "RESUME"), ("disabled", Health::Fail, "disabled", "ENABLE")]
        {
            if number(row, column).is_some_and(|set| set != 0.0) {
                let check = Check::word("database", what, health).of(name);
                checks.push(
                    check
                        .message(format!("database \"{name}\" is {what}"))
                        .hint(format!("`{how} {name}` on its console opens it.")),
                );
            }
        }
    }
    checks
}

fn clients(pools: &[SimpleQueryRow], settings: &[SimpleQueryRow], health: &HealthSettings) -> Option<Check> {
    let most = settings.iter().find(|row| text(row, "key") == Some("max_client_conn"));
    let most = most.and_then(|row| number(row, "value")).filter(|most| *most > 0.0)?;
    let count =
        |row: &SimpleQueryRow| number(row, "cl_active").unwrap_or(0.0) + number(row, "cl_waiting").unwrap_or(0.0);
    let all: f64 = of_shards(pools, "database").map(count).sum();
    let limit = Limit::above(health.pool_clients_ratio_warn, None);
    Some(
        Check::number("clients_ratio", Some(all / most), "ratio", limit)
            .hint("Raise max_client_conn, and the limit of open files with it."),
    )
}

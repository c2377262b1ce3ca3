//! Samples: what a console shows, again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use flotilla::Result;
use tokio::time::{Instant, MissedTickBehavior};

use crate::pgbouncer::console::{Console, Row};

/// What was seen in a window.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    /// One after the other.
    pub(super) looks: Vec<Look>,
    /// The sizes of pools, by database.
    pub(super) pool_sizes: BTreeMap<String, i64>,
}

/// What was seen at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// Seconds since the first.
    pub(super) at: f64,
    /// What databases have done so far, by name.
    pub(super) totals: BTreeMap<String, Totals>,
    /// What pools are doing, by database and user.
    pub(super) pools: BTreeMap<(String, String), Pool>,
}

/// What a database has done since its pooler started. Times in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) transactions: i64,
    pub(super) transaction_time: i64,
    pub(super) query_time: i64,
    pub(super) wait_time: i64,
}

/// What a pool is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pool {
    pub(super) waiting: i64,
    pub(super) active: i64,
    pub(super) idle: i64,
    pub(super) joining: i64,
}

impl Samples {
    /// Looks this often within the window.
    pub(super) async fn take(console: &Console, window: Duration, count: u32) -> Result<Self> {
        let databases = console.show("DATABASES").await?;
        let sizes = databases.iter().map(|row| (row.text("name"), row.number("pool_size").unwrap_or(0)));
        let mut samples = Self { looks: Vec::new(), pool_sizes: sizes.collect() };
        // As many intervals as samples: every one but the first ends an interval.
        let mut clock = tokio::time::interval(window / count);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let began = Instant::now();
        for _ in 0..=count {
            clock.tick().await;
            let totals = console.show("STATS_TOTALS").await?;
            let at = began.elapsed().as_secs_f64();
            let pools = console.show("POOLS").await?;
            samples.looks.push(Look {
                at,
                totals: totals
                    .iter()
                    .filter(|row| is_own(row))
                    .map(|row| (row.text("database"), totals_of(row)))
                    .collect(),
                pools: pools
                    .iter()
                    .filter(|row| is_own(row))
                    .map(|row| ((row.text("database"), row.text("user")), pool(row)))
                    .collect(),
            });
        }
        Ok(samples)
    }
}

fn is_own(row: &Row) -> bool {
    row.get("database") != Some("pgbouncer")
}

fn totals_of(row: &Row) -> Totals {
    let number = |column: &str| row.number(column).or_else(|| row.number(&format!("total_{column}"))).unwrap_or(0);
    Totals {
        transactions: number("xact_count"),
        transaction_time: number("xact_time"),
        query_time: number("query_time"),
        wait_time: number("wait_time"),
    }
}

fn pool(row: &Row) -> Pool {
    let number = |column: &str| row.number(column).unwrap_or(0);
    Pool {
        waiting: number("cl_waiting"),
        active: number("sv_active"),
        // Those that only need a look before their next use are free too.
        idle: number("sv_idle") + number("sv_used"),
        joining: number("sv_login") + number("sv_tested"),
    }
}

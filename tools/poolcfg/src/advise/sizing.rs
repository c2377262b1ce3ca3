//! From samples to sizes: Little's law, and what else was seen.

use flotilla::Error;
use schemars::JsonSchema;
use serde::Serialize;

use super::sample::{Pool, Samples, Totals};

/// How full a pool should be at its busiest: above, waiting times rise steeply.
const FILL: f64 = 0.7;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Make the pool larger.
    Grow,
    /// Make it smaller.
    Shrink,
    /// Leave it.
    Keep,
    /// Look at the application first: a larger pool wouldn't help.
    Look,
}

/// What was seen besides the need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Signal {
    /// Clients waited while no server was free.
    Waiting,
    /// Fewer than half of the servers were at work nearly always, and nobody waited.
    Idle,
    /// Transactions are open much longer than their queries run: the application thinks inside them.
    OpenTransactions,
    /// Many servers were logging in or being reset: their lifetime is too short.
    Churn,
}

/// How much the evidence is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Confidence {
    /// Few samples or transactions.
    Low,
    /// Enough for an opinion.
    Medium,
    /// Many of both.
    High,
}

/// The spread of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) max: f64,
}

/// The evidence about one pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizing {
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) pool_size: i64,
    pub(crate) seconds: f64,
    pub(crate) samples: usize,
    pub(crate) transactions: i64,
    pub(crate) least_transactions: i64,
    /// Servers that were needed at a time.
    pub(crate) needed: Spread,
    /// Servers that were at work when it looked.
    pub(crate) active: Spread,
    /// The part of the samples in which clients waited and no server was free.
    pub(crate) starved: f64,
    /// The part of the samples in which clients waited.
    pub(crate) waited: f64,
    /// Servers that were joining, of all that there were.
    pub(crate) joining: f64,
    pub(crate) wait_ms: Option<f64>,
    pub(crate) query_share: Option<f64>,
}

/// The evidence about every pool that was there.
pub(super) fn of(samples: &Samples, least_transactions: i64) -> Vec<Sizing> {
    let mut pools: Vec<&(String, String)> = samples.looks.iter().flat_map(|look| look.pools.keys()).collect();
    pools.sort_unstable();
    pools.dedup();
    pools.into_iter().map(|pool| one(samples, pool, least_transactions)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts and microseconds of a window are far below 2^53")]
fn one(samples: &Samples, pool: &(String, String), least_transactions: i64) -> Sizing {
    let (database, user) = pool;
    let looks = &samples.looks;
    let seen: Vec<Pool> = looks.iter().skip(1).map(|look| look.pools.get(pool).copied().unwrap_or_default()).collect();
    // Statistics are by database: its users share them as they were at work.
    let of_all = |look: &super::sample::Look| -> i64 {
        look.pools.iter().filter(|((own, _), _)| own == database).map(|(_, pool)| pool.active + pool.waiting).sum()
    };
    let own: i64 = seen.iter().map(|pool| pool.active + pool.waiting).sum();
    let all: i64 = looks.iter().skip(1).map(of_all).sum();
    let users = looks.iter().flat_map(|look| look.pools.keys()).filter(|(own, _)| own == database);
    let users = users.map(|(_, user)| user).collect::<std::collections::BTreeSet<_>>().len().max(1);
    let share = if all > 0 { own as f64 / all as f64 } else { 1.0 / users as f64 };

    let total = |at: usize| looks.get(at).and_then(|look| look.totals.get(database)).copied().unwrap_or_default();
    let mut needed = Vec::new();
    let mut sum = Totals::default();
    for at in 1..looks.len() {
        let (before, now) = (total(at - 1), total(at));
        // A pooler that was restarted begins to count anew.
        if now.transactions < before.transactions || now.transaction_time < before.transaction_time {
            continue;
        }
        let micros = (looks[at].at - looks[at - 1].at) * 1e6;
        let time = now.transaction_time - before.transaction_time;
        if micros > 0.0 {
            needed.push(time as f64 / micros * share);
        }
        sum.transactions += now.transactions - before.transactions;
        sum.transaction_time += time;
        sum.query_time += now.query_time - before.query_time;
        sum.wait_time += now.wait_time - before.wait_time;
    }
    let part = |is: &dyn Fn(&Pool) -> bool| {
        if seen.is_empty() { 0.0 } else { seen.iter().filter(|pool| is(pool)).count() as f64 / seen.len() as f64 }
    };
    let servers: i64 = seen.iter().map(|pool| pool.active + pool.idle + pool.joining).sum();
    let joining: i64 = seen.iter().map(|pool| pool.joining).sum();
    #[expect(clippy::cast_possible_truncation, reason = "a part of a count that is one itself")]
    let transactions = (sum.transactions as f64 * share).round() as i64;
    Sizing {
        database: database.clone(),
        user: user.clone(),
        pool_size: samples.pool_sizes.get(database).copied().unwrap_or(0),
        seconds: looks.last().map_or(0.0, |look| look.at),
        samples: needed.len(),
        transactions,
        least_transactions,
        needed: spread(needed),
        active: spread(seen.iter().map(|pool| pool.active as f64).collect()),
        starved: part(&|pool| pool.waiting > 0 && pool.idle == 0),
        waited: part(&|pool| pool.waiting > 0),
        joining: if servers > 0 { joining as f64 / servers as f64 } else { 0.0 },
        wait_ms: (sum.transactions > 0).then(|| sum.wait_time as f64 / 1000.0 / sum.transactions as f64),
        query_share: (sum.transaction_time > 0).then(|| (sum.query_time as f64 / sum.transaction_time as f64).min(1.0)),
    }
}

/// The percentiles, each a value that was seen.
fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among a few samples"
    )]
    let at = |part: f64| {
        let rank = (values.len() as f64 * part).ceil() as usize;
        values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    };
    Spread { p50: at(0.5), p95: at(0.95), max: values.last().copied().unwrap_or(0.0) }
}

impl Sizing {
    /// Why nothing is advised: too few samples or transactions.
    pub(super) fn too_little(&self) -> Option<Error> {
        let fewest = super::FEWEST_SAMPLES as usize;
        if self.samples < fewest {
            return Some(
                Error::refused(format!("{} samples of \"{}\" are too few", self.samples, self.database))
                    .hint("The pooler was restarted meanwhile, or didn't answer; look again."),
            );
        }
        (self.transactions < self.least_transactions).then(|| {
            Error::refused(format!(
                "{} transactions of \"{}\" as \"{}\" in {:.0} s are too few to advise on",
                self.transactions, self.database, self.user, self.seconds
            ))
            .hint("Look for longer with --window, when applications work.")
        })
    }

    /// The size by Little's law: what 95 % of the time suffices, with air above.
    fn by_need(&self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "a count of connections")]
        let size = (self.needed.p95 / FILL).ceil() as i64;
        // What takes turns faster than it was looked for still needs a server.
        size.max(1)
    }

    /// The size to have; none where there is too little evidence or the application has to be looked at.
    pub(super) fn advised(&self) -> Option<i64> {
        match self.verdict()? {
            Verdict::Look => None,
            Verdict::Keep => Some(self.pool_size),
            // Waiting clients show that the need is larger than what was carried.
            Verdict::Grow => Some(self.by_need().max(self.pool_size + (self.pool_size / 4).max(1))),
            Verdict::Shrink => Some(self.by_need()),
        }
    }

    /// What to do; none where there is too little evidence.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        if self.too_little().is_some() {
            return None;
        }
        let signals = self.signals();
        let has = |signal| signals.contains(&signal);
        let size = self.by_need();
        Some(match () {
            () if has(Signal::Waiting) && has(Signal::OpenTransactions) => Verdict::Look,
            () if has(Signal::Waiting) || size > self.pool_size => Verdict::Grow,
            () if has(Signal::Idle) && size < self.pool_size => Verdict::Shrink,
            () => Verdict::Keep,
        })
    }

    /// What was seen besides.
    pub(super) fn signals(&self) -> Vec<Signal> {
        #[expect(clippy::cast_precision_loss, reason = "a count of connections")]
        let half = self.pool_size as f64 / 2.0;
        let mut signals = Vec::new();
        if self.starved > 0.05 {
            signals.push(Signal::Waiting);
        }
        if self.active.p95 < half && self.needed.p95 < half && self.waited == 0.0 {
            signals.push(Signal::Idle);
        }
        if self.query_share.is_some_and(|share| share < 0.5) {
            signals.push(Signal::OpenTransactions);
        }
        if self.joining > 0.1 {
            signals.push(Signal::Churn);
        }
        signals
    }

    /// How much it is worth.
    pub(super) fn confidence(&self) -> Option<Confidence> {
        if self.too_little().is_some() {
            return None;
        }
        Some(match (self.samples, self.transactions) {
            (200.., 10_000..) => Confidence::High,
            (50.., 1000..) => Confidence::Medium,
            _ => Confidence::Low,
        })
    }

    /// How the size comes about, with its numbers.
    pub(super) fn formula(&self) -> String {
        format!(
            "ceil(p95(transaction time / time) / {FILL}) = ceil({:.2} / {FILL}) = {} over {:.0} s, {} samples, {} transactions",
            self.needed.p95,
            self.by_need(),
            self.seconds,
            self.samples,
            self.transactions
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Look;
    use super::*;

    /// Thirty looks, a second apart: `rate` transactions a second of so many milliseconds, of which queries
    /// ran so many; and what the pool did.
    fn samples(rate: i64, millis: i64, query_millis: i64, pool: Pool, size: i64) -> Samples {
        let key = ("s0".to_owned(), "app".to_owned());
        let looks = (0..31).map(|second: i64| Look {
            at: f64::from(i32::try_from(second).expect("small")),
            totals: [(
                "s0".to_owned(),
                Totals {
                    transactions: rate * second,
                    transaction_time: rate * second * millis * 1000,
                    query_time: rate * second * query_millis * 1000,
                    wait_time: 0,
                },
            )]
            .into(),
            pools: [(key.clone(), pool)].into(),
        });
        Samples { looks: looks.collect(), pool_sizes: [("s0".to_owned(), size)].into() }
    }

    fn only(samples: &Samples) -> Sizing {
        of(samples, 100).remove(0)
    }

    #[test]
    fn littles_law_gives_the_size() {
        // 700 a second of 10 ms each keep 7 servers at work; with air above, 10.
        let busy = Pool { active: 7, idle: 3, ..Pool::default() };
        let sizing = only(&samples(700, 10, 10, busy, 10));
        assert_eq!((sizing.by_need(), sizing.verdict()), (10, Some(Verdict::Keep)));
        let sizing = only(&samples(700, 10, 10, busy, 8));
        assert_eq!((sizing.verdict(), sizing.advised()), (Some(Verdict::Grow), Some(10)));
        let sizing = only(&samples(700, 10, 10, Pool { active: 7, idle: 33, ..Pool::default() }, 40));
        assert_eq!((sizing.verdict(), sizing.advised()), (Some(Verdict::Shrink), Some(10)));
    }

    #[test]
    fn waiting_clients_want_more_unless_the_application_thinks_inside_transactions() {
        let starved = Pool { active: 10, waiting: 4, ..Pool::default() };
        let sizing = only(&samples(1000, 10, 9, starved, 10));
        assert_eq!((sizing.verdict(), sizing.advised()), (Some(Verdict::Grow), Some(15)));
        let sizing = only(&samples(1000, 10, 2, starved, 10));
        assert_eq!((sizing.verdict(), sizing.advised()), (Some(Verdict::Look), None));
        assert_eq!(sizing.signals(), [Signal::Waiting, Signal::OpenTransactions]);
    }

    #[test]
    fn too_little_evidence_is_no_advice() {
        let sizing = only(&samples(1, 10, 10, Pool::default(), 10));
        assert!(sizing.too_little().is_some() && sizing.verdict().is_none() && sizing.advised().is_none());
        let mut few = samples(700, 10, 10, Pool::default(), 10);
        few.looks.truncate(12);
        assert!(only(&few).too_little().is_some());
    }

    #[test]
    fn a_restarted_pooler_takes_its_interval_away() {
        let mut restarted = samples(700, 10, 10, Pool::default(), 10);
        for look in &mut restarted.looks[20..] {
            for totals in look.totals.values_mut() {
                totals.transactions -= 13_000;
                totals.transaction_time -= 130_000_000;
            }
        }
        assert_eq!(only(&restarted).samples, 29);
    }
}

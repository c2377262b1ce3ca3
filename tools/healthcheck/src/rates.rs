//! What counters say over time: only somebody who looks twice can tell.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use flotilla::config::HealthSettings;
use tokio::time::Instant;

use crate::check::{Check, Limit};

/// Over how long a rate is taken.
const WINDOW: Duration = Duration::from_mins(1);
/// With fewer transactions than this a ratio says nothing.
const ENOUGH: f64 = 100.0;
/// A server that fails its balancer's check so often in a window comes and goes.
const FLAPS: f64 = 2.0;
/// So many elections in a window are too many.
const ELECTIONS: f64 = 2.0;

/// What the counters of one instance were.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    seen: HashMap<String, VecDeque<(Instant, f64)>>,
}

impl Rates {
    /// What follows from these counters and those before.
    pub(crate) fn of(&mut self, checks: &[Check], now: Instant, settings: &HealthSettings) -> Vec<Check> {
        let mut grown: HashMap<String, f64> = HashMap::new();
        for check in checks.iter().filter(|check| check.check.ends_with("_total")) {
            if let Some(value) = check.value() {
                grown.insert(check.label(), self.growth(check.label(), value, now));
            }
        }
        let mut found = Vec::new();
        if let Some(deadlocks) = grown.get("deadlocks_total") {
            let limit = Limit::above(settings.deadlocks_per_minute_warn, None);
            found.push(
                Check::number("deadlocks_per_minute", Some(*deadlocks), "", limit)
                    .hint("Transactions lock the same rows in different orders; the server's log has both."),
            );
        }
        if let Some((commits, rollbacks)) = grown.get("commits_total").zip(grown.get("rollbacks_total")) {
            let all = commits + rollbacks;
            let ratio = if all >= ENOUGH { rollbacks / all } else { 0.0 };
            let limit = Limit::above(settings.rollback_ratio_warn, None);
            found.push(
                Check::number("rollback_ratio", Some(ratio), "ratio", limit)
                    .hint("An application fails often; the server's log has its errors."),
            );
        }
        for (label, falls) in grown.iter().filter(|(label, _)| label.starts_with("check_downs_total")) {
            let of = label.split(['[', ']']).nth(1).unwrap_or_default();
            let check = Check::number("check_downs_per_minute", Some(*falls), "", Limit::above(FLAPS, None));
            found.push(check.of(of).hint("A server comes and goes: its checks are too eager, or it is overloaded."));
        }
        if let Some(changes) = grown.get("leader_changes_total") {
            let check = Check::number("leader_changes_per_minute", Some(*changes), "", Limit::above(ELECTIONS, None));
            found.push(check.hint("etcd's network or disk is too slow for its timeouts."));
        }
        found
    }

    /// How much a counter has grown in the window. One that is smaller than before was set back.
    fn growth(&mut self, label: String, value: f64, now: Instant) -> f64 {
        let seen = self.seen.entry(label).or_default();
        if seen.back().is_some_and(|(_, last)| *last > value) {
            seen.clear();
        }
        seen.push_back((now, value));
        while seen.len() > 1 && seen.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            seen.pop_front();
        }
        seen.front().map_or(0.0, |(_, first)| value - first)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flotilla::config::HealthSettings;
    use tokio::time::Instant;

    use super::Rates;
    use crate::check::{Check, Health};

    #[test]
    fn deadlocks_are_counted_over_a_minute_and_forgotten_after() {
        let (mut rates, settings, began) = (Rates::default(), HealthSettings::default(), Instant::now());
        let mut at = |second: u64, total: f64| {
            let counter: Vec<Check> = Check::figure("deadlocks_total", Some(total), "").into_iter().collect();
            let found = rates.of(&counter, began + Duration::from_secs(second), &settings);
            (found[0].value(), found[0].status)
        };
        assert_eq!(at(0, 100.0), (Some(0.0), Health::Pass));
        assert_eq!(at(30, 106.0), (Some(6.0), Health::Warn));
        assert_eq!(at(120, 106.0), (Some(0.0), Health::Pass));
        // The statistics were reset.
        assert_eq!(at(130, 1.0), (Some(0.0), Health::Pass));
    }
}

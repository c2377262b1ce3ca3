//! From what was seen to what is told: a few times bad in a row before it fires, a few times well before it is over.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::input::{Observation, SeenCheck};
use super::state::{Alert, State, key};
use crate::check::Health;

/// How patient to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) failures: u32,
    pub(super) successes: u32,
    pub(super) remind: Duration,
    pub(super) from: Health,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// Bad, but not often enough yet.
    #[default]
    Pending,
    /// Bad.
    Firing,
    /// Over, and not everybody has been told yet.
    Resolved,
}

/// Takes in what was seen.
pub(super) fn take(state: &mut State, seen: &[Observation], patience: &Patience, now: DateTime<Utc>) {
    for one in seen {
        let mut looked_at = HashSet::new();
        for check in &one.checks {
            let key = key(&one.component, &one.instance, &check.check, check.of.as_deref());
            looked_at.insert(key.clone());
            if check.status >= patience.from {
                bad(state, key, one, check, patience, now);
            } else {
                good(state, &key, patience, now);
            }
        }
        if one.answered {
            // What isn't looked at any more is gone, such as a slot that was dropped. Of one that didn't answer
            // nobody knows.
            let gone: Vec<String> = state
                .alerts
                .iter()
                .filter(|(key, alert)| {
                    alert.component == one.component && alert.instance == one.instance && !looked_at.contains(*key)
                })
                .map(|(key, _)| key.clone())
                .collect();
            for key in &gone {
                good(state, key, patience, now);
            }
        }
    }
}

fn bad(state: &mut State, key: String, one: &Observation, check: &SeenCheck, patience: &Patience, now: DateTime<Utc>) {
    let alert = state.alerts.entry(key).or_insert_with(|| Alert {
        target: one.target.clone(),
        component: one.component.clone(),
        instance: one.instance.clone(),
        shard: one.shard.clone(),
        check: check.check.clone(),
        of: check.of.clone(),
        since: now,
        ..Alert::default()
    });
    if alert.stage == Stage::Resolved {
        // It has come back before everybody knew that it was gone.
        (alert.stage, alert.failures, alert.since, alert.ended) = (Stage::Pending, 0, now, None);
        (alert.told, alert.resolution_owed) = (None, false);
        alert.owed.clear();
    }
    alert.health = check.status;
    alert.summary.clone_from(&check.message);
    alert.hint.clone_from(&check.hint);
    alert.failures = alert.failures.saturating_add(1);
    alert.successes = 0;
    if alert.failures >= patience.failures {
        alert.stage = Stage::Firing;
    }
}

fn good(state: &mut State, key: &str, patience: &Patience, now: DateTime<Utc>) {
    let Some(alert) = state.alerts.get_mut(key) else { return };
    match alert.stage {
        Stage::Pending => drop(state.alerts.remove(key)),
        Stage::Firing => {
            alert.successes += 1;
            if alert.successes >= patience.successes {
                alert.stage = Stage::Resolved;
                alert.ended = Some(now);
            }
        }
        Stage::Resolved => {}
    }
}

/// Decides what is to be told now, and to whom.
pub(super) fn tell(
    state: &mut State,
    patience: &Patience,
    receivers: &[String],
    now: DateTime<Utc>,
    is_silent: impl Fn(&Alert) -> bool,
) {
    let remind = chrono::Duration::from_std(patience.remind).unwrap_or(chrono::Duration::MAX);
    for alert in state.alerts.values_mut() {
        alert.silenced = is_silent(alert);
        alert.event = None;
        let owe = |alert: &mut Alert, event: &'static str| {
            alert.event = Some(event);
            alert.told = Some(now);
            alert.owed = receivers.to_vec();
        };
        match (alert.stage, alert.told) {
            (Stage::Firing, _) if alert.silenced => alert.owed.clear(),
            // One that is well again, but not for long enough to be over, is no news.
            (Stage::Firing, None) if alert.successes == 0 => owe(alert, "firing"),
            (Stage::Firing, Some(told)) if now - told >= remind => owe(alert, "reminder"),
            // Nobody was told that it began, so nobody is told that it is over.
            (Stage::Resolved, None) => alert.owed.clear(),
            (Stage::Resolved, Some(_)) if !alert.resolution_owed => {
                owe(alert, "resolved");
                alert.resolution_owed = true;
            }
            _ => {}
        }
    }
    state.alerts.retain(|_, alert| alert.stage != Stage::Resolved || alert.told.is_some());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Patience, take, tell};
    use crate::alert::input::{Observation, SeenCheck};
    use crate::alert::state::{Alert, State};
    use crate::check::Health;

    const PATIENCE: Patience =
        Patience { failures: 3, successes: 2, remind: Duration::from_hours(1), from: Health::Warn };

    fn seen(checks: &[(&str, Health)]) -> Vec<Observation> {
        let checks = checks.iter().map(|(check, status)| SeenCheck {
            check: (*check).to_owned(),
            of: None,
            status: *status,
            message: None,
            hint: None,
        });
        let answered = true;
        let (component, instance) = ("postgresql".to_owned(), "s0-a".to_owned());
        vec![Observation { target: None, component, instance, shard: None, checks: checks.collect(), answered }]
    }

    struct Story {
        state: State,
        at: DateTime<Utc>,
    }

    impl Story {
        fn new() -> Self {
            Self { state: State::default(), at: DateTime::UNIX_EPOCH }
        }

        fn sees(&mut self, checks: &[(&str, Health)], silent: impl Fn(&Alert) -> bool) -> Vec<&'static str> {
            self.at += TimeDelta::minutes(1);
            take(&mut self.state, &seen(checks), &PATIENCE, self.at);
            tell(&mut self.state, &PATIENCE, &["mail".to_owned()], self.at, silent);
            let events = self.state.alerts.values().filter_map(|alert| alert.event).collect();
            self.state.paid("mail");
            events
        }
    }

    #[test]
    fn it_fires_once_reminds_and_ends() {
        let (mut story, loud) = (Story::new(), |_: &Alert| false);
        let bad = [("commit", Health::Fail)];
        assert!(story.sees(&bad, loud).is_empty());
        assert!(story.sees(&bad, loud).is_empty());
        assert_eq!(story.sees(&bad, loud), ["firing"]);
        assert!(story.sees(&bad, loud).is_empty(), "once is enough");
        story.at += TimeDelta::hours(1);
        assert_eq!(story.sees(&bad, loud), ["reminder"]);
        let good = [("commit", Health::Pass)];
        assert!(story.sees(&good, loud).is_empty());
        assert_eq!(story.sees(&good, loud), ["resolved"]);
        assert!(story.state.alerts.is_empty());
    }

    #[test]
    fn what_flaps_doesnt_fire_and_what_is_gone_is_over() {
        let (mut story, loud) = (Story::new(), |_: &Alert| false);
        for _ in 0..5 {
            assert!(story.sees(&[("lag", Health::Warn)], loud).is_empty());
            assert!(story.sees(&[("lag", Health::Warn)], loud).is_empty());
            assert!(story.sees(&[("lag", Health::Pass)], loud).is_empty());
        }
        for _ in 0..3 {
            story.sees(&[("slot", Health::Unknown)], loud);
        }
        story.sees(&[], loud);
        assert_eq!(story.sees(&[], loud), ["resolved"]);
    }

    #[test]
    fn a_silence_keeps_quiet_and_its_end_tells() {
        let mut story = Story::new();
        let bad = [("commit", Health::Fail)];
        for _ in 0..5 {
            assert!(story.sees(&bad, |_| true).is_empty());
        }
        assert_eq!(story.sees(&bad, |_| false), ["firing"]);
        let mut story = Story::new();
        for _ in 0..5 {
            story.sees(&bad, |_| true);
        }
        // Nobody heard of it, so nobody hears of its end.
        for _ in 0..3 {
            assert!(story.sees(&[("commit", Health::Pass)], |_| false).is_empty());
        }
        assert!(story.state.alerts.is_empty());
    }
}

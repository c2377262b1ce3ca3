//! The records: one for each rule and instance, and one for each rule.

use std::time::Duration;

use chrono::NaiveDate;
use flotilla::config::HealthWaiver;
use flotilla::record::{Line, Record};
use flotilla::{Code, Error};
use schemars::JsonSchema;
use serde::Serialize;

use super::facts::Unseen;
use super::rule::{Judged, Rule, Severity, Verdict};
use super::waiver::Cover;
use crate::component::Instance;

/// How a rule ended, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It holds.
    Pass,
    /// It doesn't, or can't be told, and a waiver covers it.
    Waived,
    /// It doesn't hold: somebody should look at it.
    Warn,
    /// Nobody can tell, which is never taken for well.
    Unknown,
    /// It doesn't hold.
    Fail,
}

impl From<Severity> for State {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Warn => Self::Warn,
            Severity::Fail => Self::Fail,
        }
    }
}

/// What one rule says of one instance.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Audited {
    /// The rule.
    pub(super) rule: Option<&'static str>,
    /// The component that the rule is about; `waiver` of what is wrong with a waiver.
    component: Option<&'static str>,
    /// What was looked at, by its name in the topology.
    instance: Option<String>,
    /// The shard that it is or belongs to; null where it is none's.
    shard: Option<String>,
    /// Where it was looked.
    endpoint: Option<String>,
    /// How it ended.
    pub(super) state: Option<State>,
    /// Whether it was tried rather than read.
    proof: Option<bool>,
    /// What was seen, or why nothing was.
    observed: Option<String>,
    /// Why it is a rule.
    why: Option<&'static str>,
    /// What to do; null where all is well.
    hint: Option<String>,
    /// The last day on which the waiver counts that covers it, or did; null where none does.
    waived_until: Option<NaiveDate>,
    /// The reason that the waiver gives.
    waiver_reason: Option<String>,
}

impl Record for Audited {
    const KIND: &'static str = "healthcheck.audit";
    const COLUMNS: &'static [&'static str] = &["instance", "rule", "state", "observed"];
}

/// One rule.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct RuleRecord {
    /// Its name.
    rule: Option<&'static str>,
    /// The component that it is about.
    component: Option<&'static str>,
    /// How bad it is when it doesn't hold.
    severity: Option<Severity>,
    /// Whether it tries rather than reads.
    proof: Option<bool>,
    /// Why it is one.
    why: Option<&'static str>,
    /// How to mend what it finds.
    mend: Option<&'static str>,
}

impl Record for RuleRecord {
    const KIND: &'static str = "healthcheck.rule";
    const COLUMNS: &'static [&'static str] = &["rule", "severity", "why"];
}

impl RuleRecord {
    pub(super) fn of(component: &'static str, rule: &'static Rule) -> Self {
        Self {
            rule: Some(rule.name),
            component: Some(component),
            severity: Some(rule.severity),
            proof: Some(rule.proof),
            why: Some(rule.why),
            mend: Some(rule.mend),
        }
    }
}

impl Audited {
    /// What a rule says of an instance; none where it doesn't concern it.
    pub(super) fn of(
        component: &'static str,
        instance: &Instance,
        rule: &'static Rule,
        judged: Judged,
    ) -> Option<Self> {
        let (state, observed, hint) = match judged {
            Ok(Verdict::Moot) => return None,
            Ok(Verdict::Good(seen)) => (State::Pass, seen, None),
            Ok(Verdict::Bad(seen)) => (rule.severity.into(), seen, Some(rule.mend.to_owned())),
            Err(Unseen { why, hint }) => (State::Unknown, why, hint),
        };
        Some(Self {
            rule: Some(rule.name),
            component: Some(component),
            instance: Some(instance.name.clone()),
            shard: instance.shard.clone(),
            endpoint: Some(instance.endpoint.clone()),
            state: Some(state),
            proof: Some(rule.proof),
            observed: Some(observed),
            why: Some(rule.why),
            hint,
            waived_until: None,
            waiver_reason: None,
        })
    }

    /// What is wrong with a waiver itself.
    pub(super) fn of_waiver(waiver: &HealthWaiver, rule: &'static str, state: State, observed: String) -> Self {
        Self {
            rule: Some(rule),
            component: Some("waiver"),
            instance: waiver.target.clone(),
            state: Some(state),
            proof: Some(false),
            observed: Some(observed),
            why: Some("A waiver is for a while, and for something that is there."),
            hint: Some("Mend what it covers, or give it a later day in [[health.waivers]]; or remove it.".to_owned()),
            waived_until: Some(waiver.until),
            waiver_reason: Some(waiver.reason.clone()),
            ..Self::default()
        }
    }

    /// Whether it wants to be waived.
    pub(super) fn is_bad(&self) -> bool {
        self.state.is_some_and(|state| state > State::Waived)
    }

    /// With what a waiver does to it.
    pub(super) fn waived(mut self, cover: Option<&Cover<'_>>) -> Self {
        let waiver = match cover {
            None => return self,
            Some(Cover::Good(waiver)) => {
                self.state = Some(State::Waived);
                waiver
            }
            Some(Cover::Expired(waiver)) => {
                self.state = self.state.map(|_| State::Fail);
                let observed = self.observed.take().unwrap_or_default();
                self.observed = Some(format!("{observed}; its waiver ended on {}", waiver.until));
                waiver
            }
        };
        self.waived_until = Some(waiver.until);
        self.waiver_reason = Some(waiver.reason.clone());
        self
    }

    /// The line; an error from this state on. Why nothing could be looked at goes before what a rule says.
    pub(super) fn line(
        self,
        target: Option<String>,
        from: State,
        failed: Option<&Error>,
        took: Duration,
    ) -> Line<Self> {
        if self.state.is_none_or(|state| state < from) {
            return Line::ok(target, false, self, took);
        }
        let error = Error::new(failed.map_or(Code::Mismatch, Error::code), self.observed.clone().unwrap_or_default());
        let error = match &self.hint {
            Some(hint) => error.hint(hint.clone()),
            None => error,
        };
        Line::failed(target, &error, took).with_body(self)
    }
}

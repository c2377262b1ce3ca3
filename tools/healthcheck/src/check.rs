//! One thing that was looked at: what was seen, what it is held against, how good that is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How well something is, from best to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Health {
    /// It is well.
    #[default]
    Pass,
    /// Somebody should look at it.
    Warn,
    /// Nobody can tell, which is never taken for well.
    Unknown,
    /// It isn't well.
    Fail,
}

impl Health {
    /// The word that records and pages have for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}

/// What a number is held against.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limit {
    warn: Option<f64>,
    fail: Option<f64>,
    /// Whether less is worse.
    falling: bool,
}

impl Limit {
    /// More than the first is a warning, more than the second a failure.
    pub(crate) fn above(warn: impl Into<Option<f64>>, fail: impl Into<Option<f64>>) -> Self {
        Self { warn: warn.into(), fail: fail.into(), falling: false }
    }

    /// Less than the first is a warning, less than the second a failure.
    pub(crate) fn below(warn: impl Into<Option<f64>>, fail: impl Into<Option<f64>>) -> Self {
        Self { falling: true, ..Self::above(warn, fail) }
    }

    fn judge(self, value: f64) -> Health {
        let past = |limit: Option<f64>| limit.is_some_and(|l| if self.falling { value < l } else { value > l });
        match (past(self.fail), past(self.warn)) {
            (true, _) => Health::Fail,
            (_, true) => Health::Warn,
            _ => Health::Pass,
        }
    }
}

/// One thing that was looked at.
#[expect(clippy::struct_field_names, reason = "what a line calls it")]
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Check {
    /// What was looked at.
    pub check: &'static str,
    /// What within the instance: a slot, a pool, a server; null for the instance itself.
    pub of: Option<String>,
    /// How good it is.
    pub status: Health,
    /// What was seen: a number or a word; null where nothing was.
    pub observed: Option<Value>,
    /// The unit of a number.
    pub unit: Option<&'static str>,
    /// Beyond this it is a warning.
    pub warn: Option<f64>,
    /// Beyond this it is a failure.
    pub fail: Option<f64>,
    /// What isn't as it should be, in words; null where all is.
    pub message: Option<String>,
    /// What to do about it; null where all is well.
    pub hint: Option<String>,
    #[serde(skip)]
    falling: bool,
}

impl Check {
    /// A number and what it is held against; none makes the check unknown.
    pub(crate) fn number(check: &'static str, value: Option<f64>, unit: &'static str, limit: Limit) -> Self {
        let status = value.map_or(Health::Unknown, |value| limit.judge(value));
        let message = match value {
            None => Some(format!("{} can't be told", words(check))),
            Some(value) if status > Health::Pass => {
                let limit = if status == Health::Fail { limit.fail } else { limit.warn }.unwrap_or_default();
                Some(format!("{} is {}, and the limit is {}", words(check), shown(value, unit), shown(limit, unit)))
            }
            Some(_) => None,
        };
        let observed = value.and_then(number);
        Self {
            check,
            status,
            observed,
            unit: Some(unit),
            warn: limit.warn,
            fail: limit.fail,
            message,
            falling: limit.falling,
            ..Self::default()
        }
    }

    /// A number that is only shown.
    pub(crate) fn figure(check: &'static str, value: Option<f64>, unit: &'static str) -> Option<Self> {
        value.map(|value| Self::number(check, Some(value), unit, Limit::default()))
    }

    /// A word, and how good it is.
    pub(crate) fn word(check: &'static str, word: impl Into<String>, status: Health) -> Self {
        Self { check, status, observed: Some(Value::String(word.into())), ..Self::default() }
    }

    /// Whether something holds; if not, how bad that is.
    pub(crate) fn holds(check: &'static str, holds: bool, otherwise: Health, message: impl Into<String>) -> Self {
        let status = if holds { Health::Pass } else { otherwise };
        let message = (!holds).then(|| message.into());
        Self { check, status, observed: Some(Value::Bool(holds)), message, ..Self::default() }
    }

    /// Something that couldn't be looked at.
    pub(crate) fn unknown(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, status: Health::Unknown, message: Some(message.into()), ..Self::default() }
    }

    /// What within the instance it is about.
    #[must_use]
    pub(crate) fn of(mut self, of: impl Into<String>) -> Self {
        self.of = Some(of.into());
        self
    }

    /// What isn't as it should be, in words of its own.
    #[must_use]
    pub(crate) fn message(mut self, message: impl Into<String>) -> Self {
        if self.status > Health::Pass {
            self.message = Some(message.into());
        }
        self
    }

    /// What to do where it isn't well.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if self.status > Health::Pass {
            self.hint = Some(hint.into());
        }
        self
    }

    /// Whether less is worse.
    pub(crate) fn is_falling(&self) -> bool {
        self.falling
    }

    /// The number that was seen.
    pub(crate) fn value(&self) -> Option<f64> {
        match self.observed.as_ref()? {
            Value::Bool(holds) => Some(if *holds { 1.0 } else { 0.0 }),
            other => other.as_f64(),
        }
    }

    /// The check with what it is about, as one word.
    pub(crate) fn label(&self) -> String {
        match &self.of {
            Some(of) => format!("{}[{of}]", self.check),
            None => self.check.to_owned(),
        }
    }
}

fn words(check: &str) -> String {
    check.replace('_', " ")
}

/// A whole number as one, any other with its fraction.
fn number(value: f64) -> Option<Value> {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < WHOLE {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
        return Some(Value::from(value as i64));
    }
    serde_json::Number::from_f64(value).map(Value::Number)
}

/// A number with its unit, for people.
pub(crate) fn shown(value: f64, unit: &str) -> String {
    const STEPS: [(f64, &str); 4] =
        [(1_099_511_627_776.0, "TiB"), (1_073_741_824.0, "GiB"), (1_048_576.0, "MiB"), (1024.0, "KiB")];
    match unit {
        "bytes" => match STEPS.iter().find(|(size, _)| value.abs() >= *size) {
            Some((size, name)) => format!("{:.1} {name}", value / size),
            None => format!("{value} bytes"),
        },
        "seconds" if value.abs() >= 172_800.0 => format!("{:.1} days", value / 86_400.0),
        "seconds" if value.abs() >= 7_200.0 => format!("{:.1} hours", value / 3_600.0),
        "seconds" if value.abs() >= 120.0 => format!("{:.1} minutes", value / 60.0),
        "seconds" => format!("{} s", rounded(value)),
        "ratio" => format!("{:.0} %", value * 100.0),
        _ => format!("{} {unit}", rounded(value)).trim_end().to_owned(),
    }
}

fn rounded(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use super::{Check, Health, Limit, shown};

    #[test]
    fn a_number_is_held_against_both_limits() {
        let seen = |value| Check::number("lag", Some(value), "seconds", Limit::above(5.0, 300.0)).status;
        assert_eq!([seen(5.0), seen(5.1), seen(301.0)], [Health::Pass, Health::Warn, Health::Fail]);
        let left = |value| Check::number("left", Some(value), "days", Limit::below(21.0, 7.0)).status;
        assert_eq!([left(21.0), left(20.0), left(-1.0)], [Health::Pass, Health::Warn, Health::Fail]);
    }

    #[test]
    fn what_cant_be_told_is_never_well() {
        let check = Check::number("lag", None, "bytes", Limit::above(None, None));
        assert_eq!(check.status, Health::Unknown);
        assert!(check.observed.is_none() && check.message.is_some());
    }

    #[test]
    fn numbers_are_shown_with_their_unit() {
        let cases = [
            (0.0, "bytes", "0 bytes"),
            (52_428_800.0, "bytes", "50.0 MiB"),
            (0.25, "seconds", "0.250 s"),
            (93_600.0, "seconds", "26.0 hours"),
            (0.754, "ratio", "75 %"),
            (3.0, "servers", "3 servers"),
        ];
        for (value, unit, text) in cases {
            assert_eq!(shown(value, unit), text);
        }
    }
}

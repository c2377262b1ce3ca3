//! What somebody has decided to live with for a while.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use flotilla::config::{Config, HealthWaiver};
use flotilla::{Error, Result};

use super::rules;

/// The waivers of the topology, and which of them were of use.
#[derive(Debug)]
pub(crate) struct Waivers {
    all: Vec<HealthWaiver>,
    today: NaiveDate,
    used: BTreeSet<usize>,
    /// Those whose rule was asked where they count.
    asked: BTreeSet<usize>,
}

/// What a waiver does to a finding.
#[derive(Debug)]
pub(crate) enum Cover<'a> {
    /// It counts.
    Good(&'a HealthWaiver),
    /// It has ended.
    Expired(&'a HealthWaiver),
}

impl Waivers {
    /// Those of the topology; one of a rule that there isn't is an error.
    pub(crate) fn of(config: &Config, now: DateTime<Utc>) -> Result<Self> {
        for waiver in &config.health.waivers {
            if !rules().any(|(_, rule)| rule.name == waiver.rule) {
                let (at, rule) = (config.path.display(), &waiver.rule);
                return Err(Error::config(format!("{at}: a waiver is of rule \"{rule}\", which there isn't"))
                    .hint("`healthcheck audit --rules` lists them."));
            }
        }
        let all = config.health.waivers.clone();
        Ok(Self { all, today: now.date_naive(), used: BTreeSet::new(), asked: BTreeSet::new() })
    }

    /// Notes that a rule was asked of an instance; `is_bad` when it wants to be waived. One that counts goes
    /// before one that has ended.
    pub(crate) fn cover(&mut self, rule: &str, instance: &str, is_bad: bool) -> Option<Cover<'_>> {
        let of = |waiver: &HealthWaiver| {
            waiver.rule == rule && waiver.target.as_deref().is_none_or(|target| target == instance)
        };
        let covering: Vec<usize> = (0..self.all.len()).filter(|at| of(&self.all[*at])).collect();
        self.asked.extend(&covering);
        if !is_bad {
            return None;
        }
        self.used.extend(&covering);
        let found = covering.iter().find(|at| self.counts(&self.all[**at])).or_else(|| covering.first())?;
        let waiver = &self.all[*found];
        Some(if self.counts(waiver) { Cover::Good(waiver) } else { Cover::Expired(waiver) })
    }

    /// Those that have ended.
    pub(crate) fn expired(&self) -> Vec<&HealthWaiver> {
        self.all.iter().filter(|waiver| !self.counts(waiver)).collect()
    }

    /// Those that count and had nothing to waive where it was looked.
    pub(crate) fn useless(&self) -> Vec<&HealthWaiver> {
        let useless = |at: &usize| self.asked.contains(at) && !self.used.contains(at) && self.counts(&self.all[*at]);
        (0..self.all.len()).filter(useless).map(|at| &self.all[at]).collect()
    }

    fn counts(&self, waiver: &HealthWaiver) -> bool {
        self.today <= waiver.until
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use flotilla::config::Config;

    use super::{Cover, Waivers};

    fn waivers(text: &str) -> flotilla::Result<Waivers> {
        let text = format!(
            "[cluster]\nname = 'c'\ndbname = 'app'\n[[shards]]\nname = 's0'\n\
             nodes = [{{ name = 'a', host = '/a' }}, {{ name = 'b', host = '/b' }}]\n{text}"
        );
        let config = Config::parse(&text, Path::new("flotilla.toml"))?;
        Waivers::of(&config, "2026-06-15T23:00:00Z".parse().unwrap())
    }

    const RULE: &str = "[[health.waivers]]\nrule = 'postgresql-tls-off'\nreason = 'one machine'\n";

    #[test]
    fn a_waiver_counts_up_to_its_last_day_and_where_it_says() {
        let mut found = waivers(&format!("{RULE}target = 'a'\nuntil = 2026-06-15\n")).unwrap();
        assert!(found.cover("postgresql-tls-off", "b", true).is_none());
        assert!(found.cover("postgresql-tls-old", "a", true).is_none());
        assert!(matches!(found.cover("postgresql-tls-off", "a", true), Some(Cover::Good(_))));
        assert!(found.expired().is_empty() && found.useless().is_empty());
        let mut found = waivers(&format!("{RULE}until = '2026-06-14'\n")).unwrap();
        assert!(matches!(found.cover("postgresql-tls-off", "a", true), Some(Cover::Expired(_))));
        assert_eq!(found.expired().len(), 1);
    }

    #[test]
    fn one_that_has_nothing_to_waive_is_told_only_where_it_was_looked() {
        let mut found = waivers(&format!("{RULE}until = 2027-01-01\n")).unwrap();
        assert!(found.useless().is_empty());
        assert!(found.cover("postgresql-tls-off", "a", false).is_none());
        assert_eq!(found.useless().len(), 1);
        assert!(found.cover("postgresql-tls-off", "b", true).is_some());
        assert!(found.useless().is_empty());
    }

    #[test]
    fn what_cant_be_meant_is_refused() {
        let said = |text: &str| waivers(text).unwrap_err().message().to_owned();
        assert!(
            said("[[health.waivers]]\nrule = 'x'\nreason = 'y'\nuntil = 2027-01-01\n").contains("which there isn't")
        );
        assert!(said(&format!("{}until = 2027-01-01\n", RULE.replace("one machine", " "))).contains("has no reason"));
        assert!(said(&format!("{RULE}until = 2027-01-01\ntarget = 'z'\n")).contains("isn't there"));
        assert!(said(&format!("{RULE}until = 'soon'\n")).contains("is not a day"));
        assert!(said(RULE).contains("until"));
    }
}

//! Matching scripts with rows.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::error::{Code, Error, Result};

use super::applied::{self, Applied};
use super::{Goal, Migration, Migrations, Resolved, Rules, Scripts, State, pending};
use crate::migrations::schema_history::{Row, RowType};
use crate::migrations::scripts::{Kind, Version};

/// What all migrations are judged against.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    /// The highest version that has a script.
    pub(super) last_script: Option<&'a Version>,
    /// The highest version in force.
    pub(super) last_applied: Option<&'a Version>,
    /// The highest baseline in the history.
    pub(super) applied_baseline: Option<&'a Version>,
    /// The highest baseline script that isn't applied.
    pub(super) pending_baseline: Option<&'a Version>,
    /// The rank of each repeatable script's last run.
    pub(super) last_runs: HashMap<&'a str, i32>,
    /// What is beyond the goal.
    pub(super) limit: Limit<'a>,
    /// Whether older ones than the latest applied may still be applied.
    pub(super) out_of_order: bool,
}

/// Beyond which version nothing is applied.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Limit<'a> {
    /// Everything may be.
    #[default]
    None,
    /// Nothing after this one.
    After(&'a Version),
    /// No version at all: the goal is where the history is, and that has none.
    All,
}

impl Limit<'_> {
    /// Whether a version lies beyond it.
    pub(super) fn excludes(self, version: &Version) -> bool {
        match self {
            Self::None => false,
            Self::After(last) => version > last,
            Self::All => true,
        }
    }
}

type Versioned<'a, 's> = HashMap<(&'a Version, RowType), &'s Resolved<'a>>;

/// What has become of each migration.
pub fn resolve<'a>(scripts: &Scripts<'a>, rows: &'a [Row], rules: &'a Rules) -> Result<Migrations<'a>> {
    let versioned: Versioned<'a, '_> = scripts
        .versioned
        .iter()
        .filter_map(|resolved| Some(((resolved.version()?, RowType::of(resolved.script)), resolved)))
        .collect();
    let applied = applied::versioned(rows)?;
    let repeated = applied::repeatable(rows);

    let done = |of: &Applied<'a>| Some((of.row.version.as_ref()?, of.row.kind.clone()));
    let in_force: HashSet<_> = applied.iter().filter(|of| !of.deleted && !of.undone).filter_map(done).collect();
    let waiting: Vec<&Resolved<'a>> = scripts
        .versioned
        .iter()
        .filter(|resolved| {
            resolved.version().is_some_and(|version| !in_force.contains(&(version, RowType::of(resolved.script))))
        })
        .collect();

    let mut facts = Facts {
        last_script: scripts.versioned.iter().filter_map(Resolved::version).max(),
        last_applied: applied::last(&applied),
        applied_baseline: applied::baseline(rows),
        pending_baseline: waiting
            .iter()
            .filter(|resolved| matches!(resolved.script.kind, Kind::Baseline(_)))
            .filter_map(|resolved| resolved.version())
            .max(),
        last_runs: applied::last_runs(&repeated),
        limit: Limit::None,
        out_of_order: rules.out_of_order,
    };
    match &rules.goal {
        Goal::Current => facts.limit = facts.last_applied.map_or(Limit::All, Limit::After),
        Goal::Version(version, may_miss) => {
            let exists = versioned.keys().any(|(known, _)| *known == version)
                || rows.iter().any(|row| row.version.as_ref() == Some(version));
            if !exists && !may_miss {
                return Err(no_target(version));
            }
            facts.limit = Limit::After(version);
        }
        Goal::Latest | Goal::Next => {}
    }

    let mut all: Vec<Migration<'a>> = Vec::new();
    for of in &applied {
        let key = done(of);
        let script = key.and_then(|key| versioned.get(&key)).map(|resolved| (*resolved).clone());
        let state = of.state(script.as_ref(), &facts);
        all.push(Migration { script, row: Some(of.row), state });
    }
    for resolved in waiting {
        let state = pending::state(resolved, &facts);
        all.push(Migration { script: Some(resolved.clone()), row: None, state });
    }
    let repeatable: HashMap<&str, &Resolved<'a>> =
        scripts.repeatable.iter().map(|resolved| (resolved.script.description.as_str(), resolved)).collect();
    let up_to_date: HashSet<&str> = repeated
        .iter()
        .filter_map(|of| up_to_date(of, repeatable.get(of.row.description.as_str()).copied(), &facts))
        .collect();
    for of in &repeated {
        let script = repeatable.get(of.row.description.as_str()).map(|resolved| (*resolved).clone());
        let state = of.state(script.as_ref(), &facts);
        all.push(Migration { script, row: Some(of.row), state });
    }
    for resolved in &scripts.repeatable {
        if !up_to_date.contains(resolved.script.description.as_str()) {
            all.push(Migration { script: Some(resolved.clone()), row: None, state: State::Pending });
        }
    }
    all.sort_by(order);
    if rules.goal == Goal::Next {
        only_first(&mut all);
    }
    Ok(Migrations { all, baseline: facts.applied_baseline.cloned() })
}

/// The description of a repeatable script whose last run this row records, and which hasn't changed since.
fn up_to_date<'a>(of: &Applied<'a>, script: Option<&Resolved<'_>>, facts: &Facts<'_>) -> Option<&'a str> {
    let description = of.row.description.as_str();
    let is_last = facts.last_runs.get(description) == Some(&of.row.rank);
    let in_force = of.row.kind != RowType::Delete && !of.deleted;
    (is_last && in_force && script?.matches(of.row.checksum)).then_some(description)
}

/// Flyway's order: what is below a baseline, then rows by rank, then scripts by version, repeatable
/// ones last by description.
fn order(a: &Migration<'_>, b: &Migration<'_>) -> Ordering {
    let place = |migration: &Migration<'_>| match (migration.row, migration.state) {
        (None, State::BelowBaseline | State::BaselineIgnored) => 0,
        (Some(_), _) => 1,
        (None, _) => 2,
    };
    let rank = |migration: &Migration<'_>| migration.row.map(|row| row.rank);
    place(a).cmp(&place(b)).then_with(|| rank(a).cmp(&rank(b))).then_with(|| match (a.version(), b.version()) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.description().cmp(b.description()),
    })
}

/// Leaves the first pending migration; those behind it are above the target.
fn only_first(all: &mut [Migration<'_>]) {
    let mut pending = all.iter_mut().filter(|migration| migration.state == State::Pending);
    let _first = pending.next();
    pending.for_each(|migration| migration.state = State::AboveTarget);
}

fn no_target(version: &Version) -> Error {
    Error::new(Code::NotFound, format!("there is no migration of version {version}"))
        .hint(format!("Name one that exists (`migrate info` lists them), or write {version}? to allow that."))
}

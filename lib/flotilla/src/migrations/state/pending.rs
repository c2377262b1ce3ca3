//! Scripts that aren't applied: which of them would be.

use super::resolve::Facts;
use super::{Resolved, State};
use crate::migrations::scripts::Kind;

/// What becomes of a versioned or baseline script without a row.
pub(super) fn state(resolved: &Resolved<'_>, facts: &Facts<'_>) -> State {
    let Some(version) = resolved.version() else { return State::Pending };
    let plain = plain(version, facts);
    if !matches!(resolved.script.kind, Kind::Baseline(_)) {
        return plain;
    }
    // A baseline script is for an empty history alone, and only the highest one.
    let is_begun = facts.applied_baseline.is_some() || facts.last_applied.is_some();
    match plain {
        State::Pending if is_begun => State::Ignored,
        State::BaselineIgnored if Some(version) == facts.pending_baseline && !is_begun => State::Pending,
        other => other,
    }
}

fn plain(version: &crate::migrations::scripts::Version, facts: &Facts<'_>) -> State {
    let baseline = if facts.last_applied.is_none() { facts.pending_baseline } else { facts.applied_baseline };
    if let Some(baseline) = baseline {
        if version < baseline {
            return State::BelowBaseline;
        }
        if version == baseline {
            return State::BaselineIgnored;
        }
    }
    if facts.limit.excludes(version) {
        return State::AboveTarget;
    }
    if !facts.out_of_order && facts.last_applied.is_some_and(|last| version < last) {
        return State::Ignored;
    }
    State::Pending
}

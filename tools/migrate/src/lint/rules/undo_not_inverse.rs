//! Undo scripts that leave something, or take too much.

use crate::lint::finding::Severity;
use crate::lint::rule::{Check, Found, Rule};
use crate::lint::walk::World;

pub(super) const RULE: Rule = Rule {
    name: "undo-not-inverse",
    severity: Severity::Error,
    why: "After a version and its undo the schema must be what it was, or the version can't be applied again.",
    mend: "Let the U script take back all that the V script makes, and make again what it takes away.",
    check: Check::Set(check),
};

/// More are counted, not named.
const SHOWN: usize = 3;

fn check(world: &World<'_>, found: &mut Found) {
    for undone in world.undone.iter().filter(|undone| !undone.differences.is_empty()) {
        let undo = &world.scripts[undone.undo];
        let mut message = undone.differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        if undone.differences.len() > SHOWN {
            message = format!("{message} and {} more", undone.differences.len() - SHOWN);
        }
        found.add(undo.number, undo.head(), format!("after {} {message}", undo.script.script));
    }
}

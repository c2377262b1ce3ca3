//! What lint can't judge about an undo.

use crate::lint::finding::Severity;
use crate::lint::rule::{Check, Found, Rule};
use crate::lint::walk::World;

pub(super) const RULE: Rule = Rule {
    name: "undo-cannot-tell",
    severity: Severity::Info,
    why: "Rows, rights, DO blocks and calls can't be followed without a server: whether the undo takes them back isn't known.",
    mend: "Try the version and its undo on a copy, and say so in an ignore comment.",
    check: Check::Set(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for undone in world.undone.iter().filter(|undone| !undone.doubts.is_empty()) {
        let undo = &world.scripts[undone.undo];
        let mut what: Vec<String> = undone
            .doubts
            .iter()
            .map(|doubt| match &doubt.table {
                Some(table) => format!("{} ({table})", doubt.what),
                None => doubt.what.clone(),
            })
            .collect();
        what.dedup();
        found.add(undo.number, undo.head(), format!("can't tell whether this is the inverse: {}", what.join(", ")));
    }
}

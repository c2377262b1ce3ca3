//! Versions that can't be taken back.

use crate::lint::finding::Severity;
use crate::lint::rule::{Check, Found, Rule};
use crate::lint::walk::World;
use flotilla::migrations::scripts::Kind;

pub(super) const RULE: Rule = Rule {
    name: "undo-missing",
    severity: Severity::Warning,
    why: "Without its U script a version can't be taken back when it proves wrong.",
    mend: "Write the U script of the same version beside it.",
    check: Check::Set(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for script in &world.scripts {
        let Some(version) = script.script.version() else { continue };
        match &script.script.kind {
            Kind::Versioned(_) if !world.undone.iter().any(|undone| undone.version == script.number) => {
                found.add(script.number, script.head(), format!("version {version} has no U script"));
            }
            Kind::Undo(_) if !world.undone.iter().any(|undone| undone.undo == script.number) => {
                let message = format!("there is no version {version} to undo");
                let mend = "Give it the version of the V script that it takes back.".to_owned();
                found.add_with(script.number, script.head(), message, mend);
            }
            _ => {}
        }
    }
}

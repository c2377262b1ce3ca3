//! What people see: progress on standard error, the table on standard output.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use flotilla::Result;

use crate::parts::{self, Member, Part};
use crate::plan::Plan;

/// Says something on standard error.
pub(crate) fn say(text: &str) {
    flotilla::log::say(text);
}

/// Prints one line per member: what it is, its version, where it is, what it answered.
pub(crate) fn table(
    plan: &Plan,
    members: &[(&'static dyn Part, Member)],
    answers: &BTreeMap<String, String>,
) -> Result<()> {
    let mut versions = BTreeMap::new();
    for part in parts::all() {
        versions.insert(part.name(), parts::version(*part, plan)?);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["NAME", "PART", "VERSION", "ROLE", "ADDRESS", "PORTS", "STATE"]);
    for (part, member) in members {
        let ports: Vec<String> = member.ports.iter().map(|(what, port)| format!("{port} {what}")).collect();
        table.add_row([
            member.name.clone(),
            part.name().to_owned(),
            versions[part.name()].clone(),
            member.role.clone(),
            member.address.to_string(),
            ports.join(", "),
            answers.get(&member.name).cloned().unwrap_or_default(),
        ]);
    }
    let text = table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n");
    // A reader that has gone doesn't undo that the stack is up.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}

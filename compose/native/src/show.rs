//! What people see: progress on standard error, the table on standard output.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use flotilla::Result;

use crate::parts::{self, Member, Part};
use crate::plan::Plan;

/// Says something on standard error.
pub(crate) fn say(text: &str) {
    flotilla::log::say(text);
}

/// Prints one line per member: its name, what it answered, what runs there, where it is. On a terminal
/// the last column takes what width is left.
pub(crate) fn table(
    plan: &Plan,
    members: &[(&'static dyn Part, Member)],
    answers: &BTreeMap<String, String>,
) -> Result<()> {
    let mut servers = BTreeMap::new();
    for (part, _) in members {
        if !servers.contains_key(part.name()) {
            servers.insert(part.name(), format!("{} {}", part.name(), parts::version(*part, plan)?));
        }
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["NAME", "STATE", "SERVER", "ADDRESS", "PORTS"]);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    for (part, member) in members {
        table.add_row([
            member.name.clone(),
            answers.get(&member.name).cloned().unwrap_or_default(),
            servers[part.name()].clone(),
            member.address.to_string(),
            ports(member),
        ]);
    }
    // Names, versions and addresses are for copying: in one piece.
    for column in [0, 2, 3] {
        table.column_mut(column).map(|column| column.set_constraint(ColumnConstraint::ContentWidth));
    }
    let text = table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n");
    // A reader that has gone doesn't undo that the stack is up.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}

/// `write 15700 15710, stats 15790`.
fn ports(member: &Member) -> String {
    let mut kinds: Vec<(&str, String)> = Vec::new();
    for (what, port) in &member.ports {
        match kinds.iter_mut().find(|(kind, _)| kind == what) {
            Some((_, text)) => drop(write!(text, " {port}")),
            None => kinds.push((what, format!("{what} {port}"))),
        }
    }
    kinds.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(", ")
}

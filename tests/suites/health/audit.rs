//! `healthcheck audit`: rules against observations, then against servers that are made weak one way after another.

mod fleet;
mod front;
mod objects;
mod rules;
mod side;
mod waivers;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flotilla_tests::{Fleet, Outcome, Run};
use serde_json::Value;

fn audit<'a>(fleet: &Fleet, args: impl IntoIterator<Item = &'a str>) -> Run {
    fleet.tool("healthcheck", std::iter::once("audit").chain(args))
}

/// What is not as it should be, as `rule instance`.
fn found(outcome: &Outcome) -> BTreeSet<String> {
    let lines = outcome.lines();
    let bad = lines.iter().filter(|line| !matches!(line["state"].as_str(), Some("pass" | "waived")));
    bad.map(|line| format!("{} {}", word(&line["rule"]), word(&line["instance"]))).collect()
}

/// The line of one rule about one instance.
#[track_caller]
fn of(outcome: &Outcome, rule: &str, instance: &str) -> Value {
    let found = outcome.lines().into_iter().find(|line| line["rule"] == rule && line["instance"] == instance);
    found.unwrap_or_else(|| panic!("no line of {rule} about {instance}\n{}", outcome.transcript()))
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

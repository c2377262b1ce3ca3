//! What a rule is, and what it says.

use schemars::JsonSchema;
use serde::Serialize;

use super::facts::{Facts, Unseen};

/// How bad it is when a rule doesn't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It helps an attacker who is in already, or hides what he did.
    Warn,
    /// It lets in who shouldn't be, shows what is secret, or loses what must be kept.
    Fail,
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name, as waivers write it: the component's, then the weakness.
    pub name: &'static str,
    /// How bad it is when it doesn't hold.
    pub severity: Severity,
    /// Whether it tries rather than reads: a login, a request, a statement.
    pub proof: bool,
    /// Why it is one, in a sentence.
    pub why: &'static str,
    /// How to mend what it finds.
    pub mend: &'static str,
    /// What says whether it holds.
    pub(crate) judge: fn(&Facts) -> Judged,
}

/// What a rule says, in words about what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Good(String),
    /// It doesn't.
    Bad(String),
    /// It doesn't concern this instance.
    Moot,
}

/// What a rule says; or why it can't.
pub type Judged = Result<Verdict, Unseen>;

/// It holds or not, by what was seen.
#[expect(clippy::unnecessary_wraps, reason = "a rule's last expression")]
pub(crate) fn holds(good: bool, seen: impl Into<String>) -> Judged {
    Ok(if good { Verdict::Good(seen.into()) } else { Verdict::Bad(seen.into()) })
}

/// It holds where none of something is there; else these are what was seen.
pub(crate) fn none(found: &[String], none: &str, some: &str) -> Judged {
    if found.is_empty() { holds(true, none) } else { holds(false, format!("{some}: {}", listed(found))) }
}

/// It doesn't concern this instance.
pub(crate) const MOOT: Judged = Ok(Verdict::Moot);

/// Names for people: the first ones, and how many more there are.
fn listed(names: &[String]) -> String {
    const MOST: usize = 8;
    let shown = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

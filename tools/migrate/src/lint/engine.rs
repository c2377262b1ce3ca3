//! From scripts to findings: what to ask, what to leave out, what is ignored.

use std::collections::BTreeSet;

use flotilla::error::{Error, Result};
use pg_query::NodeEnum;
use pg_query::protobuf::ConstrType;

use super::finding::{Finding, Severity, Source};
use super::model::Name;
use super::prepared::{Prepared, Statement};
use super::rule::{Found, Raw, Rule};
use super::squawk::{self, About, House};
use super::walk::{World, walk};
use super::{rules, syntax};
use flotilla::migrations::scripts::{Placeholders, Set};

/// Which rules to ask, and of which server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rules to ask besides, that are off.
    pub include: Vec<String>,
    /// Rules not to ask.
    pub exclude: Vec<String>,
    /// PostgreSQL's major version.
    pub postgres_version: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { include: Vec::new(), exclude: Vec::new(), postgres_version: 15 }
    }
}

impl Settings {
    /// Refuses names that are no rule's.
    pub fn check(&self) -> Result<()> {
        for name in self.include.iter().chain(&self.exclude) {
            if !is_rule(name) {
                return Err(
                    Error::usage(format!("there is no rule \"{name}\"")).hint("`migrate lint --rules` lists them.")
                );
            }
        }
        Ok(())
    }

    fn wants(&self, name: &str, by_default: bool) -> bool {
        let named = |list: &[String]| list.iter().any(|rule| rule == name);
        !named(&self.exclude) && (by_default || named(&self.include))
    }
}

/// A rule as `--rules` lists it.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// Its name.
    pub name: &'static str,
    /// How bad a finding is; none where it is off unless `--include` names it.
    pub severity: Option<Severity>,
    /// Whose it is.
    pub source: Source,
    /// Why it is a rule, in a sentence; where it is off, why that.
    pub why: &'static str,
    /// How to mend what it finds.
    pub mend: Option<&'static str>,
}

/// Every rule, this tool's first.
pub fn all_rules() -> Vec<Listed> {
    let own = rules::ALL.iter().map(|rule| Listed {
        name: rule.name,
        severity: Some(rule.severity),
        source: Source::Flotilla,
        why: rule.why,
        mend: Some(rule.mend),
    });
    let theirs = squawk::HOUSE.iter().map(|house| Listed {
        name: house.name,
        severity: house.severity,
        source: Source::Squawk,
        why: house.why,
        mend: None,
    });
    own.chain(theirs).collect()
}

fn is_rule(name: &str) -> bool {
    all_rules().iter().any(|rule| rule.name == name)
}

/// Looks at all scripts; the findings in the order of files and lines.
pub fn check(set: &Set, placeholders: &Placeholders, settings: &Settings) -> Vec<Finding> {
    let asked: Vec<&'static Rule> = rules::ALL.iter().copied().filter(|rule| settings.wants(rule.name, true)).collect();
    let mut found: Vec<Found> = asked.iter().map(|_| Found::default()).collect();
    let world = walk(set, placeholders, &asked, &mut found);
    let mut used = BTreeSet::new();
    let mut findings = Vec::new();
    for (rule, mut found) in asked.iter().zip(found) {
        engine_findings(rule, &world, &mut found);
        for raw in found.0 {
            let script = &world.scripts[raw.script];
            findings.extend(own(script, rule, raw, &mut used));
        }
    }
    for script in &world.scripts {
        findings.extend(squawks(script, settings, &mut used));
    }
    for rule in &asked {
        let mut found = Found::default();
        match rule.name {
            rules::UNUSED_IGNORE => unused(&world, settings, &used, &mut found),
            rules::IGNORE_WITHOUT_REASON => unreasoned(&world, &mut found),
            _ => continue,
        }
        findings.extend(found.0.into_iter().map(|raw| {
            let script = &world.scripts[raw.script];
            finding(script, rule.name, rule.severity, Source::Flotilla, raw, rule.mend)
        }));
    }
    findings.sort_by(|(a, x), (b, y)| (a, x.line, x.column, x.rule).cmp(&(b, y.line, y.column, y.rule)));
    findings.dedup();
    findings.into_iter().map(|(_, finding)| finding).collect()
}

type Numbered = (usize, Finding);

fn own(script: &Prepared<'_>, rule: &Rule, raw: Raw, used: &mut BTreeSet<(usize, usize)>) -> Option<Numbered> {
    if is_ignored(script, rule.name, false, raw.range.start, used) {
        return None;
    }
    Some(finding(script, rule.name, rule.severity, Source::Flotilla, raw, rule.mend))
}

fn finding(
    script: &Prepared<'_>,
    rule: &'static str,
    severity: Severity,
    source: Source,
    raw: Raw,
    mend: &str,
) -> Numbered {
    let (line, column) = script.text.place(raw.range.start);
    let statement = script.statement_at(raw.range.start).and_then(|statement| script.excerpt(statement));
    let finding = Finding {
        file: script.script.path.display().to_string(),
        line,
        column,
        rule,
        severity,
        message: raw.message,
        hint: raw.mend.unwrap_or_else(|| mend.to_owned()),
        statement,
        source,
    };
    (script.number, finding)
}

/// Whether a comment takes the finding away; that comment is then good for something.
fn is_ignored(script: &Prepared<'_>, rule: &str, squawk: bool, at: usize, used: &mut BTreeSet<(usize, usize)>) -> bool {
    let statement = script.statement_at(at).map(|statement| statement.number);
    let mut ignored = false;
    for (number, ignore) in script.ignores.iter().enumerate() {
        if ignore.covers(rule, squawk, at, statement) {
            used.insert((script.number, number));
            ignored = true;
        }
    }
    ignored
}

/// Findings of what the walk itself stumbles over.
fn engine_findings(rule: &Rule, world: &World<'_>, found: &mut Found) {
    for script in &world.scripts {
        match rule.name {
            rules::SYNTAX_ERROR => {
                for statement in script.statements.iter().filter(|statement| statement.node.is_none()) {
                    if !has_unresolved(script, statement) {
                        let error = syntax::error(script.sql(statement));
                        let at = statement.range.start + error.at;
                        found.add(script.number, at..statement.range.end.max(at), error.message);
                    }
                }
            }
            rules::UNRESOLVED_PLACEHOLDER => {
                for (at, written) in &script.text.unresolved {
                    found.add(script.number, *at..*at + written.len(), format!("no value for placeholder {written}"));
                }
            }
            _ => {}
        }
    }
}

/// A placeholder without a value is said by its own rule; that the SQL then can't be read says no more.
fn has_unresolved(script: &Prepared<'_>, statement: &Statement) -> bool {
    script.text.unresolved.iter().any(|(at, _)| statement.range.contains(at))
}

fn squawks(script: &Prepared<'_>, settings: &Settings, used: &mut BTreeSet<(usize, usize)>) -> Vec<Numbered> {
    let sql = script.without_data();
    let wanted = |house: &House| {
        settings.wants(house.name, house.severity.is_some()) && !(script.is_undo() && house.about == About::Clients)
    };
    let request = squawk::Request {
        sql: &sql,
        in_transaction: script.in_transaction,
        version: settings.postgres_version,
        wanted: &wanted,
    };
    let mut findings = Vec::new();
    for violation in squawk::check(&request) {
        let statement = script.statement_at(violation.range.start);
        let noise = statement.is_some_and(|statement| {
            violation.rule.about != About::Style && is_about_fresh(script, statement)
                || is_beside_the_point(violation.rule.name, statement)
        });
        if noise || is_ignored(script, violation.rule.name, true, violation.range.start, used) {
            continue;
        }
        let raw = Raw {
            script: script.number,
            range: violation.range,
            message: plain(&violation.message),
            mend: violation.help,
        };
        let severity = violation.rule.severity.unwrap_or(Severity::Warning);
        findings.push(finding(script, violation.rule.name, severity, Source::Squawk, raw, violation.rule.why));
    }
    findings
}

/// squawk's messages as messages are written here: without period.
fn plain(message: &str) -> String {
    message.trim().trim_end_matches('.').to_owned()
}

/// Whether a rule says of a statement what isn't so, or what another rule says better.
fn is_beside_the_point(rule: &str, statement: &Statement) -> bool {
    match (rule, &statement.node) {
        // ON ONLY a partitioned table builds nothing.
        ("require-concurrent-index-creation", Some(NodeEnum::IndexStmt(index))) => {
            index.relation.as_ref().is_some_and(|relation| !relation.inh)
        }
        // Only CHECK and FOREIGN KEY can be NOT VALID, and the latter has a rule of its own.
        ("constraint-missing-not-valid", Some(NodeEnum::AlterTableStmt(alter))) => {
            !alter.cmds.iter().any(|command| match &command.node {
                Some(NodeEnum::AlterTableCmd(command)) => matches!(
                    command.def.as_ref().and_then(|def| def.node.as_ref()),
                    Some(NodeEnum::Constraint(constraint)) if constraint.contype() == ConstrType::ConstrCheck
                ),
                _ => false,
            })
        }
        _ => false,
    }
}

/// Whether all that a statement touches was made by the same script: nobody waits for it.
fn is_about_fresh(script: &Prepared<'_>, statement: &Statement) -> bool {
    let Some(node) = &statement.node else { return false };
    let touched: Vec<Name> = match node {
        NodeEnum::AlterTableStmt(alter) => alter.relation.iter().map(Name::of).collect(),
        NodeEnum::IndexStmt(index) => index.relation.iter().map(Name::of).collect(),
        NodeEnum::RenameStmt(rename) => rename.relation.iter().map(Name::of).collect(),
        _ => return false,
    };
    let made_here = |name: &Name| {
        script.statements[..statement.number].iter().any(|earlier| match &earlier.node {
            Some(NodeEnum::CreateStmt(create)) => create.relation.as_ref().is_some_and(|r| Name::of(r) == *name),
            Some(NodeEnum::CreateTableAsStmt(create)) => {
                create.into.as_ref().and_then(|into| into.rel.as_ref()).is_some_and(|r| Name::of(r) == *name)
            }
            _ => false,
        })
    };
    !touched.is_empty() && touched.iter().all(made_here)
}

fn unused(world: &World<'_>, settings: &Settings, used: &BTreeSet<(usize, usize)>, found: &mut Found) {
    for script in &world.scripts {
        for (number, ignore) in script.ignores.iter().enumerate() {
            let range = ignore.range.clone();
            for unknown in ignore.rules.iter().filter(|rule| !is_rule(rule)) {
                found.add(script.number, range.clone(), format!("there is no rule \"{unknown}\" to ignore"));
            }
            let asked = ignore.rules.is_empty() || ignore.rules.iter().any(|rule| settings.wants(rule, true));
            let known = ignore.rules.is_empty() || ignore.rules.iter().any(|rule| is_rule(rule));
            if asked && known && !used.contains(&(script.number, number)) {
                found.add(script.number, range, format!("nothing to ignore here: {}", rule_names(&ignore.rules)));
            }
        }
    }
}

fn rule_names(rules: &[String]) -> String {
    if rules.is_empty() { "no rule is named".to_owned() } else { rules.join(", ") }
}

fn unreasoned(world: &World<'_>, found: &mut Found) {
    for script in &world.scripts {
        for ignore in script.ignores.iter().filter(|ignore| !ignore.squawk && ignore.reason.is_empty()) {
            found.add(
                script.number,
                ignore.range.clone(),
                format!("no reason to ignore {}", rule_names(&ignore.rules)),
            );
        }
    }
}

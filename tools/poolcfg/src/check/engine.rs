//! From files to findings: which rules are asked, what is ignored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flotilla::config::Config;
use flotilla::{Code, Error, Result};

use super::capacity::Capacity;
use super::ignore::{self, Ignore};
use super::rule::{Found, Raw, Rule, Severity};
use super::rules;
use super::world::{Given, Subject, World};
use crate::version::{Program, Versions};

/// What to ask, and the numbers that no file has.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Rules not to ask.
    pub exclude: Vec<String>,
    /// The releases that the files are for.
    pub versions: Versions,
    /// PostgreSQL's `max_connections`.
    pub max_connections: Option<u32>,
    /// How many seconds a failover may take until clients are served again.
    pub rto_seconds: Option<f64>,
}

impl Settings {
    /// Refuses names that are no rule's.
    pub fn check(&self) -> Result<()> {
        match self.exclude.iter().find(|name| !is_rule(name)) {
            Some(name) => {
                Err(Error::usage(format!("there is no rule \"{name}\"")).hint("`poolcfg check --rules` lists them."))
            }
            None => Ok(()),
        }
    }

    fn wants(&self, name: &str) -> bool {
        !self.exclude.iter().any(|rule| rule == name)
    }
}

/// A rule as `--rules` lists it.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// Its name.
    pub name: &'static str,
    /// How bad a finding is.
    pub severity: Severity,
    /// Why it is a rule, in a sentence.
    pub why: &'static str,
    /// How to mend what it finds.
    pub mend: &'static str,
}

/// Every rule.
pub fn all_rules() -> Vec<Listed> {
    let listed = |rule: &&Rule| Listed { name: rule.name, severity: rule.severity, why: rule.why, mend: rule.mend };
    rules::ALL.iter().map(listed).collect()
}

fn is_rule(name: &str) -> bool {
    rules::ALL.iter().any(|rule| rule.name == name)
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
    /// The rule's name.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

/// What looking at files yields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checked {
    /// The findings, in the order of files and lines.
    pub(crate) findings: Vec<Finding>,
    /// The sum of connections, with the files that its terms are from.
    pub(crate) capacity: Capacity,
    /// What poolers may take of a server; none where that isn't known.
    pub(crate) usable: Option<i64>,
    /// The files, by the numbers that the terms have.
    pub(crate) files: Vec<PathBuf>,
}

/// Looks at these files together.
pub fn check(paths: &[PathBuf], config: Option<&Config>, settings: &Settings) -> Result<Vec<Finding>> {
    Ok(look(read(paths, settings)?, config, settings)?.findings)
}

/// Looks at texts that are to stand at these places.
pub fn check_texts(
    texts: Vec<(PathBuf, String)>,
    config: Option<&Config>,
    settings: &Settings,
) -> Result<Vec<Finding>> {
    Ok(look(subjects(texts, settings)?, config, settings)?.findings)
}

/// Reads files.
pub(super) fn read(paths: &[PathBuf], settings: &Settings) -> Result<Vec<Subject>> {
    let subject = |path: &PathBuf| {
        let bytes = std::fs::read(path).map_err(|source| {
            Error::new(Code::Input, format!("could not read {}", path.display()))
                .hint("Is the path right, and readable?")
                .source(source)
        })?;
        Subject::new(path, String::from_utf8_lossy(&bytes).into_owned(), true, settings.versions)
    };
    paths.iter().map(subject).collect()
}

/// Texts as if they were files.
pub(super) fn subjects(texts: Vec<(PathBuf, String)>, settings: &Settings) -> Result<Vec<Subject>> {
    texts.into_iter().map(|(path, text)| Subject::new(&path, text, false, settings.versions)).collect()
}

/// Asks every rule.
pub(super) fn look(subjects: Vec<Subject>, config: Option<&Config>, settings: &Settings) -> Result<Checked> {
    settings.check()?;
    let given = Given { max_connections: settings.max_connections.map(i64::from), rto_seconds: settings.rto_seconds };
    let world = World { subjects, config, given };
    let ignores: Vec<Vec<Ignore>> = world.subjects.iter().map(ignore::find).collect();
    let mut used = BTreeSet::new();
    let mut findings = Vec::new();
    for rule in rules::ALL.iter().filter(|rule| settings.wants(rule.name)) {
        let mut found = Found::default();
        match rule.check {
            Some(check) => check(&world, &mut found),
            None if rule.name == rules::SYNTAX.name => syntax(&world, &mut found),
            None if rule.name == rules::HAPROXY_REFUSES.name => haproxy(&world, &mut found),
            None => continue,
        }
        for raw in found.0 {
            let covering =
                ignores[raw.subject].iter().enumerate().filter(|(_, ignore)| ignore.covers(rule.name, raw.at));
            let covering: Vec<_> = covering.map(|(number, _)| (raw.subject, number)).collect();
            if covering.is_empty() {
                findings.push(finding(&world, rule, raw));
            }
            used.extend(covering);
        }
    }
    for (subject, ignores) in ignores.iter().enumerate() {
        for (number, ignore) in ignores.iter().enumerate() {
            of_ignore(&world, settings, subject, ignore, used.contains(&(subject, number)), &mut findings);
        }
    }
    findings.sort_by(|(a, x), (b, y)| (a, x.line, x.rule, &x.message).cmp(&(b, y.line, y.rule, &y.message)));
    findings.dedup();
    Ok(Checked {
        findings: findings.into_iter().map(|(_, finding)| finding).collect(),
        capacity: Capacity::of(&world),
        usable: world.usable(),
        files: world.subjects.iter().map(|subject| subject.path.clone()).collect(),
    })
}

type Numbered = ((usize, usize), Finding);

fn finding(world: &World<'_>, rule: &Rule, raw: Raw) -> Numbered {
    let subject = &world.subjects[raw.subject];
    let finding = Finding {
        file: subject.file(raw.at.file).to_owned(),
        line: raw.at.line,
        rule: rule.name,
        severity: rule.severity,
        message: raw.message,
        hint: rule.mend.to_owned(),
    };
    ((raw.subject, raw.at.file), finding)
}

/// What can be said about the ignore itself.
fn of_ignore(
    world: &World<'_>,
    settings: &Settings,
    subject: usize,
    ignore: &Ignore,
    used: bool,
    findings: &mut Vec<Numbered>,
) {
    let mut add = |rule: &Rule, message: String| {
        if settings.wants(rule.name) {
            findings.push(finding(world, rule, Raw { subject, at: ignore.at, message }));
        }
    };
    let names = if ignore.rules.is_empty() { "no rule is named".to_owned() } else { ignore.rules.join(", ") };
    for unknown in ignore.rules.iter().filter(|rule| !is_rule(rule)) {
        add(rules::UNUSED_IGNORE, format!("there is no rule \"{unknown}\" to ignore"));
    }
    let asked = ignore.rules.is_empty() || ignore.rules.iter().any(|rule| is_rule(rule) && settings.wants(rule));
    if asked && !used {
        add(rules::UNUSED_IGNORE, format!("nothing to ignore here: {names}"));
    }
    if ignore.reason.is_empty() {
        add(rules::IGNORE_WITHOUT_REASON, format!("no reason to ignore {names}"));
    }
}

fn syntax(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        if let Some((place, why)) = &settings.ini.broken {
            found.at(at, *place, why.clone());
        }
    }
    for (at, cfg) in world.haproxies() {
        for (line, why) in &cfg.broken {
            found.line(at, *line, why.clone());
        }
    }
}

/// What HAProxy itself says, where it is installed and the file lies where it will be read.
fn haproxy(world: &World<'_>, found: &mut Found) {
    let Some(program) = Program::Haproxy.find() else { return };
    for (at, _) in world.haproxies() {
        let subject = &world.subjects[at];
        if !subject.is_file {
            continue;
        }
        for (line, message) in ask_haproxy(&program, &subject.path) {
            found.line(at, line, message);
        }
    }
}

/// The errors of `haproxy -c`, with their lines.
pub(crate) fn ask_haproxy(program: &Path, path: &Path) -> Vec<(usize, String)> {
    let mut command = Command::new(program);
    command.args(["-c", "-f"]).arg(path).stdin(Stdio::null());
    let Ok(output) = command.output() else { return Vec::new() };
    if output.status.success() {
        return Vec::new();
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let mut errors = Vec::new();
    for line in said.lines() {
        let Some((_, text)) = line.split_once("[ALERT]") else { continue };
        let text = text.split_once(" : ").map_or(text, |(_, rest)| rest).trim();
        let text = text.trim_start_matches("config : ");
        if text.starts_with("Error(s) found") || text.starts_with("Fatal errors found") {
            continue;
        }
        let place = format!("parsing [{}:", path.display());
        let number = text.strip_prefix(&place).and_then(|rest| rest.split_once(']'));
        let read = number.and_then(|(line, rest)| Some((line.parse().ok()?, rest)));
        let (line, text) = read.unwrap_or((1, text));
        errors.push((line, text.trim_start_matches([' ', ':']).trim_end_matches('.').to_owned()));
    }
    if errors.is_empty() {
        errors.push((1, format!("haproxy -c ends with {}", output.status)));
    }
    errors
}

impl Checked {
    /// The place of a term's file, as records show it.
    pub(crate) fn file(&self, subject: usize) -> String {
        self.files.get(subject).map(|path| path.display().to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_in_order_and_say_why() {
        let rules = all_rules();
        assert!(rules.len() >= 30 && rules.windows(2).all(|pair| pair[0].name < pair[1].name));
        for rule in rules {
            assert!(rule.why.ends_with('.') && rule.mend.ends_with('.'), "{}", rule.name);
        }
    }
}

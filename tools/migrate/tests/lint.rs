//! Every rule against scripts that it must find fault with and scripts that it must let pass.
//!
//! `tests/lint/<rule>/fail` and `…/pass` are folders of scripts, or single files `fail.sql` and
//! `pass.sql`, which stand for version 1.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use flotilla::migrations::scripts::{Marks, Placeholders, Set};
use migrate::lint::{self, Finding, Settings};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint")
}

/// The findings about the scripts of one side of a rule; the rules that any script without undo
/// falls foul of are left out, unless they are what is tried.
fn findings(rule: &str, side: &str) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let given = cases().join(rule).join(side);
    if given.is_dir() {
        for entry in fs::read_dir(&given).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    } else {
        fs::copy(given.with_extension("sql"), folder.path().join("V1__case.sql"))
            .unwrap_or_else(|e| panic!("{rule} needs {}: {e}", given.with_extension("sql").display()));
    }
    let set = Set::read(&[folder.path().to_owned()]).unwrap_or_else(|e| panic!("{rule}: {}", e.text("lint")));
    let placeholders = Placeholders::new(Marks::default()).with("table_name", "things");
    let exclude = if rule == "undo-missing" { vec![] } else { vec!["undo-missing".to_owned()] };
    let settings = Settings { include: vec![rule.to_owned()], exclude, ..Settings::default() };
    settings.check().unwrap_or_else(|e| panic!("{}", e.text("lint")));
    let mut findings = lint::check(&set, &placeholders, &settings);
    for finding in &mut findings {
        finding.file = Path::new(&finding.file).file_name().unwrap().to_string_lossy().into_owned();
    }
    findings
}

fn shown(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |mut text, f| {
        let Finding { file, line, column, rule, severity, message, statement, .. } = f;
        let statement = statement.as_deref().unwrap_or("-");
        writeln!(text, "  {file}:{line}:{column} {severity:?} {rule}: {message} [{statement}]").unwrap();
        text
    })
}

#[test]
fn every_rule_finds_what_it_should_and_nothing_else() {
    let (mut text, mut wrong) = (String::new(), String::new());
    for rule in lint::all_rules() {
        let (fail, pass) = (findings(rule.name, "fail"), findings(rule.name, "pass"));
        let found = |findings: &[Finding]| findings.iter().any(|f| f.rule == rule.name);
        if !found(&fail) || found(&pass) {
            writeln!(wrong, "{}\n fail\n{} pass\n{}", rule.name, shown(&fail), shown(&pass)).unwrap();
        }
        for finding in fail.iter().filter(|f| f.rule == rule.name) {
            assert!(!finding.hint.is_empty() && !finding.message.ends_with('.'), "{finding:?}");
        }
        write!(text, "{}\n fail\n{} pass\n{}", rule.name, shown(&fail), shown(&pass)).unwrap();
    }
    assert!(wrong.is_empty(), "rules that find nothing in fail, or something in pass:\n{wrong}");
    insta::assert_snapshot!("rules", text);
}

#[test]
fn every_case_belongs_to_a_rule() {
    let rules: BTreeSet<&str> = lint::all_rules().iter().map(|rule| rule.name).collect();
    for entry in fs::read_dir(cases()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(rules.contains(&*name), "there is no rule {name}");
    }
}

#[test]
fn no_finding_shows_a_value() {
    for rule in lint::all_rules() {
        for side in ["fail", "pass"] {
            assert!(!shown(&findings(rule.name, side)).contains("secret"), "{}", rule.name);
        }
    }
}

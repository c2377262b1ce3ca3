//! Every rule against an observation that it must let pass and one that it must find fault with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use healthcheck::audit::{self, Facts, Severity, Verdict};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What was seen of a component, made up.
#[derive(Deserialize)]
struct Component {
    /// Of an instance that is safe by every rule.
    safe: Map<String, Value>,
    /// What is different, for each rule.
    rules: BTreeMap<String, Cases>,
}

#[derive(Deserialize)]
struct Cases {
    /// Where the rule doesn't concern the safe one: of another that is safe as well.
    #[serde(default)]
    pass: Map<String, Value>,
    /// Of one that is weak by this rule and no other.
    fail: Map<String, Value>,
}

fn observations() -> BTreeMap<String, Component> {
    serde_json::from_str(include_str!("observations.json")).unwrap()
}

/// The safe ones with what is different.
fn with(safe: &Map<String, Value>, different: &Map<String, Value>) -> Map<String, Value> {
    let mut all = safe.clone();
    for (name, value) in different {
        match (all.get_mut(name), value) {
            (Some(Value::Object(there)), Value::Object(different)) => *there = with(there, different),
            _ => drop(all.insert(name.clone(), value.clone())),
        }
    }
    all
}

/// The rules of a component that find fault.
fn bad(component: &str, facts: &Map<String, Value>) -> BTreeSet<&'static str> {
    let facts = Facts::of(facts.clone());
    let of = audit::rules().filter(|(name, _)| *name == component);
    of.filter(|(_, rule)| matches!(audit::judge(rule, &facts), Ok(Verdict::Bad(_))))
        .map(|(_, rule)| rule.name)
        .collect()
}

#[test]
fn every_rule_lets_the_safe_pass_and_finds_its_weakness_and_no_other() {
    let observations = observations();
    let mut said = String::new();
    for (component, rule) in audit::rules() {
        let of = observations.get(component).unwrap_or_else(|| panic!("no observations of {component}"));
        let cases = of.rules.get(rule.name).unwrap_or_else(|| panic!("no observations for {}", rule.name));
        let judge = |different| audit::judge(rule, &Facts::of(with(&of.safe, different)));
        let (pass, fail) = (judge(&cases.pass), judge(&cases.fail));
        let (Ok(Verdict::Good(good)), Ok(Verdict::Bad(weak))) = (&pass, &fail) else {
            panic!("{}: {pass:?}, {fail:?}", rule.name);
        };
        assert_eq!(bad(component, &with(&of.safe, &cases.pass)), BTreeSet::new(), "{}", rule.name);
        assert_eq!(bad(component, &with(&of.safe, &cases.fail)), BTreeSet::from([rule.name]));
        let severity = match rule.severity {
            Severity::Warn => "warn",
            Severity::Fail => "fail",
        };
        let _ = writeln!(said, "{}\n  pass: {good}\n  {severity}: {weak}", rule.name);
    }
    insta::assert_snapshot!("audit_rules", said);
}

#[test]
fn no_rule_is_content_with_what_it_has_not_seen() {
    for (_, rule) in audit::rules() {
        let judged = audit::judge(rule, &Facts::default());
        assert!(judged.is_err(), "{}: {judged:?}", rule.name);
    }
}

#[test]
fn every_observation_is_of_a_rule_that_there_is() {
    let known: BTreeSet<(&str, &str)> = audit::rules().map(|(component, rule)| (component, rule.name)).collect();
    assert_eq!(known.len(), audit::rules().count(), "names are given once");
    assert!(known.len() >= 35, "{} rules", known.len());
    for (component, of) in observations() {
        for rule in of.rules.keys() {
            assert!(known.contains(&(&*component, &**rule)), "there is no rule {rule} of {component}");
        }
    }
}

#[test]
fn rules_say_why_and_what_to_do() {
    for (component, rule) in audit::rules() {
        assert!(rule.name.starts_with(&format!("{component}-")), "{}", rule.name);
        assert!(rule.why.ends_with('.') && rule.mend.ends_with('.'), "{}", rule.name);
    }
}

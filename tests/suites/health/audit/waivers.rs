//! What somebody has decided to live with for a while.

use flotilla_tests::Fleet;
use serde_json::Value;

use super::{audit, of};

fn with(waivers: &str) -> Fleet {
    let mut fleet = Fleet::new().shards(1).init().start();
    fleet.sql(0, "GRANT CREATE ON SCHEMA public TO PUBLIC");
    fleet.topology = fleet.topology.clone().rest(waivers);
    fleet.write_topology();
    fleet
}

const RULE: &str = "[[health.waivers]]\nrule = \"postgresql-public-schema\"\nreason = \"an old application\"\n";

#[test]
fn a_waiver_covers_its_rule_where_and_as_long_as_it_says() {
    let fleet = with(&format!("{RULE}target = \"s0-a\"\nuntil = 2999-12-31\n"));
    let outcome = audit(&fleet, ["--component", "postgresql"]).run();
    let line = of(&outcome, "postgresql-public-schema", "s0-a");
    assert_eq!((&line["state"], &line["status"]), (&Value::from("waived"), &Value::from("ok")), "{line}");
    assert_eq!((&line["waived_until"], &line["waiver_reason"]), (&"2999-12-31".into(), &"an old application".into()));
    assert!(outcome.lines().iter().all(|line| line["component"] != "waiver"));
    fleet.sql(0, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let outcome = audit(&fleet, ["--component", "postgresql"]).run();
    assert_eq!(of(&outcome, "waiver-unused", "s0-a")["state"], "warn");
}

#[test]
fn a_waiver_that_has_ended_fails_and_is_named() {
    let fleet = with(&format!("{RULE}until = 2020-12-31\n"));
    let outcome = audit(&fleet, ["--component", "postgresql", "-q"]).run().code_is(1);
    let line = of(&outcome, "postgresql-public-schema", "s0-a");
    assert_eq!(line["state"], "fail");
    assert!(line["observed"].to_string().contains("its waiver ended on 2020-12-31"), "{line}");
    let named = outcome.lines().into_iter().find(|line| line["rule"] == "waiver-expired").unwrap();
    assert_eq!((&named["state"], &named["status"]), (&Value::from("fail"), &Value::from("error")), "{named}");
    assert!(named["observed"].to_string().contains("postgresql-public-schema"), "{named}");
}

#[test]
fn a_waiver_of_nothing_that_there_is_is_refused_before_anybody_is_asked() {
    let fleet = with("[[health.waivers]]\nrule = \"no-such\"\nreason = \"x\"\nuntil = 2999-12-31\n");
    let outcome = audit(&fleet, []).run().code_is(2).no_lines();
    outcome.says("a waiver is of rule \"no-such\", which there isn't").says("healthcheck audit --rules");
}

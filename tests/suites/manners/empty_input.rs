//! The two kinds of empty input, and what comes through a pipe from a tool that failed.
//!
//! cron's standard input is an empty pipe, a crashed tool leaves one, and `/dev/null` is how people
//! say that there is none. Whoever changes something must not take any of them for "all".

use flotilla::verb::Scope;
use flotilla_tests::{Fleet, Run};

use super::rows::Row;
use super::{every, fleet};

type Kind = (&'static str, fn(Run) -> Run);

const EMPTY: [Kind; 4] = [
    ("/dev/null", |run| run),
    ("a closed descriptor", Run::stdin_closed),
    ("an empty pipe", |run| run.stdin("")),
    ("a pipe of blank lines", |run| run.stdin("\n \n\n")),
];

#[test]
fn a_verb_that_changes_touches_nothing_without_targets() {
    let fleet = fleet();
    let before = fleet.state();
    super::all(
        |row| row.untargeted.is_some() && row.changes(),
        |row| {
            for (kind, empty) in EMPTY {
                let loads = row.args.contains(&"--copy");
                if loads && kind == "a pipe of blank lines" {
                    continue;
                }
                let outcome = empty(row.with(&fleet, row.untargeted.unwrap_or_default())).run();
                assert_eq!(outcome.code(), Some(row.usage), "{kind}: {}", outcome.transcript());
                let outcome = outcome.no_lines().says("nothing was touched").says("hint: ");
                assert_eq!(fleet.state(), before, "{kind}: {}", outcome.transcript());
            }
        },
    );
}

/// A verb whose targets are optional takes all where nothing was piped, but not where a pipe was empty.
#[test]
fn a_verb_with_optional_targets_tells_nothing_from_an_empty_pipe() {
    let fleet = fleet();
    every(
        |row| row.entry().scope == Scope::Optional,
        |row| {
            row.run(&fleet).run().ok();
            row.run(&fleet).stdin_closed().run().ok();
            row.run(&fleet).stdin("").run().code_is(row.usage).no_lines().says("no target came through the pipe");
        },
    );
}

/// A verb without targets doesn't care what its standard input is.
#[test]
fn a_verb_without_targets_takes_any_input() {
    let fleet = fleet();
    every(
        |row| row.entry().scope == Scope::None && row.stdin.is_none(),
        |row| {
            for (kind, empty) in EMPTY {
                let outcome = empty(row.run(&fleet)).run();
                assert_eq!(outcome.code(), Some(0), "{kind}: {}", outcome.transcript());
            }
        },
    );
}

/// The railway rule: a line that failed before isn't worked on, is passed on, and fails the run.
#[test]
fn a_line_that_failed_before_is_skipped() {
    let fleet = fleet();
    every(pipes_targets, |row| {
        for status in ["error", "skipped", "cancelled", "something-new"] {
            let (good, bad) = names(row);
            let input = format!(
                "{{\"target\":\"{good}\",\"status\":\"ok\"}}\n{{\"target\":\"{bad}\",\"status\":\"{status}\"}}\n"
            );
            let outcome = row.with(&fleet, row.untargeted.unwrap_or(row.args)).stdin(input).run().code_is(1);
            let lines = outcome.lines();
            let skipped = lines.iter().find(|line| line["target"] == bad).expect("the bad line is passed on");
            assert_eq!((&skipped["status"], &skipped["error"]["code"]), (&"skipped".into(), &"upstream_failed".into()));
            let is_good = |line: &&serde_json::Value| line["status"] == "ok" || line["status"] == "planned";
            assert!(lines.iter().filter(|line| line["target"] == good).all(|line| is_good(&line)));
        }
    });
}

/// A major version that this release doesn't know may mean anything.
#[test]
fn an_unknown_major_is_refused_before_anything_is_touched() {
    let fleet = fleet();
    let before = fleet.state();
    every(pipes_targets, |row| {
        let (good, other) = names(row);
        let input = format!("{{\"target\":\"{good}\"}}\n{{\"schema\":\"migrate.result/2\",\"target\":\"{other}\"}}\n");
        let run = row.with(&fleet, row.untargeted.unwrap_or(row.args)).stdin(input);
        run.run().code_is(row.usage).no_lines().says("migrate.result/2").says("hint: ");
        assert_eq!(fleet.state(), before);
    });
}

fn pipes_targets(row: &Row) -> bool {
    row.entry().scope != Scope::None && !row.args.contains(&"--key") && !row.args.contains(&"--copy")
}

/// Two targets that the row can work on.
fn names(row: &Row) -> (&'static str, &'static str) {
    if row.pools { ("lb-a", "pool-a") } else { ("s0", "s1") }
}

/// A run that was given its targets by name reads no pipe, so a cron job can't lose one.
#[test]
fn named_targets_need_no_pipe() {
    let fleet = Fleet::new().start();
    fleet.shardctl(["init", "-t", "s0"]).stdin("").run().ok();
    assert_eq!(fleet.sql(1, "SELECT to_regnamespace('flotilla') IS NULL"), "t");
}

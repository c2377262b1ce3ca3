//! Two stacks on one machine, from the first `up` to the last file.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use flotilla_tests::{Run, Sandbox};

use super::{PATIENCE, Stack, alone, any_is_there};

#[test]
fn two_stacks_live_side_by_side_and_each_comes_and_goes_alone() {
    let _alone = alone();
    let sandbox = Sandbox::on_disk();
    let (one, two) = (Stack::new(&sandbox, "one", 17000), Stack::new(&sandbox, "two", 18000));
    one.up().ok().says("is up after");
    answers(&one);
    the_demo_holds(&one);
    what_is_shipped_is_safe(&one);
    two.up().ok().says("is up after");
    answers(&two);
    for stack in [&one, &two] {
        a_second_up_changes_nothing(stack);
    }
    down_stops_its_own_alone(&one, &two);
    ends(&two);
    a_clock_that_lags_is_refused(&one);
    let gone = one.up().ok().says("is up after");
    assert!(gone.stderr.contains("s0-a"), "{}", gone.transcript());
    assert_eq!(users(&one), 2000, "the data are kept");
    ends(&one);
}

fn answers(stack: &Stack<'_>) {
    let targets = stack.mine("shardctl targets --kind node -o json").run().ok();
    let ports: Vec<u64> = targets.lines().iter().filter_map(|line| line["port"].as_u64()).collect();
    assert_eq!(ports, vec![u64::from(stack.base_port + 432); 6], "{}", targets.transcript());
    stack.mine("shardctl init --all").run().ok();
    let status = stack.mine("shardctl status -o json").run().ok();
    for shard in ["s0", "s1"] {
        assert_eq!(status.line(shard)["nodes"], 3, "{}", status.transcript());
    }
    stack.mine("stack status").run().ok();
}

fn a_second_up_changes_nothing(stack: &Stack<'_>) {
    let (processes, files) = (stack.processes(), stack.written());
    // 35 members with a logger each, 6 postmasters, the supervisor.
    assert_eq!(processes.len(), 35 * 2 + 6 + 1, "{processes:?}");
    stack.up().ok().says("was up already; nothing was changed");
    assert_eq!(stack.processes(), processes);
    assert_eq!(stack.written(), files);
}

fn the_demo_holds(stack: &Stack<'_>) {
    let line = format!("compose/demo --name {} --base-port {}", stack.name, stack.base_port);
    let told = stack.shell(&line).env("FLOTILLA_DEMO_USERS", "2000").run_within(PATIENCE).ok();
    assert!(told.stdout.contains("All 17 checks held"), "{}", told.transcript());
    assert_eq!(users(stack), 2000);
}

/// As shipped, and with its first day's work done: backups in both stores, read, and restored once.
fn what_is_shipped_is_safe(stack: &Stack<'_>) {
    let drills = "drills=$(mktemp -d \"$(dirname \"$FLOTILLA_CONFIG\")/data/drill.XXXXXX\"); \
                  chown \"$(stat -c %U \"$(dirname \"$FLOTILLA_CONFIG\")/data/s0-a\")\" \"$drills\"; \
                  pitr drill --all --latest --into \"$drills\"; code=$?; rm -rf \"$drills\"; exit $code";
    let copy = "walg-wrap copy --all --to region2";
    for line in [copy, "walg-wrap verify --all", "walg-wrap verify --all --store region2", drills] {
        stack.mine(line).run_within(PATIENCE).ok();
    }
    let outcome = stack.mine("healthcheck audit --fail-on warn -o json").run_within(PATIENCE).ok();
    let lines = outcome.lines();
    assert!(lines.iter().all(|line| line["state"] == "pass"), "{}", outcome.transcript());
    // Every rule but those of folders, and of what poolers here don't do, had something to judge.
    let judged: BTreeSet<&str> = lines.iter().filter_map(|line| line["rule"].as_str()).collect();
    let all: BTreeSet<&str> = healthcheck::audit::rules().map(|(_, rule)| rule.name).collect();
    let moot: Vec<&&str> = all.difference(&judged).collect();
    assert_eq!(moot, [&"pgbouncer-auth-query", &"store-folder-open"], "{}", outcome.transcript());
    assert!(stack.mine("healthcheck audit --fail-on warn -q").run_within(PATIENCE).ok().stdout.is_empty());
}

fn users(stack: &Stack<'_>) -> u64 {
    let counted = stack.mine("shardctl sql --all 'SELECT count(*) AS n FROM users' -o json").run().ok();
    counted.lines().iter().filter_map(|line| line["row"]["n"].as_str()?.parse::<u64>().ok()).sum()
}

fn down_stops_its_own_alone(stack: &Stack<'_>, neighbour: &Stack<'_>) {
    // Somebody else's process, in the very folder.
    let mut bystander = Run::new("/bin/sleep").args(["300"]).folder(&stack.state()).start();
    let (theirs, segments) = (neighbour.processes(), stack.segments());
    assert_eq!(segments.len(), 6);
    let files = stack.written();

    // A run that is at work on the stack has it to itself.
    let lock = File::options().append(true).open(stack.state().join("lock")).unwrap();
    lock.lock().unwrap();
    stack.down("").code_is(75).says("another run is working on the stack");
    drop(lock);

    stack.down("").ok().says("is down after");
    assert!(!bystander.has_ended());
    drop(bystander);
    nothing_runs(stack);
    assert!(!any_is_there(&segments));
    assert_eq!(stack.sockets(), Vec::<std::path::PathBuf>::new());
    let now = stack.written();
    assert!(files.iter().all(|(path, state)| now.get(path) == Some(state)), "its files are kept");
    assert_eq!(neighbour.processes(), theirs);
    stack.down("").ok().says("was down already");
}

fn ends(stack: &Stack<'_>) {
    stack.down("--wipe").ok().says("removed");
    assert!(!stack.state().exists());
    nothing_runs(stack);
    stack.down("--wipe").ok().says("nothing to do");
}

fn nothing_runs(stack: &Stack<'_>) {
    assert!(stack.all_processes().is_empty());
    assert!(stack.ports().is_empty());
}

/// The stack's certificates were made, says the file, in an hour.
fn a_clock_that_lags_is_refused(stack: &Stack<'_>) {
    let authority = File::options().append(true).open(stack.state().join("tls/ca.crt")).unwrap();
    let made = fs::metadata(stack.state().join("tls/ca.crt")).unwrap().modified().unwrap();
    authority.set_modified(SystemTime::now() + Duration::from_hours(1)).unwrap();
    stack.up().code_is(2).no_lines().says("the clock is at least").says("hint: Set the clock");
    nothing_runs(stack);
    authority.set_modified(made).unwrap();
}

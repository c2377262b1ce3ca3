//! What a shard promises: the lead moves without an error, poolers never stay paused, a server that its Patroni
//! has left behind is seen and stopped, and no acknowledged write is lost when something dies.
//!
//! `FLOTILLA_SWITCHOVERS=20` and `FLOTILLA_DRILLS=all` make it the whole of it.

mod clients;

use std::fs;
use std::time::{Duration, Instant};

use flotilla_native::process::{self, Identity};
use flotilla_tests::{Outcome, Sandbox, contract, until};
use rustix::process::Signal;
use serde_json::Value;

use self::clients::Clients;
use super::{PATIENCE, Stack, alone};
use crate::records::OF_A_STACK;

/// Nothing may stay paused for longer.
const LEASE: Duration = Duration::from_secs(10);

#[test]
#[ignore = "takes minutes, on demand: tests/run --run-ignored only -E 'test(availability)'"]
fn a_shard_keeps_its_promises() {
    let _alone = alone();
    let sandbox = Sandbox::on_disk();
    let stack = Stack::new(&sandbox, "promises", 17000);
    fs::create_dir(stack.state()).unwrap();
    fs::write(stack.state().join("local.toml"), "[[shards]]\nname = \"s1\"\nrpo_bytes = 16777216\n").unwrap();
    stack.up().ok();
    stack.mine("shardctl init --all").run().ok();
    what_is_promised_reaches_etcd(&stack);
    switchovers_cost_clients_nothing_but_time(&stack);
    an_idle_transaction_is_named_and_nothing_moves(&stack);
    killed_at_any_step_nothing_stays_paused(&stack);
    what_two_kills_leave_paused_the_next_run_lets_go(&stack);
    what_cannot_be_is_refused(&stack);
    an_orphaned_server_is_seen_and_stopped(&stack);
    drills(&stack);
}

fn held(stack: &Stack<'_>, shard: &str) -> Value {
    let line =
        format!("curl -s --cacert $PGSSLROOTCERT https://127.0.0.{}:17008/config", if shard == "s0" { 11 } else { 21 });
    serde_json::from_str(&stack.mine(&line).run().ok().stdout).unwrap()
}

fn what_is_promised_reaches_etcd(stack: &Stack<'_>) {
    assert_eq!(held(stack, "s0")["synchronous_mode"], "quorum");
    assert_eq!(held(stack, "s1")["synchronous_mode"], false);
    assert_eq!(held(stack, "s1")["primary_start_timeout"], 15);
    let promise = |seconds: u32| {
        let text = format!(
            "[[shards]]\nname = \"s0\"\nrto_seconds = {seconds}\n[[shards]]\nname = \"s1\"\nrpo_bytes = 16777216\n"
        );
        fs::write(stack.state().join("local.toml"), text).unwrap();
    };
    promise(40);
    let up = stack.up().ok().says("s0               has ttl 20 in etcd; it becomes 35");
    // Patroni takes it as it runs; who watches over it starts anew.
    let restarts: Vec<&str> = up.stderr.lines().filter(|line| line.contains("has to restart")).collect();
    assert!(restarts.iter().all(|line| line.contains("-watchdog ")), "{}", up.transcript());
    // Each Patroni reads it anew in its next turn.
    until("it is in force", || (held(stack, "s0")["ttl"] == 35).then_some(()));
    stack.up().ok().says("nothing was changed");
    promise(25);
    stack.up().ok().says("has ttl 35 in etcd; it becomes 20");
    let local = fs::read_to_string(stack.state().join("local.toml")).unwrap();
    fs::write(stack.state().join("local.toml"), format!("{local}[pgbouncer]\nserver_login_retry = 15\n")).unwrap();
    stack.up().code_is(2).says("a dead host would take ttl 20 + election 3");
    fs::write(stack.state().join("local.toml"), local).unwrap();
}

/// Waits until every node is fit to lead again.
fn until_whole(stack: &Stack<'_>) {
    until("the shard is whole", || {
        let planned = ["a", "b", "c"]
            .map(|node| stack.mine(&format!("shardctl switchover s0 --to s0-{node} --dry-run -o json")).run().code());
        (planned.iter().filter(|code| **code == Some(0)).count() == 2).then_some(())
    });
}

fn switchover(stack: &Stack<'_>, more: &str) -> Outcome {
    stack.mine(&format!("shardctl switchover s0 --yes -o json {more}")).run()
}

#[expect(clippy::print_stdout, reason = "figures for whoever asks for them")]
fn switchovers_cost_clients_nothing_but_time(stack: &Stack<'_>) {
    let count = asked("FLOTILLA_SWITCHOVERS").and_then(|n| n.parse().ok()).unwrap_or(3);
    let table = "CREATE TABLE public.stalls (client int, n bigint); GRANT INSERT ON public.stalls TO app";
    stack.mine(&format!("psql -Xq service=s0 -c '{table}'")).run().ok();
    let clients = Clients::start(stack, 50);
    let mut stalls: Vec<u64> = Vec::new();
    for _ in 0..count {
        until_whole(stack);
        let moved = switchover(stack, "--kill-idle --pause-limit 300ms").ok();
        contract::check(moved.stdout.trim_end()).unwrap();
        let line = moved.line("s0");
        assert_eq!(line["lease_passed"], false, "{line}");
        assert_ne!(line["from"], line["to"]);
        println!("{line}");
        stalls.push(line["stall_ms"].as_u64().unwrap());
    }
    let seen = clients.end();
    stalls.sort_unstable();
    println!(
        "{count} switchovers, {} statements of 50 clients: {} errors, longest stall {:?}; by the tool {stalls:?} ms; \
         {} idle transactions ended",
        seen.statements,
        seen.errors.len(),
        seen.longest,
        seen.idle_ended
    );
    assert!(seen.errors.is_empty(), "{:?}", seen.errors);
    assert!(seen.idle_ended > 0, "the idle transaction stood in the way");
    until_whole(stack);
}

/// How many databases of poolers are paused.
fn paused(stack: &Stack<'_>) -> usize {
    let show = |pooler: &str| stack.mine(&format!("psql -XAq service={pooler} -c 'show databases'")).run().stdout;
    ["pool-a", "pool-b"]
        .map(|pooler| {
            let said = show(pooler);
            let mut lines = said.lines().map(|line| line.split('|').collect::<Vec<_>>());
            let at = lines.next().and_then(|heads| heads.iter().position(|head| *head == "paused")).expect("a column");
            lines.filter(|row| row.get(at) == Some(&"1")).count()
        })
        .into_iter()
        .sum()
}

/// A transaction that stands open through a pooler until it is dropped.
fn idle(stack: &Stack<'_>) -> flotilla_tests::Running {
    let mut psql = stack.mine("exec psql -XAtq service=s0-rw").stdin_open().start();
    psql.write("BEGIN; INSERT INTO stalls VALUES (-1, 0); SELECT 'open';\n");
    until("the transaction is open", || psql.stdout_so_far().contains("open").then_some(()));
    psql
}

fn an_idle_transaction_is_named_and_nothing_moves(stack: &Stack<'_>) {
    let before = leader(stack, "s0");
    let open = idle(stack);
    let refusal = switchover(stack, "--pause-limit 300ms").code_is(1);
    let line = refusal.line("s0");
    assert_eq!(line["error"]["code"], "lock_timeout", "{line}");
    assert!(line["error"]["message"].as_str().unwrap().contains("user app, idle in its transaction"), "{line}");
    assert_eq!((line["changed"].clone(), leader(stack, "s0")), (Value::Bool(false), before));
    assert_eq!(paused(stack), 0);
    drop(open);
}

fn leader(stack: &Stack<'_>, shard: &str) -> String {
    until("the shard has a leader", || {
        let status = stack.mine("shardctl status -o json --ledger 0").run();
        let line = status.lines().into_iter().find(|line| line["target"] == *shard)?;
        line["leader"].as_str().map(str::to_owned)
    })
}

fn killed_at_any_step_nothing_stays_paused(stack: &Stack<'_>) {
    for step in ["guarded", "paused", "asked", "led", "resumed"] {
        until_whole(stack);
        let before = leader(stack, "s0");
        let run = stack.mine("shardctl switchover s0 --yes").env("FLOTILLA_FAILPOINT", format!("switchover.{step}"));
        let run = run.run();
        // The shell says so of its child.
        assert_eq!(run.code().or(run.signal().map(|signal| 128 + signal)), Some(137), "{step}: {}", run.transcript());
        let killed = Instant::now();
        until("nothing is paused", || (paused(stack) == 0).then_some(()));
        assert!(killed.elapsed() <= LEASE, "{step}: paused for {:?}", killed.elapsed());
        // What Patroni was asked for it does, whoever has died meanwhile.
        if !matches!(step, "guarded" | "paused") {
            until("the lead has moved", || (leader(stack, "s0") != before).then_some(()));
        }
    }
    until_whole(stack);
    // One that stands still keeps nothing paused either.
    let open = idle(stack);
    let run = stack.mine("exec shardctl switchover s0 --yes --pause-limit 5s -o json").start();
    until("the poolers are being paused", || (paused(stack) > 0).then_some(()));
    let stopped = Instant::now();
    run.signal(Signal::STOP);
    until("nothing is paused", || (paused(stack) == 0).then_some(()));
    assert!(stopped.elapsed() <= LEASE, "paused for {:?}", stopped.elapsed());
    run.signal(Signal::CONT);
    run.finish().code_is(1);
    drop(open);
}

/// The process that holds the poolers.
fn guard() -> Option<Identity> {
    process::all().into_iter().find(|process| {
        let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == b"hold-poolers")
    })
}

fn what_two_kills_leave_paused_the_next_run_lets_go(stack: &Stack<'_>) {
    let open = idle(stack);
    let run = stack.mine("exec shardctl switchover s0 --yes --pause-limit 5s").start();
    until("the poolers are being paused", || (paused(stack) > 0).then_some(()));
    // Both at once: neither may see the other's end.
    run.signal(Signal::STOP);
    guard().expect("a guard").signal(Signal::KILL);
    run.signal(Signal::KILL);
    drop(run);
    drop(open);
    assert!(paused(stack) > 0, "nobody is left who could let go");
    until_whole(stack);
    let line = switchover(stack, "").ok().line("s0");
    assert!(!line["repaired"].as_array().unwrap().is_empty(), "{line}");
    assert_eq!(paused(stack), 0);
    until_whole(stack);
}

fn what_cannot_be_is_refused(stack: &Stack<'_>) {
    let now = leader(stack, "s0");
    stack.mine("shardctl switchover s0").run().code_is(3).says("nothing was touched").says("--yes");
    stack.mine("shardctl switchover s0 --to s1-a --yes").run().code_is(2).says("is no node of shard");
    stack.mine(&format!("shardctl switchover s0 --to {now} --yes")).run().code_is(3).says("already");
    let pause = |on: &str| {
        let order = format!(
            "curl -sf --cacert $PGSSLROOTCERT --cert {0}/tls/operator.crt --key {0}/tls/operator.key \
             -X PATCH -d '{{\"pause\": {on}}}' https://127.0.0.11:17008/config",
            stack.state().display()
        );
        stack.mine(&order).run().ok();
    };
    pause("true");
    until("the pause is known", || {
        (stack.mine("shardctl switchover s0 --dry-run").run().stderr.contains("is paused in Patroni")).then_some(())
    });
    pause("null");
    until_whole(stack);
    let replica = if now == "s0-a" { "s0-b" } else { "s0-a" };
    stack.mine(&format!("stack stop {replica}")).run_within(PATIENCE).ok();
    let refusal = stack.mine(&format!("shardctl switchover s0 --to {replica} --yes")).run().code_is(3);
    refusal.says("has no candidate").says(replica);
    stack.mine(&format!("stack start {replica}")).run_within(PATIENCE).ok();
    stack.mine("shardctl drill s0 --fault host-dies").run().code_is(3).says("nothing was touched");
    // Not in the machine's own network.
    stack.mine("stack fault break host-cut-off s0-a").run().code_is(3).says("a host can't be cut off here");
    until_whole(stack);
}

/// The asynchronous shard, for with quorum commit there would be nothing to lose.
fn an_orphaned_server_is_seen_and_stopped(stack: &Stack<'_>) {
    let old = leader(stack, "s1");
    let server = stack.process(&format!("{old} postmaster"));
    stack.mine(&format!("stack fault break patroni-dies {old}")).run().ok();
    let seen = until("the orphan is seen", || {
        let status = stack.mine("shardctl status -o json --ledger 0").run();
        let line = status.lines().into_iter().find(|line| line["target"] == "s1")?;
        (line["orphans"] == serde_json::json!([old])).then_some((status.code(), line))
    });
    assert_eq!((seen.0, &seen.1["error"]["code"]), (Some(1), &Value::from("wrong_role")));
    until("the orphan is stopped", || (!server.is_alive()).then_some(()));
    until("another leads", || (leader(stack, "s1") != old).then_some(()));
    stack.mine(&format!("stack fault mend patroni-dies {old}")).run_within(PATIENCE).ok();
    until("it follows", || (stack.mine("stack status").run().code() == Some(0)).then_some(()));
}

/// What the caller of the tests asks for.
#[expect(clippy::disallowed_methods, reason = "for whoever runs the tests, not for a tool")]
fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Shard and fault of the normal run, and of the whole.
const SHORT: [(&str, &str); 3] = [("s0", "node-crashes"), ("s1", "patroni-dies"), ("s0", "pooler-dies")];
const WHOLE: [&str; 13] = [
    "postgres-dies",
    "node-crashes",
    "node-dies",
    "host-dies",
    "patroni-dies",
    "patroni-crashes",
    "host-freezes",
    "replica-dies",
    "etcd-dies",
    "etcds-die",
    "pooler-dies",
    "balancer-dies",
    "switchover",
];

#[expect(clippy::print_stdout, reason = "figures for whoever asks for them")]
fn drills(stack: &Stack<'_>) {
    let all = asked("FLOTILLA_DRILLS").is_some_and(|wanted| wanted == "all");
    let whole = ["s0", "s1"].into_iter().flat_map(|shard| WHOLE.map(|fault| (shard, fault)));
    let wanted: Vec<(&str, &str)> = if all { whole.collect() } else { SHORT.to_vec() };
    for (shard, fault) in wanted {
        let run = stack.mine(&format!("shardctl drill {shard} --fault {fault} --yes -o json"));
        let drilled = run.run_within(PATIENCE);
        println!("{}", drilled.stdout);
        for line in drilled.stdout.lines() {
            let kind = contract::check(line).unwrap()["schema"].as_str().map(str::to_owned).unwrap();
            assert!(OF_A_STACK.contains(&kind.as_str()), "{line}");
        }
        let lines = drilled.lines();
        let last = lines.last().unwrap_or_else(|| panic!("{}", drilled.transcript()));
        assert_eq!(last["fault"], fault, "{}", drilled.transcript());
        assert_eq!(last["ill"], serde_json::json!([]), "{}", drilled.transcript());
        assert!(last["acknowledged"].as_u64() > Some(0), "{last}");
        if shard == "s0" {
            assert_eq!(last["lost"], 0, "quorum commit loses nothing: {last}");
        } else {
            let bytes = last["lost_wal_bytes"].as_u64().unwrap();
            assert!(bytes <= last["rpo_bytes"].as_u64().unwrap(), "{last}");
        }
        // Gone, whatever happened.
        let gone = format!("psql -XAtq service={shard} -c \"SELECT to_regnamespace('flotilla_drill') IS NULL\"");
        assert_eq!(stack.mine(&gone).run().ok().stdout, "t\n");
    }
}

//! `poolcfg apply` while clients are held back: nobody notices, and nothing stays paused.

use std::fs;
use std::time::{Duration, Instant};

use flotilla_native::process::{self, Identity};
use flotilla_tests::{Pooling, Run, until};
use rustix::process::Signal;

use super::{pooler, with};

/// Nothing may stay paused for longer.
const LEASE: Duration = Duration::from_secs(10);

fn apply(pooling: &Pooling, text: &str, more: &[&str]) -> Run {
    let file = pooling.fleet.file("new.ini", text).display().to_string();
    pooling.fleet.tool("poolcfg", [&["apply", "-t", "pool-a", "--file", &file], more].concat())
}

/// How many databases hold their clients back.
fn paused(pooling: &Pooling) -> usize {
    let rows = pooling.ask("SHOW DATABASES").expect("the console answers");
    // The last two columns: paused, disabled.
    rows.lines().filter(|row| row.rsplit('|').nth(1) == Some("1")).count()
}

/// The rendered text with servers reached by their socket, where there is no TLS.
fn by_socket(pooling: &Pooling) -> String {
    let socket = pooling.fleet.primary(0).socket_folder().display().to_string();
    let text = with(&pooling.rendered(), "server_tls_sslmode", "disable");
    text.replace("host=localhost", &format!("host={socket}"))
}

/// A client in the middle of a transaction.
fn idle(pooling: &Pooling) -> flotilla_tests::Running {
    let line = format!("PGUSER=app PGDATABASE=s0 {} -XAtq", pooling.psql());
    let mut psql = pooling.fleet.script(&line).stdin_open().start();
    psql.write("BEGIN; SELECT 'open';\n");
    until("the transaction is open", || psql.stdout_so_far().contains("open").then_some(()));
    psql
}

/// A client in the middle of a transaction, and a run whose pause waits for it.
fn held_up(pooling: &Pooling, new: &str) -> (flotilla_tests::Running, flotilla_tests::Running) {
    let open = idle(pooling);
    let run = apply(pooling, new, &["--pause-limit", "5s"]).start();
    until("the pooler is being paused", || (paused(pooling) > 0).then_some(()));
    (open, run)
}

/// The process that holds the pooler.
fn guard(pooling: &Pooling) -> Option<Identity> {
    let place = pooling.fleet.path().display().to_string();
    process::all().into_iter().find(|process| {
        let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.split('\0').any(|word| word == "hold-poolers") && line.contains(&place)
    })
}

/// Over TLS every reload replaces every server connection; without a pause some of these clients are told that
/// logins fail.
#[test]
fn busy_clients_over_tls_notice_nothing() {
    let pooling = pooler("");
    let good = pooling.rendered();
    let busy = pooling.busy(100, "SELECT 1");
    for size in ["7", "30", "11", "25"] {
        let line = apply(&pooling, &with(&good, "default_pool_size", size), &[]).run().ok().line("pool-a");
        assert_eq!(line["paused"], serde_json::json!(["pool-a/s0", "pool-a/s0_ro"]), "{line}");
        assert_eq!(line["lease_passed"], false, "{line}");
        assert_eq!((pooling.running("default_pool_size"), paused(&pooling)), (size.to_owned(), 0));
    }
    busy.end();
}

#[test]
fn only_those_are_held_back_whose_servers_or_mode_change() {
    let pooling = Pooling::start("");
    let text = by_socket(&pooling);
    let pooling = pooling.pooler(&text);
    let held = |text: &str, more: &[&str]| apply(&pooling, text, more).run().ok().line("pool-a")["paused"].clone();
    let smaller = with(&text, "default_pool_size", "9");
    assert_eq!(held(&smaller, &["--dry-run"]), serde_json::json!([]));
    assert_eq!(held(&smaller, &[]), serde_json::json!([]));
    let own = smaller
        .lines()
        .map(|line| if line.starts_with("s0 =") { format!("{line} pool_mode=session\n") } else { format!("{line}\n") })
        .collect::<String>();
    assert_eq!(held(&own, &["--dry-run"]), serde_json::json!(["pool-a/s0"]));
    assert_eq!(held(&own, &[]), serde_json::json!(["pool-a/s0"]));
    assert_eq!(held(&smaller, &["--pause", "never"]), serde_json::json!([]));
    assert_eq!(held(&own, &["--pause", "always"]), serde_json::json!(["pool-a/s0", "pool-a/s0_ro"]));
    assert_eq!(paused(&pooling), 0);
}

#[test]
fn a_transaction_that_stays_open_is_named_and_nothing_is_touched() {
    let pooling = pooler("");
    let good = pooling.rendered();
    let new = with(&good, "default_pool_size", "9");
    let open = idle(&pooling);
    let line = apply(&pooling, &new, &["--pause-limit", "300ms"]).run().code_is(1).line("pool-a");
    assert_eq!((&line["error"]["code"], &line["changed"]), (&"lock_timeout".into(), &false.into()), "{line}");
    let said = line["error"]["message"].as_str().unwrap();
    assert!(said.contains("1 at work for app in \"s0\"") && said.contains("nothing was touched"), "{line}");
    assert_eq!((pooling.running("default_pool_size"), paused(&pooling)), ("25".to_owned(), 0));
    assert_eq!(fs::read_to_string(pooling.pooler_file()).unwrap(), good);
    assert!(!fs::exists(pooling.pooler_file().with_extension("ini.previous")).unwrap());
    apply(&pooling, &new, &["--pause", "never"]).run().ok();
    assert_eq!(pooling.running("default_pool_size"), "9");
    drop(open);
}

#[test]
fn what_somebody_else_has_paused_is_left_to_them() {
    let pooling = pooler("");
    let new = with(&pooling.rendered(), "default_pool_size", "9");
    pooling.ask("PAUSE s0").unwrap();
    let line = apply(&pooling, &new, &[]).run().code_is(3).line("pool-a");
    assert!(line["error"]["message"].as_str().unwrap().contains("\"s0\" is paused already"), "{line}");
    assert_eq!((pooling.running("default_pool_size"), paused(&pooling)), ("25".to_owned(), 1));
    apply(&pooling, &new, &["--pause", "never"]).run().ok();
    assert_eq!(paused(&pooling), 1);
    pooling.ask("RESUME s0").unwrap();
}

#[test]
fn killed_at_any_step_nothing_stays_paused() {
    let pooling = pooler("");
    let good = pooling.rendered();
    let mut size = 30;
    for step in ["saved", "paused", "written", "reloaded", "verified"] {
        size += 1;
        let new = with(&good, "default_pool_size", &size.to_string());
        let killed = apply(&pooling, &new, &[]).env("FLOTILLA_FAILPOINT", format!("apply-{step}")).run();
        assert_eq!(killed.signal(), Some(9), "{}", killed.transcript());
        let at = Instant::now();
        until("nothing is paused", || (paused(&pooling) == 0).then_some(()));
        assert!(at.elapsed() <= LEASE, "{step}: paused for {:?}", at.elapsed());
        until("its guard has gone", || guard(&pooling).is_none().then_some(()));
        apply(&pooling, &new, &[]).run().ok();
        assert_eq!((pooling.running("default_pool_size"), paused(&pooling)), (size.to_string(), 0), "{step}");
    }
}

#[test]
fn what_two_kills_leave_paused_the_next_run_lets_go() {
    let pooling = pooler("");
    let new = with(&pooling.rendered(), "default_pool_size", "9");
    let (open, run) = held_up(&pooling, &new);
    // Both at once: neither may see the other's end.
    run.signal(Signal::STOP);
    guard(&pooling).expect("a guard").signal(Signal::KILL);
    run.signal(Signal::KILL);
    drop(run);
    drop(open);
    assert!(paused(&pooling) > 0, "nobody is left who could let go");
    let line = apply(&pooling, &new, &[]).run().ok().line("pool-a");
    assert!(!line["repaired"].as_array().unwrap().is_empty(), "{line}");
    assert_eq!((pooling.running("default_pool_size"), paused(&pooling)), ("9".to_owned(), 0));
}

#[test]
fn what_a_killed_guard_leaves_paused_another_one_lets_go() {
    let pooling = pooler("");
    let new = with(&pooling.rendered(), "default_pool_size", "9");
    let (open, run) = held_up(&pooling, &new);
    guard(&pooling).expect("a guard").signal(Signal::KILL);
    let line = run.finish().code_is(1).line("pool-a");
    assert!(line["error"]["message"].as_str().unwrap().contains("guard has ended"), "{line}");
    assert_eq!((pooling.running("default_pool_size"), paused(&pooling)), ("25".to_owned(), 0));
    assert!(!fs::exists(pooling.pooler_file().with_extension("ini.previous")).unwrap());
    drop(open);
}

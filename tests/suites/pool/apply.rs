//! `poolcfg apply` on a pooler: all of the new file, or the old one.

use std::fs;

use flotilla_tests::Pooling;

use super::{pooler, with};

fn apply<'a>(pooling: &Pooling, more: impl IntoIterator<Item = &'a str>) -> flotilla_tests::Outcome {
    let args: Vec<&str> = ["apply", "-t", "pool-a"].into_iter().chain(more).collect();
    pooling.fleet.tool("poolcfg", args).run()
}

/// What the topology says is brought into force, a second run changes nothing, and what only a restart
/// takes is said.
#[test]
fn the_topology_is_brought_into_force_and_a_second_run_changes_nothing() {
    let pooling = pooler("");
    apply(&pooling, []).ok().says("cluster demo");
    let topology = fs::read_to_string(pooling.fleet.path().join("flotilla.toml")).unwrap();
    fs::write(pooling.fleet.path().join("flotilla.toml"), format!("{topology}\n[pgbouncer]\ndefault_pool_size = 7\n"))
        .unwrap();

    let planned = apply(&pooling, ["--dry-run"]).ok();
    let line = planned.line("pool-a");
    assert_eq!((line["status"].as_str(), line["changed"].as_bool()), (Some("planned"), Some(false)), "{line}");
    assert!(line["changed_keys"].as_array().unwrap().iter().any(|key| key == "default_pool_size"), "{line}");
    assert_eq!(pooling.running("default_pool_size"), "25");

    let applied = apply(&pooling, ["--reason", "smaller pools"]).ok();
    let line = applied.line("pool-a");
    assert_eq!((line["changed"].as_bool(), line["tried"].as_bool()), (Some(true), Some(true)), "{line}");
    assert_eq!(pooling.running("default_pool_size"), "7");
    let again = apply(&pooling, []).ok();
    assert_eq!(again.line("pool-a")["changed"], false, "{}", again.transcript());
    let left: Vec<_> =
        fs::read_dir(pooling.fleet.path().join("conf")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("previous")), "{left:?}");
    let journal = fs::read_to_string(pooling.fleet.path().join("state/flotilla/journal.jsonl")).unwrap();
    let own: Vec<&str> = journal.lines().filter(|line| line.contains("poolcfg")).collect();
    assert!(own.len() == 1 && own[0].contains("smaller pools") && own[0].contains("default_pool_size"), "{own:?}");
}

#[test]
fn a_key_that_only_a_restart_takes_is_said_and_the_rest_is_in_force() {
    let pooling = pooler("");
    let text = format!("{}listen_backlog = 64\n", with(&pooling.rendered(), "default_pool_size", "9"));
    let file = pooling.fleet.file("new.ini", text).display().to_string();
    let line = apply(&pooling, ["--file", &file]).ok().line("pool-a");
    assert_eq!(line["pending_restart"], serde_json::json!(["listen_backlog"]), "{line}");
    assert_eq!((pooling.running("default_pool_size"), pooling.running("listen_backlog")), ("9".into(), "128".into()));
    let diff = pooling.fleet.tool("poolcfg", ["diff", "-t", "pool-a"]).run().code_is(1);
    let waits = diff.lines().into_iter().find(|line| line["key"] == "listen_backlog").unwrap();
    assert_eq!((waits["file"].as_str(), waits["running"].as_str()), (Some("64"), Some("128")), "{waits}");
}

/// What PgBouncer does by itself with such a file: it answers that all is well, and pools by session from
/// then on.
#[test]
fn pgbouncer_itself_falls_over_a_bad_file_and_says_reload() {
    let pooling = pooler("");
    let text = with(&pooling.rendered(), "default_pool_size", "many");
    pooling.write(
        &pooling.pooler_file(),
        &text
            .replace("pool_mode = transaction\n", "")
            .replace("default_pool_size = many\n", "default_pool_size = many\npool_mode = transaction\n"),
    );
    assert_eq!(pooling.running("pool_mode"), "transaction");
    assert!(pooling.ask("RELOAD").is_some(), "it answers");
    assert_eq!(pooling.running("pool_mode"), "session");
}

/// Each of these would have been in force by half: the lint sees some, the trial those that it can't.
#[test]
fn a_bad_file_never_takes_effect() {
    let pooling = pooler("");
    let good = pooling.rendered();
    let (before, running) = (fs::read_to_string(pooling.pooler_file()).unwrap(), pooling.ask("SHOW CONFIG"));
    let ignored =
        |rule: &str, line: &str| format!("{good}; flotilla-ignore {rule} to see what becomes of it\n{line}\n");
    let cases = [
        (with(&good, "default_pool_size", "many"), 3, "errors; nothing was touched"),
        (with(&good, "pool_mode", "transactional"), 3, "errors; nothing was touched"),
        (format!("{good}no_such_key = 1\n"), 3, "errors; nothing was touched"),
        (format!("{good}[pgbouncer]\nserver_lifetime = 60\n"), 3, "errors; nothing was touched"),
        (ignored("unknown-key", "no_such_key = 1"), 3, "PgBouncer doesn't take the new file; nothing was touched"),
        (ignored("bad-value", "server_lifetime = 1h"), 3, "PgBouncer doesn't take the new file; nothing was touched"),
        // Nothing in the text is wrong; its certificate is.
        (with(&good, "client_tls_cert_file", "/nowhere/pool.crt"), 3, "doesn't take the new file; nothing was touched"),
    ];
    for (text, code, says) in cases {
        let file = pooling.fleet.file("bad.ini", &text).display().to_string();
        let outcome = apply(&pooling, ["--file", &file]).code_is(code);
        let line = outcome.line("pool-a");
        assert!(line["error"]["message"].as_str().unwrap().contains(says), "{line}");
        assert_eq!(line["changed"], false);
        assert_eq!(
            (fs::read_to_string(pooling.pooler_file()).unwrap(), pooling.ask("SHOW CONFIG")),
            (before.clone(), running.clone())
        );
    }
}

/// Without lint and trial there is still what is read back.
#[test]
fn a_bad_file_that_is_in_place_is_taken_back() {
    let pooling = pooler("");
    let good = pooling.rendered();
    let before = pooling.ask("SHOW CONFIG");
    for (rule, line) in [("unknown-key", "no_such_key = 1"), ("bad-value", "server_lifetime = 1h")] {
        let head = good.split_once("pool_mode =").unwrap();
        // What stands before the bad line would be in force, what stands behind it would not.
        let text = format!("{}; flotilla-ignore {rule} to see it taken back\n{line}\npool_mode ={}", head.0, head.1);
        let file = pooling.fleet.file("bad.ini", text).display().to_string();
        let outcome = apply(&pooling, ["--file", &file, "--no-trial"]).code_is(1);
        let line = outcome.line("pool-a");
        assert_eq!(
            (line["restored"].as_bool(), line["error"]["code"].as_str()),
            (Some(true), Some("mismatch")),
            "{line}"
        );
        assert_eq!(fs::read_to_string(pooling.pooler_file()).unwrap(), good);
        assert_eq!(pooling.ask("SHOW CONFIG"), before);
    }
}

#[test]
fn what_isnt_this_poolers_file_is_refused() {
    let pooling = pooler("");
    let topology = fs::read_to_string(pooling.fleet.path().join("flotilla.toml")).unwrap();
    let says = |text: String, says: &str, code: i32| {
        fs::write(pooling.fleet.path().join("flotilla.toml"), text).unwrap();
        let outcome = apply(&pooling, []).code_is(code);
        assert!(outcome.stdout.contains(says) || outcome.stderr.contains(says), "{}", outcome.transcript());
    };
    says(topology.replace("config_file = \"conf/pgbouncer.ini\"\n", ""), "has no config_file", 1);
    says(topology.replace("conf/pgbouncer.ini", "conf/gone.ini"), "nothing was touched", 3);
    let other = pooling.fleet.path().join("conf/other.ini");
    pooling.write(&other, "[databases]\n[pgbouncer]\n");
    says(topology.replace("conf/pgbouncer.ini", "conf/other.ini"), "the pooler reads", 3);
    assert_eq!(fs::read_to_string(other).unwrap(), "[databases]\n[pgbouncer]\n");
}

/// Two hundred clients work through the pooler while its settings change under them.
///
/// Servers are reached by their socket: with TLS, PgBouncer takes new server connections at every reload,
/// and when one was just logging in, it tells clients that logins fail. That is so without this tool.
#[test]
fn busy_clients_notice_nothing() {
    let pooling = Pooling::start("");
    let socket = pooling.fleet.primary(0).socket_folder().display().to_string();
    let good = with(&pooling.rendered(), "server_tls_sslmode", "disable");
    let good = good.replace("host=localhost", &format!("host={socket}"));
    let pooling = pooling.pooler(&good);
    let busy = pooling.busy(200, "SELECT 1");
    let mut applied = 0;
    for size in ["7", "30", "many", "11", "25"] {
        let file = pooling.fleet.file("new.ini", with(&good, "default_pool_size", size)).display().to_string();
        let outcome = apply(&pooling, ["--file", &file]);
        let bad = size == "many";
        assert_eq!(outcome.code(), Some(if bad { 3 } else { 0 }), "{}", outcome.transcript());
        applied += usize::from(!bad);
        if !bad {
            assert_eq!(pooling.running("default_pool_size"), size);
        }
    }
    assert_eq!(applied, 4);
    busy.end();
}

//! `healthcheck alert`: who is told what, and how often.

use flotilla_native::guard::Program;
use flotilla_native::postgres::Shutdown;
use flotilla_tests::{Fleet, Outcome, Recorder, Run, Sandbox, until};
use serde_json::{Value, json};

/// A line of `healthcheck probe`, as far as alerts look at it.
fn probed(instance: &str, checks: &[(&str, &str)]) -> String {
    let checks: Vec<Value> = checks
        .iter()
        .map(|(check, status)| json!({ "check": check, "status": status, "message": "it is so", "hint": "Mend it." }))
        .collect();
    let line = json!({
        "schema": "healthcheck.probe/1", "target": instance, "status": "ok", "component": "postgresql",
        "instance": instance, "shard": "s0", "checks": checks,
    });
    format!("{line}\n")
}

const BAD: &[(&str, &str)] = &[("up", "pass"), ("commit", "fail")];
const GOOD: &[(&str, &str)] = &[("up", "pass"), ("commit", "pass")];

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.topology(flotilla_tests::Topology::default().shard("s0", "/nowhere", 5432).to_string());
    sandbox
}

fn alert(sandbox: &Sandbox, more: &[&str], input: &str) -> Run {
    let args = [&["alert", "-q", "--after-switchover", "0"][..], more].concat();
    sandbox.tool("healthcheck", args).stdin(input)
}

fn events(outcome: &Outcome) -> Vec<String> {
    outcome.lines().iter().map(|line| line["event"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_webhook_hears_of_it_once_and_of_its_end_once() {
    let (sandbox, hook) = (sandbox(), Recorder::new());
    let url = hook.url().to_owned();
    let see = |checks: &[(&str, &str)]| {
        let args = ["alert", "--webhook", &url, "--after-switchover", "0"];
        sandbox.tool("healthcheck", args).stdin(probed("s0-a", checks)).run().ok()
    };
    assert!(events(&see(BAD)).is_empty());
    assert!(events(&see(BAD)).is_empty());
    assert_eq!(events(&see(BAD)), ["firing"]);
    assert!(events(&see(BAD)).is_empty(), "nobody is told twice");
    let told = hook.take();
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["version"], &told[0]["status"]), (&"4".into(), &"firing".into()));
    let first = &told[0]["alerts"][0];
    assert_eq!(
        (&first["labels"]["alertname"], &first["labels"]["severity"]),
        (&"flotilla_postgresql_commit".into(), &"critical".into())
    );
    assert!(events(&see(GOOD)).is_empty(), "once well may be luck");
    assert_eq!(events(&see(GOOD)), ["resolved"]);
    let told = hook.take();
    assert_eq!((&told[0]["status"], &told[0]["alerts"][0]["fingerprint"]), (&"resolved".into(), &first["fingerprint"]));
    assert!(events(&see(GOOD)).is_empty());
    assert!(hook.take().is_empty());
}

#[test]
fn what_a_receiver_didnt_take_is_owed_until_it_does() {
    let (sandbox, hook) = (sandbox(), Recorder::new());
    hook.answer(404);
    let args = ["--failures", "1", "--webhook", hook.url()];
    alert(&sandbox, &args, &probed("s0-a", BAD)).run().code_is(1).says("was not told: it answered with 404");
    assert!(hook.take().is_empty());
    hook.answer(200);
    // Also when there is nothing new to be seen.
    sandbox.tool("healthcheck", [&["alert", "-q"][..], &args[..]].concat()).run().ok();
    assert_eq!(hook.take().len(), 1);
}

#[test]
fn a_run_that_was_killed_before_it_told_tells_the_next_time() {
    let (sandbox, hook) = (sandbox(), Recorder::new());
    let args = ["--failures", "1", "--webhook", hook.url()];
    let killed = alert(&sandbox, &args, &probed("s0-a", BAD)).env("FLOTILLA_FAILPOINT", "alert.owed").run();
    assert_eq!(killed.signal(), Some(9), "{}", killed.transcript());
    assert!(hook.take().is_empty());
    alert(&sandbox, &args, &probed("s0-a", BAD)).run().ok();
    assert_eq!(hook.take().len(), 1);
    alert(&sandbox, &args, &probed("s0-a", BAD)).run().ok();
    assert!(hook.take().is_empty());
}

#[test]
fn of_two_runs_at_once_one_tries_later() {
    let (sandbox, hook) = (sandbox(), Recorder::new());
    // It holds the state while its command waits.
    let wait = "touch begun; while ! [ -e go ]; do sleep 0.01; done";
    let input = probed("s0-a", BAD);
    let first = alert(&sandbox, &["--failures", "1", "--command", wait], &input).start();
    until("the command runs", || sandbox.path().join("begun").exists().then_some(()));
    alert(&sandbox, &["--failures", "1", "--webhook", hook.url()], &input).run().code_is(75).says("at work");
    sandbox.file("go", "");
    first.finish().ok();
}

#[test]
fn a_command_gets_a_subject_and_a_text() {
    let sandbox = sandbox();
    let command = "{ echo \"$FLOTILLA_SUBJECT\"; cat; } > mail";
    alert(&sandbox, &["--failures", "1", "--command", command], &probed("s0-a", BAD)).run().ok();
    let mail = std::fs::read_to_string(sandbox.path().join("mail")).unwrap();
    assert!(mail.starts_with("[demo] fail: s0-a commit\nfail: s0-a postgresql (commit): it is so\n"), "{mail}");
    assert!(mail.contains("\n  Mend it.\n"), "{mail}");
}

#[test]
fn silence_is_kept_and_its_end_is_heard() {
    let (sandbox, hook) = (sandbox(), Recorder::new());
    let silence = |until: &str| {
        sandbox.file(
            "silences.toml",
            format!("[[silence]]\nshard = \"s0\"\nuntil = \"{until}\"\nreason = \"new disks\"\n"),
        );
    };
    silence("2999-01-01T00:00:00Z");
    let args = ["--failures", "1", "--webhook", hook.url(), "--silence-file", "silences.toml"];
    alert(&sandbox, &args, &probed("s0-a", BAD)).run().ok();
    assert!(hook.take().is_empty());
    silence("2001-01-01T00:00:00Z");
    alert(&sandbox, &args, &probed("s0-a", BAD)).run().ok();
    assert_eq!(hook.take().len(), 1);
    sandbox.file("silences.toml", "[[silence]]\nuntil = \"2999-01-01T00:00:00Z\"\n");
    alert(&sandbox, &args, &probed("s0-a", BAD)).run().code_is(2).says("missing field `reason`").says("hint: ");
}

#[test]
fn our_own_switchover_is_nobodys_alert() {
    let fleet = Fleet::new().shards(1).init().start();
    let hook = Recorder::new();
    fleet.sql(
        0,
        "INSERT INTO flotilla.ledger (run_id, tool, verb, operator, target, status, changed) \
         VALUES (gen_random_uuid(), 'shardctl', 'switchover', 'somebody', 's0', 'ok', true)",
    );
    let see = |after: &str| {
        let args = ["alert", "-q", "--failures", "1", "--webhook", hook.url(), "--after-switchover", after];
        fleet.tool("healthcheck", args).stdin(probed("s0-a", BAD)).run().ok();
        hook.take().len()
    };
    assert_eq!(see("10m"), 0);
    assert_eq!(see("0"), 1);
}

#[test]
fn bad_input_and_nobody_to_tell_touch_nothing() {
    let sandbox = sandbox();
    let state = sandbox.path().join("state/flotilla/alerts.json");
    alert(&sandbox, &[], &probed("s0-a", BAD)).run().code_is(2).says("nobody is to be told").says("--webhook");
    for (input, says) in
        [("{\"schema\":\"migrate.result/1\"}\n", "line 1: its schema is \"migrate.result/1\""), ("horse\n", "line 1: ")]
    {
        alert(&sandbox, &["--command", "true"], input).run().code_is(2).says(says).says("hint: ");
    }
    let dry =
        sandbox.tool("healthcheck", ["alert", "--dry-run", "--failures", "1"]).stdin(probed("s0-a", BAD)).run().ok();
    assert_eq!(dry.lines()[0]["status"], "planned");
    assert!(!state.exists(), "nothing was remembered");
    sandbox.file("state/flotilla/alerts.json", "{");
    alert(&sandbox, &["--command", "true"], "").run().code_is(2).says("is damaged").says("Delete it");
}

/// The real thing, from a server that dies to what Alertmanager knows of it.
#[test]
fn alertmanager_knows_what_fires_and_what_is_over() {
    let mut fleet = Fleet::new().shards(1).replicas(1).init().start();
    let config = fleet.file("alertmanager.yml", "route:\n  receiver: nobody\nreceivers:\n- name: nobody\n");
    let folder = fleet.path().join("alertmanager");
    std::fs::create_dir(&folder).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = Program::new("/usr/bin/prometheus-alertmanager")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", folder.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .log(&fleet.path().join("alertmanager.log"));
    let _alertmanager = fleet.spawn(&program);
    let url = format!("http://127.0.0.1:{port}");
    let get = |fleet: &Fleet, path: &str| {
        fleet.script(r#"exec curl -sf --noproxy '*' "$0""#).args([format!("{url}{path}")]).run()
    };
    until("Alertmanager is ready", || (get(&fleet, "/-/ready").code() == Some(0)).then_some(()));
    let known = |fleet: &Fleet| -> Vec<Value> {
        serde_json::from_str(&get(fleet, "/api/v2/alerts?active=true").stdout).unwrap()
    };
    let script =
        "healthcheck probe --component postgresql | healthcheck alert --failures 2 --from fail --alertmanager \"$0\"";
    let run = |fleet: &Fleet| fleet.script(script).args([&url]).run();
    run(&fleet).ok();
    fleet.shards[0].nodes[1].server.stop(Shutdown::Kill).unwrap();
    run(&fleet).ok();
    assert!(known(&fleet).is_empty(), "once may be chance");
    run(&fleet).ok();
    until("Alertmanager knows", || (known(&fleet).len() == 1).then_some(()));
    let one = &known(&fleet)[0];
    assert_eq!((&one["labels"]["instance"], &one["labels"]["check"]), (&"s0-b".into(), &"up".into()));
    assert_eq!(one["status"]["state"], "active");
    fleet.shards[0].nodes[1].server.launch().unwrap();
    until("it is over", || {
        run(&fleet);
        known(&fleet).is_empty().then_some(())
    });
}

//! `healthcheck serve`: what programs get.

use flotilla_native::postgres::Shutdown;
use flotilla_tests::{Fleet, until};
use serde_json::Value;

use super::Served;

#[test]
fn health_is_a_document_that_its_own_description_describes() {
    let fleet = Fleet::new().shards(1).replicas(1).init().start();
    let served = Served::start(&fleet, &[]);
    served.wait(&fleet);
    let answer = served.get(&fleet, "/health", &[]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("content-type: application/health+json"), "{}", answer.head);
    assert!(answer.head.contains("content-security-policy: default-src 'none'"), "{}", answer.head);
    let document = answer.json();
    assert_eq!((&document["status"], &document["serviceId"]), (&"pass".into(), &"demo".into()));
    let lag = &document["checks"]["postgresql:lag_bytes"][0];
    assert_eq!(
        (&lag["componentId"], &lag["componentType"], &lag["shard"]),
        (&"s0-b".into(), &"datastore".into(), &"s0".into())
    );

    let described = served.get(&fleet, "/openapi.json", &[]).json();
    assert_eq!(described["openapi"], "3.1.0");
    for path in ["/health", "/health/{component}"] {
        let schema =
            &described["paths"][path]["get"]["responses"]["200"]["content"]["application/health+json"]["schema"];
        // The schema points into the description: it is checked as a whole.
        let mut whole = schema.clone();
        whole["components"] = described["components"].clone();
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        for path in ["/health", "/health/postgresql"] {
            let body = served.get(&fleet, path, &[]).json();
            let errors: Vec<String> = validator.iter_errors(&body).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{path}: {errors:?}");
        }
    }
    let part = served.get(&fleet, "/health/shard", &[]).json();
    assert!(part["checks"].as_object().unwrap().keys().all(|key| key.starts_with("shard:")), "{part}");
    assert_eq!(served.get(&fleet, "/health/horse", &[]).status, 404);
}

#[test]
fn a_server_that_hangs_makes_health_bad_and_answers_no_slower() {
    let fleet = Fleet::new().shards(1).replicas(1).init().start();
    let served = Served::start(&fleet, &["--timeout", "400ms"]);
    served.wait(&fleet);
    fleet.replica(0, 0).freeze();
    // Whichever notices first: who asks the server, or who comes as an application. A session that stays open
    // may be served by its own process while nobody else gets in.
    until("it is seen", || {
        let answer = served.get(&fleet, "/health", &[]);
        let output = answer.json()["output"].to_string();
        let noticed = ["no answer within 400ms", "timeout expired"].iter().any(|words| output.contains(words));
        (answer.status == 503 && noticed).then_some(())
    });
    for path in ["/livez", "/readyz", "/metrics", "/"] {
        assert_eq!(served.get(&fleet, path, &[]).status, 200, "{path}");
    }
    fleet.replica(0, 0).thaw();
    until("it is over", || (served.get(&fleet, "/health", &[]).status == 200).then_some(()));
}

/// The postmaster alone: its sessions go on, and nobody else gets in.
#[test]
fn a_postmaster_that_hangs_is_seen_by_whoever_holds_a_session_of_its_server() {
    let fleet = Fleet::new().shards(1).replicas(1).init().start();
    let served = Served::start(&fleet, &[]);
    served.wait(&fleet);
    let part = |path: &str| served.get(&fleet, path, &[]);
    until("all is well", || (part("/health/postgresql").status == 200).then_some(()));
    fleet.primary(0).freeze();
    let seen = until("it is seen", || {
        let answer = part("/health/postgresql");
        (answer.status == 503).then(|| answer.json())
    });
    let output = seen["output"].to_string();
    assert!(output.contains("new logins hang") && output.contains("the postmaster doesn't answer"), "{output}");
    // The session goes on: who is primary, and that it commits, is known as before, and so of the other node.
    let of = |document: &Value, check: &str| {
        let all = document["checks"][check].as_array().unwrap();
        all.iter().find(|one| one["componentId"] == "s0-a").cloned()
    };
    for check in ["postgresql:commit", "postgresql:up"] {
        assert_eq!(of(&seen, check).unwrap()["status"], "pass", "{check}: {seen}");
    }
    let shard = part("/health/shard");
    assert_eq!(shard.status, 200, "{}", shard.body);
    // It stays so for as long as it lasts, however often it is asked.
    let first = of(&seen, "postgresql:login").unwrap();
    let again = until("it has been asked again", || {
        of(&part("/health/postgresql").json(), "postgresql:login").filter(|again| again["time"] != first["time"])
    });
    assert_eq!(again["status"], "fail", "{again}");
    // Who holds no session is told as well.
    let probe = fleet.tool("healthcheck", ["probe", "--component", "postgresql", "-t", "s0-a", "--timeout", "400ms"]);
    assert_eq!(super::about(&probe.run().code_is(1), "postgresql", "s0-a")["health"], "fail");
    fleet.primary(0).thaw();
    until("it is over", || (part("/health/postgresql").status == 200).then_some(()));
}

#[test]
fn metrics_have_the_names_that_rules_know() {
    let mut fleet = Fleet::new().shards(1).replicas(1).init().start();
    let served = Served::start(&fleet, &[]);
    served.wait(&fleet);
    let has = |line: &str| served.get(&fleet, "/metrics", &[]).body.lines().any(|one| one.starts_with(line));
    assert!(
        has("pg_up{shard=\"s0\",node=\"s0-a\",role=\"primary\"} 1"),
        "{}",
        served.get(&fleet, "/metrics", &[]).body
    );
    assert!(has("pg_replication_lag_seconds{shard=\"s0\",node=\"s0-b\",role=\"replica\"} "));
    assert!(has("flotilla_probe_success{component=\"shard\",instance=\"s0\",shard=\"s0\"} 1"));
    assert!(has("# TYPE flotilla_postgresql_commits_total counter"));
    fleet.shards[0].nodes[1].server.stop(Shutdown::Kill).unwrap();
    let has = |line: &str| served.get(&fleet, "/metrics", &[]).body.lines().any(|one| one.starts_with(line));
    until("the dead one is down", || has("pg_up{shard=\"s0\",node=\"s0-b\"} 0").then_some(()));
    // One name, one kind, its samples together.
    let text = served.get(&fleet, "/metrics", &[]).body;
    let kinds: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut once = kinds.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), kinds.len());
}

#[test]
fn strangers_need_the_token_and_liveness_needs_none() {
    let fleet = Fleet::new().shards(1).init().start();
    let token = "0123456789abcdef0123";
    fleet.file("token", format!("{token}\n"));
    let served = Served::start(&fleet, &["--token-file", "token"]);
    served.wait(&fleet);
    for path in ["/", "/health", "/metrics", "/events", "/openapi.json"] {
        let refused = served.get(&fleet, path, &[]);
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.head.contains("www-authenticate: basic realm=\"flotilla\", bearer"), "{}", refused.head);
        assert!(!refused.body.contains("s0"), "{}", refused.body);
    }
    assert_eq!(served.get(&fleet, "/livez", &[]).status, 200);
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(served.get(&fleet, "/health", &["-H", &bearer]).status, 200);
    let basic = format!("anybody:{token}");
    assert_eq!(served.get(&fleet, "/", &["-u", &basic]).status, 200);
    assert_eq!(served.get(&fleet, "/", &["-u", "anybody:wrong"]).status, 401);
}

#[test]
fn off_loopback_it_serves_with_tls_and_a_token_or_not_at_all() {
    let fleet = Fleet::new().shards(1).init().start();
    let serve = |more: &[&str]| fleet.tool("healthcheck", [&["serve", "--listen", "0.0.0.0:0"][..], more].concat());
    fleet.file("token", "0123456789abcdef0123");
    for half in [&[][..], &["--token-file", "token"]] {
        serve(half).run().code_is(3).no_lines().says("0.0.0.0:0 is not a loopback address").says("--tls-cert");
    }
    fleet.file("short", "secret");
    serve(&["--token-file", "short"]).run().code_is(2).says("holds no token").says("openssl rand");
    fleet.script("chmod 644 token").run().ok();
    serve(&["--token-file", "token"]).run().code_is(2).says("may be read or changed by others").says("chmod");
}

#[test]
fn with_a_certificate_it_speaks_tls() {
    let fleet = Fleet::new().shards(1).init().start();
    fleet
        .script(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout health.key -out health.crt \
             -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2> /dev/null; chmod 600 health.key",
        )
        .run()
        .ok();
    let served = Served::start(&fleet, &["--tls-cert", "health.crt", "--tls-key", "health.key"]);
    assert!(served.url.starts_with("https://127.0.0.1:"), "{}", served.url);
    until("it is ready", || (served.get(&fleet, "/readyz", &["--cacert", "health.crt"]).status == 200).then_some(()));
    let answer = served.get(&fleet, "/health", &["--cacert", "health.crt"]);
    assert_eq!(answer.json()["status"], Value::from("pass"));
}

#[test]
fn sessions_stay_open_between_probes_and_are_opened_anew_when_they_break() {
    let fleet = Fleet::new().shards(1).init().start();
    let served = Served::start(&fleet, &[]);
    served.wait(&fleet);
    let probes = || {
        let made = "SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE '%pg_logical_emit_message%'";
        fleet.sql(0, made).parse::<u64>().unwrap_or(0)
    };
    let opened = || fleet.primary(0).log().matches("connection authorized: user=monitor").count();
    fleet.sql(0, "ALTER SYSTEM SET log_connections = on");
    fleet.sql(0, "SELECT pg_reload_conf()");
    until("it logs", || (fleet.sql(0, "SHOW log_connections") == "on").then_some(()));
    let begun = probes();
    let asked = || usize::try_from(probes() - begun).unwrap();
    until("it has been asked often", || (asked() >= 30).then_some(()));
    // Somebody logs in beside it every few seconds.
    let logins = opened();
    assert!(asked() >= 3 * logins, "{logins} logins for {} probes: {}", asked(), fleet.primary(0).log());
    let killed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'monitor'";
    assert_ne!(fleet.sql(0, killed), "0");
    until("there is another session", || (opened() > logins).then_some(()));
    let begun = probes();
    until("it is asked on", || (probes() >= begun + 3).then_some(()));
    assert_eq!(served.get(&fleet, "/health/postgresql", &[]).status, 200);
}

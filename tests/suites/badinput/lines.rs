//! Input lines that are broken, endless, or many.

use std::fmt::Write as _;

use flotilla_tests::{Fleet, Topology, until};

use super::refused;

/// What reads targets checks all lines before it touches any.
#[test]
fn one_bad_target_line_stops_the_run_before_anything_is_touched() {
    let fleet = Fleet::new().start();
    let before = fleet.state();
    let cases: [(&[u8], &[&str]); 10] = [
        (b"{\"target\":\"s0\"}\n{\"target\":\"s1\"", &["line 2 is not valid JSON", "cut off"]),
        (b"{\"target\":\"s0\"}\n{\"target\":\"s\x00\"}\n", &["line 2 contains a NUL byte"]),
        (b"s0\ns1\0\n", &["line 2 contains a NUL byte"]),
        (b"s0\n\xff\xfe\n", &["line 2 is not valid UTF-8"]),
        (b"{\"target\":\"s0\"}\n{\"name\":\"s1\"}\n", &["line 2 has no \"target\""]),
        (b"{\"target\":\"s0\"}\n{\"target\":1}\n", &["line 2 has no \"target\""]),
        (b"{\"target\":\"s0\"}\n{\"target\":\"s7\"}\n", &["line 2: there is no target \"s7\""]),
        (b"{\"target\":\"s0\"}\n[\"s1\"]\n", &["line 2"]),
        (b"s0\nTARGET KIND SHARD\n", &["line 2"]),
        (b"{\"target\":\"s0\"} {\"target\":\"s1\"}\n", &["line 1 is not valid JSON"]),
    ];
    for (input, says) in cases {
        refused(fleet.shardctl(["init"]).stdin(input).run(), 2, says);
        assert_eq!(fleet.state(), before);
    }
}

/// What routes says of each line what is wrong with it, and goes on.
#[test]
fn one_bad_key_is_its_own_error() {
    let fleet = Fleet::new().init().start();
    let input = b"1\nnot-a-number\n\n2\xff\n3\0\n9223372036854775808\n -4\n-4\n\x20\n1e3\n0x10\n+7\n007\nNULL\n5";
    let outcome = fleet.shardctl(["route", "--by", "key"]).stdin(input).run().code_is(1);
    let statuses: Vec<String> = outcome
        .lines()
        .iter()
        .map(|line| format!("{} {}", line["status"].as_str().unwrap_or(""), line["input"]))
        .collect();
    insta::assert_snapshot!("bad_keys", statuses.join("\n"));
    for line in outcome.lines().iter().filter(|line| line["status"] == "error") {
        let message = line["error"]["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("line ") && line["error"]["hint"].is_string(), "{line}");
        assert_eq!((&line["target"], &line["bucket"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    }
}

#[test]
fn one_bad_object_is_its_own_error() {
    let fleet = Fleet::new().init().start();
    let input = concat!(
        "{\"user_id\":1}\n",
        "{\"user_id\":\"2\",\"nested\":{\"user_id\":\"x\"}}\n",
        "{\"user_id\":null}\n",
        "{\"user\":3}\n",
        "{\"user_id\":1.5}\n",
        "{\"user_id\":[4]}\n",
        "{\"user_id\":5,\"user_id\":6}\n",
        "[7]\n",
        "8\n",
        "{\"user_id\":9} trailing\n",
        "{\"user_id\":10\n",
        "{\"user_id\":18446744073709551616}\n",
        "{\"user_id\":11}",
    );
    let outcome = fleet.shardctl(["route", "--by", "key", "--field", "user_id"]).stdin(input).run().code_is(1);
    let seen: Vec<String> = outcome
        .lines()
        .iter()
        .map(|line| format!("{} {}", line["status"].as_str().unwrap_or(""), line["error"]["message"]))
        .collect();
    insta::assert_snapshot!("bad_objects", seen.join("\n"));
}

/// An empty line is an empty key, on lines as among operands; which is a key only where keys are text.
#[test]
fn an_empty_line_is_an_empty_key() {
    let fleet = Fleet::new().key_type("text").init().start();
    let lines = fleet.shardctl(["route", "--by", "key"]).stdin("a\n\n\r\nb\n").run().ok().lines();
    let inputs: Vec<&serde_json::Value> = lines.iter().map(|line| &line["input"]).collect();
    assert_eq!(inputs, ["a", "", "", "b"]);
    let operand = fleet.shardctl(["route", "--by", "key", ""]).run().ok();
    assert_eq!(operand.lines()[0]["bucket"], lines[1]["bucket"]);
    assert_eq!(fleet.sql(0, "SELECT flotilla.bucket(''::text)"), lines[1]["bucket"].to_string());
    let ids = fleet.shardctl(["route", "--by", "id"]).stdin("7318349394477056\n\n").run().code_is(1);
    assert_eq!(ids.lines()[1]["error"]["code"], "input", "{}", ids.transcript());
    let objects = fleet.shardctl(["route", "--by", "key", "--field", "k"]).stdin("\n{\"k\":\"\"}\n\n").run().ok();
    assert_eq!(objects.lines().len(), 1, "{}", objects.transcript());
}

/// The operands of a command line are as good as lines.
#[test]
fn one_bad_operand_is_its_own_error() {
    let fleet = Fleet::new().init().start();
    let outcome = fleet.shardctl(["route", "--by", "key", "1", "x", "-2", ""]).run().code_is(1);
    let statuses: Vec<_> =
        outcome.lines().iter().map(|line| line["status"].as_str().unwrap_or("").to_owned()).collect();
    assert_eq!(statuses, ["ok", "error", "ok", "error"], "{}", outcome.transcript());
    let outcome =
        fleet.shardctl(["route", "--by", "id", "-1", "9223372036854775808", "7318349394477056"]).run().code_is(1);
    let statuses: Vec<_> =
        outcome.lines().iter().map(|line| line["status"].as_str().unwrap_or("").to_owned()).collect();
    assert_eq!(statuses, ["error", "error", "ok"], "{}", outcome.transcript());
    fleet.shardctl(["key", "new", "--for", "x"]).run().code_is(2).no_lines();
}

/// A line of 100 MB passes through a window of constant size.
#[test]
fn an_endless_line_is_one_error_in_bounded_memory() {
    const MEGABYTE: usize = 1 << 20;
    let fleet = Fleet::new().init().start();
    for args in [&["route", "--by", "key"][..], &["route", "--by", "key", "--field", "user_id"]] {
        let good: &[u8] = if args.len() == 3 { b"1\n" } else { b"{\"user_id\":1}\n" };
        let mut running = fleet.shardctl(args).stdin_open().start();
        running.write(good);
        let chunk = vec![b'7'; MEGABYTE];
        for _ in 0..100 {
            running.write(&chunk);
        }
        running.write("\n");
        running.write(good);
        until("the line after it is routed", || (running.stdout_so_far().lines().count() == 3).then_some(()));
        let peak = running.peak_memory();
        let outcome = running.finish().code_is(1);
        let lines = outcome.lines();
        let statuses: Vec<_> = lines.iter().map(|line| line["status"].as_str().unwrap_or("")).collect();
        assert_eq!(statuses, ["ok", "error", "ok"]);
        let message = lines[1]["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("line 2 is longer than 1048576 bytes"), "{message}");
        assert!(peak > 0 && peak < 64 << 20, "{} MB", peak >> 20);
    }
    let mut targets = vec![b'x'; 100 * MEGABYTE];
    targets.push(b'\n');
    refused(fleet.shardctl(["init"]).stdin(targets).run(), 2, &["line 1 is longer than 1048576 bytes"]);
}

/// A thousand targets: a line for each, few connections at once, little memory.
#[test]
fn a_thousand_targets_get_a_line_each() {
    let fleet = Fleet::new().shards(1).init().start();
    let mut many = Topology::default();
    let nowhere = fleet.path().join("nowhere");
    let alive = &fleet.topology.shards[0].nodes[0];
    many = many.shard("s0", &alive.host, alive.port);
    for number in 1..1000_u16 {
        many = many.shard(&format!("s{number}"), &nowhere, number);
    }
    fleet.file("many.toml", many.to_string());
    let names = (0..1000).fold(String::new(), |mut names, number| {
        let _ = writeln!(names, "{{\"target\":\"s{number}\"}}");
        names
    });
    let args = ["sql", "SELECT 1 AS one", "--config", "many.toml"];
    let mut running = fleet.shardctl(args).stdin_open().start();
    running.write(&names);
    running.close_stdin();
    let mut peak = 0;
    until("it ends", || {
        peak = peak.max(running.peak_memory());
        running.has_ended().then_some(())
    });
    let outcome = running.finish().code_is(1);
    let lines = outcome.lines();
    let dead: Vec<_> = lines.iter().filter(|line| line["status"] == "error").collect();
    assert_eq!((lines.len(), dead.len()), (1001, 999));
    assert!(dead.iter().all(|line| line["error"]["code"] == "unreachable" && line["error"]["retryable"] == true));
    assert!(peak < 64 << 20, "{} MB", peak >> 20);
    assert!(outcome.took.as_secs() < 20, "{:?}", outcome.took);

    // Where none answers, later may be better.
    let dead_only = names.split_once('\n').map_or("", |(_, rest)| rest);
    let outcome = fleet.shardctl(args).stdin(dead_only).run().code_is(75);
    assert_eq!(outcome.lines().len(), 999);
}

/// A load whose input breaks off in the middle of a line.
#[test]
fn a_load_says_which_line_is_broken() {
    let fleet = Fleet::new().init().start();
    for at in 0..2 {
        fleet.sql(at, "SET ROLE owner; CREATE TABLE t (user_id bigint PRIMARY KEY, x text); SELECT flotilla.protect('t', 'user_id')");
    }
    let line = |target: &str, bucket: u32, key: u32| {
        format!(
            "{{\"schema\":\"shardctl.route/1\",\"target\":\"{target}\",\"status\":\"ok\",\"bucket\":{bucket},\"input\":{{\"user_id\":{key},\"x\":\"x\"}}}}\n"
        )
    };
    let half = format!("{}{}", line("s0", 378, 2), &line("s1", 952, 1)[..40]);
    let outcome = fleet.shardctl(["sql", "--copy", "t"]).stdin(half).run().code_is(1);
    let broken = outcome.lines().into_iter().find(|line| line["target"].is_null()).expect("a line about the line");
    assert!(broken["error"]["message"].as_str().unwrap_or_default().starts_with("line 2 "), "{broken}");

    // A row for a shard that doesn't own it: the fence refuses, and the shard keeps nothing of the load.
    let misrouted = format!("{}{}", line("s1", 952, 1), line("s1", 378, 2));
    let outcome = fleet.shardctl(["sql", "--copy", "t"]).stdin(misrouted).run().code_is(1);
    assert_eq!(outcome.line("s1")["error"]["code"], "not_owner", "{}", outcome.transcript());
    assert_eq!(fleet.sql(1, "SELECT count(*) FROM t"), "0");
}

#[test]
fn sql_that_is_none_is_refused() {
    let fleet = Fleet::new().shards(1).init().start();
    let before = fleet.state();
    fleet.shardctl(["sql", "--all", ""]).run().code_is(2).no_lines().says("the SQL is empty");
    fleet.shardctl(["sql", "--all", "-f", "missing.sql"]).run().code_is(2).no_lines().says("missing.sql");
    fleet.file("nul.sql", "SELECT 1;\0 DROP TABLE x");
    fleet.shardctl(["sql", "--all", "-f", "nul.sql"]).run().code_is(2).no_lines().says("NUL byte");
    assert_eq!(fleet.state(), before);
    let outcome = fleet.shardctl(["sql", "--all", "SELEC 1"]).run().code_is(1);
    assert_eq!(outcome.line("s0")["error"]["sqlstate"], "42601");
}

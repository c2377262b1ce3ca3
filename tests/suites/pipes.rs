//! Pipelines as a user types them, through a real shell.

use flotilla_tests::Fleet;

#[test]
fn present_primaries_are_set_up() {
    let fleet = Fleet::new().replicas(1).init().start();
    // Something for init to bring up to date.
    fleet.sql(1, "UPDATE flotilla.version SET checksum = 'old' WHERE file = '003_buckets.sql'");
    let outcome = fleet.script("shardctl targets --role primary | shardctl init").run().ok();
    assert_eq!(outcome.lines().len(), 2, "{}", outcome.transcript());
    let changed = |target: &str| outcome.line(target)["changed"].clone();
    assert_eq!((changed("s0-a"), changed("s1-a")), (false.into(), true.into()), "{}", outcome.transcript());
    let again = fleet.script("shardctl targets --role primary | shardctl init | jq -c .changed").run().ok();
    assert_eq!(again.stdout, "false\nfalse\n", "{}", again.transcript());
}

/// The example of both verbs as it is printed. No server knows the role that asks yet: init makes it.
#[test]
fn present_primaries_are_set_up_for_the_first_time() {
    let fleet = Fleet::new().replicas(1).start();
    let example = "shardctl targets --role primary | shardctl init";
    let help = fleet.shardctl(["init", "--help"]).run().ok();
    assert!(help.stdout.contains(example), "{}", help.transcript());
    let outcome = fleet.script(example).run().ok();
    let mut set_up: Vec<_> =
        outcome.lines().iter().map(|line| (line["target"].clone(), line["changed"].clone())).collect();
    set_up.sort_by_key(|(target, _)| target.to_string());
    assert_eq!(set_up, [("s0-a".into(), true.into()), ("s1-a".into(), true.into())], "{}", outcome.transcript());
    fleet.shardctl(["map"]).run().ok();
}

/// Where nobody can log in, the error is that of the role that was meant to.
#[test]
fn a_refused_login_is_told_of_the_role_that_asks() {
    let mut fleet = Fleet::new().shards(1).start();
    fleet.topology = fleet.topology.clone().rest("[users]\nadmin = \"nobody\"\n");
    fleet.write_topology();
    let outcome = fleet.shardctl(["targets", "--role", "primary"]).run().code_is(1);
    let error = &outcome.line("s0-a")["error"];
    assert_eq!(error["code"], "auth_failed", "{}", outcome.transcript());
    assert!(error["message"].as_str().unwrap().contains("monitor"), "{}", outcome.transcript());
}

#[test]
fn lines_are_routed_loaded_and_counted() {
    let fleet = Fleet::new().init().start();
    let outcome = fleet
        .script(
            r#"
            cat > tables.sql <<'SQL'
            CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
            CREATE TABLE events (id bigint, user_id bigint, kind text, PRIMARY KEY (user_id, id));
            SELECT flotilla.protect('users', 'id'), flotilla.protect('events', 'user_id');
SQL
            shardctl sql --all --as migrator -f tables.sql >/dev/null
            shardctl key new --user -n 200 | jq -c '{id: .id, name: "user \(.id)"}' > users.jsonl
            shardctl route --by key --field id < users.jsonl | shardctl sql --copy users >/dev/null
            jq -c '{user_id: .id, kind: ("a", "b")}' users.jsonl |
                shardctl route --by key --field user_id |
                shardctl sql --copy events --new-id id >/dev/null
            shardctl sql --all 'SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM events) AS events' |
                jq -s 'map(select(.row).row | map_values(tonumber)) | [length, (map(.users) | add), (map(.events) | add)]' -c
            "#,
        )
        .run()
        .ok();
    assert_eq!(outcome.stdout, "[2,200,400]\n", "{}", outcome.transcript());
    assert_eq!(fleet.sql(0, "SELECT count(*) > 0 FROM users"), "t");
}

#[test]
fn a_users_id_and_a_rows_id_lead_to_the_same_shard() {
    let fleet = Fleet::new().init().start();
    let outcome = fleet
        .script(
            r#"
            user=$(shardctl key new --user | jq -r .id)
            row=$(shardctl key new --for "$user" | jq -r .id)
            shardctl route --by key "$user" | jq -r .target
            shardctl route --by id "$user" | jq -r .target
            shardctl route --by id "$row" | jq -r .target
            shardctl key new --for "$user" | jq -r .shard
            "#,
        )
        .run()
        .ok();
    let shards: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(shards.len(), 4, "{}", outcome.transcript());
    assert!(shards.iter().all(|shard| *shard == shards[0] && shard.starts_with('s')), "{}", outcome.transcript());
}

#[test]
fn ids_are_made_and_taken_apart() {
    let fleet = Fleet::new().init().start();
    let outcome = fleet
        .script(
            "shardctl key new --for 42 -n 1000 > made.jsonl
             jq -r .id made.jsonl | xargs shardctl key parse | jq -c '[.id, .bucket, .made_at, .sequence]' > parsed
             jq -c '[.id, .bucket, .made_at, .sequence]' made.jsonl | cmp - parsed
             jq -r .id made.jsonl | sort -n -c
             jq -r .id made.jsonl | sort -u | wc -l",
        )
        .run()
        .ok();
    assert_eq!(outcome.stdout.trim(), "1000", "{}", outcome.transcript());
}

/// A tool in the middle that fails leaves an empty pipe, and the next one must not take it for "all".
#[test]
fn a_failed_tool_stops_the_next() {
    let fleet = Fleet::new().start();
    let outcome = fleet.script("shardctl targets --no-such-flag | shardctl init").run().code_is(2);
    assert!(outcome.stdout.is_empty(), "{}", outcome.transcript());
    assert_eq!(fleet.sql(0, "SELECT to_regnamespace('flotilla') IS NULL"), "t");
}

/// One server is down: its line goes through the pipe as a failure, the others are worked on.
#[test]
fn a_dead_server_travels_through_the_pipe() {
    let mut fleet = Fleet::new().start();
    fleet.topology = fleet.topology.clone().shard("s2", fleet.path().join("nowhere"), 5432);
    fleet.write_topology();
    let outcome = fleet.script("shardctl targets --role primary | shardctl init").run().code_is(1);
    let status = |target: &str| outcome.line(target)["status"].clone();
    assert_eq!(status("s2-a"), "skipped", "{}", outcome.transcript());
}

#[test]
fn psql_finds_a_target_by_its_service() {
    let fleet = Fleet::new().shards(1).init().start();
    let outcome = fleet.script("shardctl targets --kind shard | jq -r .service").run().ok();
    assert_eq!(outcome.stdout, "s0\n");
}

#[test]
fn configurations_are_rendered_for_piped_poolers() {
    let mut fleet = Fleet::new().shards(0).start();
    fleet.topology(crate::manners::pools());
    let outcome = fleet
        .script("shardctl targets --kind pooler --kind balancer | poolcfg render | jq -r '.target + \" \" + .file'")
        .run()
        .ok();
    let mut lines: Vec<&str> = outcome.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["lb-a haproxy.cfg", "pool-a pgbouncer.ini"], "{}", outcome.transcript());
}

//! `poolcfg render`: what the programs themselves say of it.

use std::fs;

use flotilla_tests::{Fleet, Sandbox};

/// A topology with everything in it, which nobody connects to.
fn everything() -> String {
    crate::manners::pools()
        + "[pgdog]\ncolumns = [\"user_id\"]\n\n[[etcd]]\nname = \"etcd-a\"\nurl = \"https://127.0.0.5:2379\"\n\n\
           [[exporters]]\nkind = \"postgresql\"\nurl = \"http://127.0.0.11:9187/metrics\"\nof = \"s0-a\"\n\n\
           [[exporters]]\nkind = \"pgbouncer\"\nurl = \"http://127.0.0.31:9127/metrics\"\nof = \"pool-a\"\n\n\
           [[exporters]]\nkind = \"redis\"\nurl = \"https://127.0.0.72:9121/scrape\"\n\n\
           [[redis]]\nname = \"cache\"\nrole = \"cache\"\nhost = \"cache\"\nhostaddr = \"127.0.0.51\"\nport = 6379\n"
}

/// The text of one rendered file.
fn file(sandbox: &Sandbox, args: &[&str], name: &str) -> String {
    let args = ["render"].into_iter().chain(args.iter().copied());
    let outcome = sandbox.tool("poolcfg", args).run().ok();
    let line = outcome.lines().into_iter().find(|line| line["file"] == name);
    let line = line.unwrap_or_else(|| panic!("no {name}: {}", outcome.transcript()));
    line["text"].as_str().unwrap().to_owned()
}

#[test]
fn the_same_topology_gives_the_same_bytes_and_newer_releases_more_keys() {
    let mut sandbox = Sandbox::new();
    sandbox.topology(everything());
    let at = |version: &str| file(&sandbox, &["pgbouncer", "--for-version", version], "pgbouncer.ini");
    assert_eq!(at("pgbouncer=1.18"), at("pgbouncer=1.18"));
    assert!(
        !at("pgbouncer=1.18").contains("max_prepared_statements")
            && at("pgbouncer=1.25").contains("max_prepared_statements")
    );
    sandbox.tool("poolcfg", ["render", "--for-version", "1.25"]).run().code_is(2).says("is no version of a program");
    // What is rendered has nothing that our own rules find.
    sandbox.tool("poolcfg", ["check", "--strict", "-q", "--exclude", "default-pool-shared"]).run().ok().no_lines();
}

#[test]
fn prometheus_takes_what_is_rendered_and_its_alerts_fire_when_they_should() {
    let mut sandbox = Sandbox::new();
    sandbox.topology(everything());
    for name in ["prometheus.yml", "flotilla.rules.yml"] {
        let text = file(&sandbox, &["prometheus"], name);
        // Whether certificates are there is the server's business.
        sandbox.file(
            name,
            text.lines()
                .filter(|line| !line.contains("_file:") && !line.contains("tls_config:"))
                .collect::<Vec<_>>()
                .join("\n"),
        );
    }
    sandbox.script("exec promtool check config prometheus.yml").run().ok();
    sandbox.script("exec promtool check rules flotilla.rules.yml").run().ok();
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/suites/pool/alerts.test.yml");
    sandbox.file("alerts.test.yml", fs::read_to_string(cases).unwrap());
    sandbox.script("exec promtool test rules alerts.test.yml").run().ok();
}

/// PgDog's query for the shard of a key, run by PostgreSQL, against where the tools put it.
#[test]
fn pgdog_puts_rows_where_every_other_way_does() {
    let mut fleet = Fleet::new().shards(3).init().start();
    fleet.topology.connect.push("sslrootcert = \"tls/ca.crt\"\nsslmode = \"disable\"".to_owned());
    fleet.topology.rest.push_str("[pgdog]\ncolumns = [\"user_id\"]\n");
    fleet.write_topology();
    let map = fleet.path().join("map.json").display().to_string();
    fleet.shardctl(["map", &format!("--export={map}")]).run().ok();
    let text = file(&fleet, &["pgdog", "--map", &map], "pgdog.toml");
    let query = text.lines().find_map(|line| line.strip_prefix("lookup_query = \"")).unwrap().trim_end_matches('"');
    let keys: Vec<i64> = (0..2000).map(|n| n * 7919 - 3_000_000).collect();
    let input: Vec<String> = keys.iter().map(|key| format!("{{\"user_id\":{key}}}\n")).collect();
    let routed = fleet.shardctl(["route", "--by", "key", "--field", "user_id"]).stdin(input.concat()).run().ok();
    let places: Vec<String> = routed.lines().iter().map(|line| line["target"].as_str().unwrap().to_owned()).collect();
    let sql = format!(
        "SELECT string_agg('s' || ({}), ',' ORDER BY n) FROM unnest(ARRAY[{}]::bigint[]) WITH ORDINALITY AS t(key, n)",
        query.replace("$1", "t.key"),
        keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    );
    assert_eq!(fleet.sql(1, &sql), places.join(","));
}

//! `poolcfg diff` and `stats`: what is the same everywhere, and what isn't.

use super::{pooler, with};

#[test]
fn what_runs_as_the_topology_says_has_no_differences() {
    let pooling = pooler("");
    let line = pooling.fleet.tool("poolcfg", ["diff", "-t", "pool-a"]).run().ok().line("pool-a");
    assert_eq!((line["schema"].as_str(), line["difference_count"].as_u64()), (Some("poolcfg.compared/1"), Some(0)));
    assert!(line["key_count"].as_u64().unwrap() > 60, "{line}");
}

#[test]
fn every_difference_says_what_brings_it_together() {
    let pooling = pooler("");
    // The file is ahead of the process, and both differ from the topology.
    let text = with(&with(&pooling.rendered(), "default_pool_size", "9"), "server_lifetime", "60");
    let text =
        format!("{text}listen_backlog = 64\n").replace("s0_ro = host=localhost", "s0_ro = pool_size=3 host=localhost");
    pooling.write(&pooling.pooler_file(), &text);
    let outcome = pooling.fleet.tool("poolcfg", ["diff", "-t", "pool-a"]).run().code_is(1);
    let found = |key: &str| {
        let line = outcome.lines().into_iter().find(|line| line["key"] == key);
        let line = line.unwrap_or_else(|| panic!("{key}: {}", outcome.transcript()));
        ["topology", "file", "running", "takes"].map(|side| line[side].as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(found("default_pool_size"), ["25", "9", "25", "apply"]);
    assert_eq!(found("server_lifetime"), ["3600", "60", "3600", "apply"]);
    assert_eq!(found("databases.s0_ro.pool_size"), ["25", "3", "25", "apply"]);
    // By hand, at the console: the process alone differs.
    pooling.write(&pooling.pooler_file(), &pooling.rendered());
    pooling.ask("SET default_pool_size = 11").unwrap();
    let outcome = pooling.fleet.tool("poolcfg", ["diff", "-t", "pool-a"]).run().code_is(1);
    let line = outcome.lines().into_iter().find(|line| line["key"] == "default_pool_size").unwrap();
    assert_eq!(
        (line["file"].as_str(), line["running"].as_str(), line["takes"].as_str()),
        (Some("25"), Some("11"), Some("reload"))
    );
    let applied = pooling.fleet.tool("poolcfg", ["apply", "-t", "pool-a"]).run().ok().line("pool-a");
    assert_eq!((applied["changed"].as_bool(), pooling.running("default_pool_size")), (Some(true), "25".into()));
}

#[test]
fn stats_are_lines_of_pools_and_databases() {
    let pooling = pooler("");
    let line = format!("PGUSER=app PGDATABASE=s0 {} -XAtqc 'SELECT 1'", pooling.psql());
    pooling.fleet.script(&line).run().ok();
    let stats = pooling.fleet.tool("poolcfg", ["stats", "-t", "pool-a"]).run().ok().lines();
    let pool = stats.iter().find(|line| line["schema"] == "poolcfg.pool/1" && line["user"] == "app").unwrap();
    assert_eq!((pool["database"].as_str(), pool["client_waiting_count"].as_i64()), (Some("s0"), Some(0)), "{pool}");
    let of = |name: &str| {
        stats.iter().find(|line| line["schema"] == "poolcfg.traffic/1" && line["database"] == name).unwrap()
    };
    assert!(of("s0")["transaction_count"].as_i64().unwrap() >= 1, "{}", of("s0"));
    assert_eq!(of("s0_ro")["max_connection_count"], 50);
}

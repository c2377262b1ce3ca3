//! `poolcfg advise`: sizes by what was carried, and none where that was too little.

use super::pooler;

#[test]
fn a_busy_pool_is_sized_by_littles_law_and_an_idle_one_is_refused() {
    let pooling = pooler("[pgbouncer]\ndefault_pool_size = 40\n");
    // Each in a transaction of at least 10 ms all the time: about eight servers are needed.
    let busy = pooling.busy(8, "SELECT pg_sleep(0.01)");
    let args = ["advise", "-t", "pool-a", "--window", "6s", "--samples", "30"];
    let outcome = pooling.fleet.tool("poolcfg", args).run().ok();
    busy.end();
    let line = outcome.lines().into_iter().find(|line| line["user"] == "app").unwrap();
    assert_eq!((line["verdict"].as_str(), line["pool_size"].as_i64()), (Some("shrink"), Some(40)), "{line}");
    let (needed, size) = (line["needed_p95"].as_f64().unwrap(), line["advised_pool_size"].as_f64().unwrap());
    assert!((6.0..=11.0).contains(&needed), "eight clients in transactions: {line}");
    assert!((size - (needed / 0.7).ceil()).abs() < 0.5, "{line}");
    assert!(line["formula"].as_str().unwrap().contains("ceil(p95("), "{line}");
    assert!(line["transaction_count"].as_i64().unwrap() >= 100 && line["sample_count"] == 30, "{line}");

    let idle =
        pooling.fleet.tool("poolcfg", ["advise", "-t", "pool-a", "--window", "1s", "--samples", "20"]).run().code_is(3);
    let line = idle.lines().into_iter().find(|line| line["user"] == "app").unwrap();
    assert_eq!(
        (line["error"]["code"].as_str(), &line["advised_pool_size"]),
        (Some("refused"), &serde_json::Value::Null),
        "{line}"
    );
    pooling
        .fleet
        .tool("poolcfg", ["advise", "-t", "pool-a", "--samples", "5"])
        .run()
        .code_is(2)
        .says("5 samples are too few");
}

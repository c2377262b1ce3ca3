//! Topologies that can't be right.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use flotilla_tests::{Sandbox, Topology};

use super::refused;

/// Makes a topology wrong.
type Spoil = fn(&mut Topology);

/// A topology that is right, of two shards that nobody must ever call.
fn good() -> Topology {
    Topology::default().shard("s0", "/nowhere/0", 5432).shard("s1", "/nowhere/1", 5432)
}

/// Every verb reads the topology the same way; `init` is the one that could do harm.
fn init(text: impl AsRef<str>, says: &[&str]) {
    let mut sandbox = Sandbox::new();
    sandbox.topology(text);
    refused(sandbox.shardctl(["init", "--all"]).run(), 2, says);
    refused(sandbox.shardctl(["targets"]).run(), 2, says);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let text = good().to_string();
    let line = |text: &str, word: &str| 1 + text.lines().position(|line| line.contains(word)).unwrap();
    for (after, added) in [
        ("[cluster]\n", "replicas = 3\n"),
        ("  [[shards.nodes]]\n", "  password = \"no\"\n"),
        ("[[shards]]\n", "intial_buckets = [\"0-511\"]\n"),
    ] {
        let text = text.replacen(after, &format!("{after}{added}"), 1);
        let key = added.trim().split(' ').next().unwrap();
        init(&text, &[&format!("flotilla.toml:{}: ", line(&text, key)), &format!("unknown field `{key}`")]);
    }
    init(format!("{text}[unheard-of]\nx = 1\n"), &["unknown field `unheard-of`"]);
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_line() {
    let broken = good().to_string().replace("name = \"s1\"", "name = s1");
    let line = 1 + broken.lines().position(|line| line == "name = s1").unwrap();
    init(broken, &[&format!("flotilla.toml:{line}: ")]);
    init("[cluster", &["flotilla.toml:1: "]);
    init("", &["missing field `cluster`"]);
}

#[test]
fn buckets_must_be_a_power_of_two() {
    for (count, line) in [(1000_u32, "1000"), (0, "0"), (3, "3")] {
        let topology = Topology { buckets: count, ..good() };
        init(topology.to_string(), &["flotilla.toml:3: ", line, "power of two"]);
    }
    init(good().to_string().replace("buckets = 1024", "buckets = -8"), &["flotilla.toml:3: "]);
    init(good().to_string().replace("buckets = 1024", "buckets = 99999999999"), &["flotilla.toml:3: "]);
}

#[test]
fn every_bucket_has_exactly_one_shard() {
    let owning = |first: &[&str], second: &[&str]| {
        Topology::default().shard("s0", "/nowhere/0", 5432).owning(first).shard("s1", "/nowhere/1", 5432).owning(second)
    };
    init(owning(&["0-511"], &["500-1023"]).to_string(), &["buckets 500-511 ", "more than one"]);
    init(owning(&["0-511", "7"], &["512-1023"]).to_string(), &["buckets 7 ", "more than one"]);
    init(owning(&["0-510"], &["512-1022"]).to_string(), &["buckets 511, 1023 ", "in no shard"]);
    init(owning(&["0-511"], &["512-1024"]).to_string(), &["shard \"s1\"", "1024"]);
    init(owning(&["0-511"], &["1023-512"]).to_string(), &["shard \"s1\""]);
    init(owning(&["0-511"], &["all the rest"]).to_string(), &["shard \"s1\""]);
    let half = Topology::default().shard("s0", "/nowhere/0", 5432).owning(&["0-1023"]).shard("s1", "/nowhere/1", 5432);
    init(half.to_string(), &["shard \"s1\" has no initial_buckets"]);
}

#[test]
fn names_and_addresses_are_unique_and_plain() {
    let twice = Topology::default().shard("s0", "/nowhere/0", 5432).shard("s0", "/nowhere/1", 5432);
    init(twice.to_string(), &["\"s0\" is both a shard and a shard"]);
    let same = Topology::default().shard("s0", "/nowhere", 5432).shard("s1", "/nowhere", 5432);
    init(same.to_string(), &["nodes \"s0-a\" and \"s1-a\" are both at /nowhere, port 5432"]);
    for name in ["", "S0", "s 0", "../s0", "s0\\u0000", "s\\u00fc"] {
        init(good().to_string().replace("name = \"s0\"", &format!("name = \"{name}\"")), &["is not a name"]);
    }
}

/// A topology with a standby cluster of `s0`, and what else its lines say.
fn followed(cluster: &str, node: &str) -> String {
    let rest = format!(
        "[archive]\nencryption = \"none\"\n[[archive.stores]]\nname = \"east\"\nurl = \"file:///nowhere/east\"\n\
         [[archive.stores]]\nname = \"west\"\nurl = \"file:///nowhere/west\"\n\
         [[standby_clusters]]\n{cluster}\n[[standby_clusters.nodes]]\n{node}\n"
    );
    Topology { rest, ..good() }.to_string()
}

#[test]
fn a_standby_cluster_follows_a_shard_by_a_store_and_is_no_target() {
    const CLUSTER: &str = "name = \"s0-west\"\nshard = \"s0\"\nstore = \"west\"";
    const NODE: &str = "name = \"s0-west-a\"\nhost = \"/nowhere/2\"";
    let cluster = |from: &str, to: &str| followed(&CLUSTER.replace(from, to), NODE);
    init(cluster("shard = \"s0\"", "shard = \"s9\""), &["follows \"s9\", which is no shard"]);
    init(cluster("\"west\"", "\"north\""), &["restores from \"north\", which is no store"]);
    init(cluster("name = \"s0-west\"", "name = \"s0\""), &["\"s0\" is both a shard and a standby cluster"]);
    init(cluster("\"s0-west\"", "\"West\""), &["standby cluster name \"West\" is not a name"]);
    init(cluster("store", "rpo_seconds = 0\nstore"), &["rpo_seconds 0", "Use 1 to 86400"]);
    init(cluster("store", "rpo = 5\nstore"), &["unknown field `rpo`"]);
    init(followed(CLUSTER, &NODE.replace("s0-west-a", "s1-a")), &["\"s1-a\" is both a node and a standby cluster's"]);
    init(followed(CLUSTER, &NODE.replace("/2", "/0")), &["nodes \"s0-a\" and \"s0-west-a\" are both at /nowhere/0"]);
    let second = format!("{NODE}\n[[standby_clusters]]\n{}", CLUSTER.replace("s0-west", "s0-far"));
    init(followed(CLUSTER, &second), &["\"s0-far\" has no nodes"]);
    let second = format!("{second}\n[[standby_clusters.nodes]]\nname = \"s0-far-a\"\nhost = \"/nowhere/3\"");
    init(followed(CLUSTER, &second), &["\"s0-far\" is the second of shard \"s0\" that restores from \"west\""]);

    let mut sandbox = Sandbox::new();
    sandbox.topology(followed(CLUSTER, NODE));
    let targets = sandbox.shardctl(["targets"]).run().ok();
    assert!(!targets.stdout.contains("west"), "{}", targets.transcript());
    for name in ["s0-west", "s0-west-a"] {
        for args in [&["init", "-t", name][..], &["targets", "-t", name], &["sql", "-t", name, "SELECT 1"]] {
            refused(sandbox.shardctl(args).run(), 2, &[name, "belongs to a standby cluster of shard \"s0\""]);
        }
        let piped = sandbox.shardctl(["init"]).stdin(format!("{{\"target\":\"{name}\"}}\n"));
        refused(piped.run(), 2, &["line 1", "is no target"]);
    }
}

#[test]
fn a_key_type_that_is_not_placed_is_refused() {
    init(Topology { key_type: "numeric".to_owned(), ..good() }.to_string(), &["flotilla.toml:4: ", "numeric"]);
}

#[test]
fn sslmode_is_one_of_libpqs_words() {
    init(
        good().connect("sslmode = \"verify-ful\"").to_string(),
        &["invalid sslmode value: \"verify-ful\"", "verify-full"],
    );
}

/// What a rendered file needs and the topology lacks: no file at all, rather than those that could be.
#[test]
fn an_incomplete_topology_renders_nothing() {
    let whole = crate::manners::pools();
    let cases = [
        ("verifiers = \"secrets/userlist.txt\"", "secrets.verifiers is not set"),
        ("sslrootcert = \"tls/ca.crt\"", "connect.sslrootcert is not set"),
        ("patroni = \"https://127.0.0.11:15008\"", "has no patroni URL"),
    ];
    let mut sandbox = Sandbox::new();
    for (line, says) in cases {
        assert!(whole.contains(line), "{whole}");
        sandbox.topology(whole.replace(line, ""));
        refused(sandbox.tool("poolcfg", ["render"]).run(), 2, &[says]);
    }
    sandbox.topology(whole.replace("https://", "ftp://"));
    refused(sandbox.tool("poolcfg", ["render"]).run(), 2, &["is not a URL of Patroni's"]);
    // What isn't asked for needn't be whole; and a target that has no such file is its own line.
    sandbox.topology(whole.replace("patroni = \"https://127.0.0.11:15008\"", ""));
    sandbox.tool("poolcfg", ["render", "pgbouncer"]).run().ok();
    let outcome = sandbox.tool("poolcfg", ["render", "-t", "pool-a", "-t", "s0"]).run().code_is(1);
    assert_eq!(outcome.line("s0")["error"]["code"], "unsupported", "{}", outcome.transcript());
}

/// Whoever may write the topology decides which servers are touched.
#[test]
fn a_file_that_others_may_write_is_refused() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.topology(good().to_string());
    for mode in [0o622, 0o660, 0o602] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        refused(sandbox.shardctl(["targets"]).run(), 2, &["may be written by others", "chmod go-w"]);
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    sandbox.shardctl(["targets"]).run().ok();
}

#[test]
fn a_path_that_is_no_file_is_refused() {
    let sandbox = Sandbox::new();
    let config = |path: &str| sandbox.shardctl(["targets", "--config", path]).run();
    refused(config("missing.toml"), 2, &["could not read missing.toml"]);
    refused(config("."), 2, &["is not a regular file"]);
    refused(config("/dev/null"), 2, &["is not a regular file"]);
    sandbox.file("latin1.toml", b"[cluster]\nname = \"\xfc\"\n");
    refused(config("latin1.toml"), 2, &["could not read latin1.toml"]);
}

/// The topology says buckets, the shards say others: one of them is the wrong one.
#[test]
fn a_topology_of_another_cluster_is_refused_by_the_servers() {
    let mut fleet = flotilla_tests::Fleet::new().init().start();
    let before = fleet.state();
    let cases: [(Spoil, &str); 4] = [
        (|topology| topology.name = "other".to_owned(), "belongs to cluster \"demo\", not \"other\""),
        (|topology| topology.buckets = 512, "1024 buckets, not 512"),
        (|topology| topology.key_type = "uuid".to_owned(), "key type \"bigint\", not \"uuid\""),
        (|topology| topology.shards.swap(0, 1), ""),
    ];
    for (change, says) in cases {
        let right = fleet.topology.clone();
        change(&mut fleet.topology);
        if says.is_empty() {
            // The names stay where they were, the servers change places.
            let nodes: Vec<_> = fleet.topology.shards.iter().map(|shard| shard.nodes.clone()).collect();
            fleet.topology = right.clone();
            for (shard, nodes) in fleet.topology.shards.iter_mut().zip(nodes) {
                shard.nodes[0].host.clone_from(&nodes[0].host);
            }
        }
        fleet.write_topology();
        let outcome = fleet.shardctl(["init", "--all"]).run().code_is(3);
        for line in outcome.lines() {
            let message = line["error"]["message"].as_str().unwrap_or_default().to_owned();
            let wanted = if says.is_empty() { "belongs to shard" } else { says };
            assert!(message.contains(wanted) && message.contains("nothing was touched"), "{}", outcome.transcript());
            assert!(line["error"]["hint"].is_string(), "{line}");
        }
        assert_eq!(fleet.state(), before);
        fleet.topology = right;
    }
}

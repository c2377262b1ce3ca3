//! The command line without servers: help, usage errors, exit codes.

use std::fmt::Write as _;

use flotilla_tests::{Fleet, Sandbox};

/// Every help text of every tool and verb, in one place: a changed word shows up as a changed line.
#[test]
fn reference() {
    let sandbox = Sandbox::new();
    let mut reference = String::new();
    for tool in ["shardctl", "migrate", "walg-wrap", "pitr", "poolcfg", "healthcheck"] {
        help(&sandbox, tool, &mut Vec::new(), &mut reference);
    }
    insta::assert_snapshot!("reference", reference);
}

/// The help of a command, then of each below it, as its own help lists them.
fn help(sandbox: &Sandbox, tool: &str, path: &mut Vec<String>, reference: &mut String) {
    let outcome = sandbox.tool(tool, path.iter().map(String::as_str).chain(["--help"])).run().ok();
    let _ = writeln!(
        reference,
        "$ {} --help\n{}",
        [&[tool.to_owned()], path.as_slice()].concat().join(" "),
        outcome.stdout
    );
    let listed =
        outcome.stdout.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<String> = listed
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_ascii_whitespace().next().map(str::to_owned))
        .filter(|name| name != "help")
        .collect();
    for name in names {
        path.push(name);
        help(sandbox, tool, path, reference);
        path.pop();
    }
}

#[test]
fn short_help_fits_a_screen() {
    let sandbox = Sandbox::new();
    for tool in ["shardctl", "migrate", "walg-wrap", "pitr", "poolcfg", "healthcheck"] {
        let outcome = sandbox.tool(tool, ["-h"]).run().ok();
        let width = outcome.stdout.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(width <= 100, "{width} columns\n{}", outcome.transcript());
    }
}

#[test]
fn version_is_the_name_and_the_number() {
    let sandbox = Sandbox::new();
    for tool in ["shardctl", "migrate", "walg-wrap", "pitr", "poolcfg", "healthcheck"] {
        for flag in ["-V", "--version"] {
            let outcome = sandbox.tool(tool, [flag]).run().ok();
            assert_eq!(outcome.stdout, format!("{tool} {}\n", env!("CARGO_PKG_VERSION")));
        }
    }
}

/// What a user gets to read for a typo.
#[test]
fn usage_errors() {
    let sandbox = Sandbox::new();
    let mut seen = String::new();
    let cases: [&[&str]; 13] = [
        &[],
        &["no-such-verb"],
        &["targets", "--no-such-flag"],
        &["targets", "--role", "king"],
        &["targets", "--jobs", "0"],
        &["targets", "--deadline", "soon"],
        &["targets", "-o", "yaml"],
        &["route", "1"],
        &["key", "new"],
        &["key", "new", "--user", "-n", "0"],
        &["sql"],
        &["sql", "--key", "1", "--all", "SELECT 1"],
        &["init", "--all", "-t", "s0"],
    ];
    for case in cases {
        let outcome = sandbox.shardctl(case).run().code_is(2).no_lines();
        let _ = writeln!(seen, "$ {}\n{}", outcome.shown, outcome.stderr);
    }
    insta::assert_snapshot!("usage_errors", seen);
}

/// One real run for each exit code, with what it says.
#[test]
fn exit_codes() {
    let fleet = Fleet::new().shards(1).init().start();
    let dead = fleet.topology.clone();
    let mut dead_topology = dead;
    dead_topology.shards[0].nodes[0].host = fleet.path().join("nowhere").display().to_string();
    fleet.file("dead.toml", dead_topology.to_string());
    let mut other = fleet.topology.clone();
    other.buckets = 512;
    fleet.file("other.toml", other.to_string());
    let cases: [(i32, &[&str]); 6] = [
        (0, &["init", "--all"]),
        (1, &["sql", "--all", "SELECT 1 / 0"]),
        (1, &["key", "parse", "-1", "7318349394477056"]),
        (2, &["init", "-t", "s9"]),
        (3, &["init", "--all", "--config", "other.toml"]),
        (75, &["init", "--all", "--config", "dead.toml"]),
    ];
    for (code, args) in cases {
        fleet.shardctl(args).run().code_is(code);
    }
}

/// The first file that exists counts; a flag wins over the environment, that over the places.
#[test]
fn the_topology_is_found_where_it_should_be() {
    let mut sandbox = Sandbox::new();
    let named = |name: &str| {
        let text = flotilla_tests::Topology::default().shard(name, "/nowhere", 5432);
        text.to_string()
    };
    let missing = sandbox.shardctl(["targets"]).run();
    // A machine may have one in /etc.
    if !std::path::Path::new("/etc/flotilla/flotilla.toml").exists() {
        missing.code_is(2).no_lines().says("no topology file was found").says("--config");
    }
    sandbox.file("config/flotilla/flotilla.toml", named("xdg"));
    sandbox.shardctl(["targets"]).run().ok().line("xdg");
    sandbox.topology(named("env"));
    sandbox.shardctl(["targets"]).run().ok().line("env");
    sandbox.file("flag.toml", named("flag"));
    sandbox.shardctl(["targets", "--config", "flag.toml"]).run().ok().line("flag");
    // Empty is unset.
    sandbox.shardctl(["targets"]).env("FLOTILLA_CONFIG", "").run().ok().line("xdg");
}

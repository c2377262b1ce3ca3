//! The harness itself: how fast a fleet is there, and that nothing of it stays.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use flotilla_native::process;
use flotilla_tests::{Fleet, Sandbox, until};

/// Processes that work below a folder or hold it in their arguments.
fn left(folder: &Path) -> usize {
    let holds = |pid: i32| {
        let args = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&args).contains(&*folder.to_string_lossy())
    };
    process::all().iter().filter(|p| p.folder().is_some_and(|f| f.starts_with(folder)) || holds(p.pid)).count()
}

fn folders(fleet: &Fleet) -> Vec<PathBuf> {
    let servers = fleet.shards.iter().flat_map(|shard| &shard.nodes).map(|node| node.server.folder().to_owned());
    servers.chain([fleet.path().to_owned()]).collect()
}

#[test]
fn shards_are_different_systems_and_replicas_the_same() {
    let fleet = Fleet::new().replicas(1).start();
    let identifier = "SELECT system_identifier FROM pg_control_system()";
    let of = |shard: usize| fleet.primary(shard).sql(identifier).unwrap();
    assert_ne!(of(0), of(1));
    assert_eq!(of(0), fleet.replica(0, 0).sql(identifier).unwrap());
    assert_eq!(fleet.replica(1, 0).sql("SELECT pg_is_in_recovery()").unwrap(), "t");
}

#[test]
fn a_dropped_fleet_leaves_nothing() {
    let fleet = Fleet::new().replicas(1).init().start();
    let folders = folders(&fleet);
    assert!(folders.iter().take(4).all(|folder| left(folder) > 0), "the servers run");
    drop(fleet);
    for folder in folders {
        assert!(!folder.exists() && left(&folder) == 0, "{}", folder.display());
    }
}

#[test]
fn a_killed_test_leaves_nothing() {
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "harness::holds_a_fleet_until_it_is_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(test.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.into_iter().find_map(|line| line.strip_prefix("folders: ").map(str::to_owned)).unwrap();
    let folders: Vec<PathBuf> = line.split(' ').map(PathBuf::from).collect();
    assert_eq!(folders.len(), 3);
    assert!(folders.iter().all(|folder| folder.exists() && left(folder) > 0), "the fleet runs");
    test.kill().unwrap();
    test.wait().unwrap();
    for folder in folders {
        until("processes and folders go with the test", || (left(&folder) == 0 && !folder.exists()).then_some(()));
    }
}

#[test]
#[ignore = "runs as the process that another test kills"]
#[expect(clippy::print_stdout, reason = "tells the other test what to look for")]
fn holds_a_fleet_until_it_is_killed() {
    let fleet = Fleet::new().start();
    let folders: Vec<String> = folders(&fleet).iter().map(|folder| folder.display().to_string()).collect();
    // A tool that hangs must not stay either.
    let _hanging = fleet.shardctl(["route", "--by", "key"]).stdin_open().start();
    println!("\nfolders: {}", folders.join(" "));
    std::thread::sleep(Duration::from_mins(1));
}

#[test]
fn a_sandbox_sees_nothing_of_the_callers_settings() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.script("env | sort | cut -d= -f1").run().ok();
    let names: Vec<&str> =
        outcome.stdout.lines().filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name)).collect();
    assert_eq!(names, ["HOME", "LOGNAME", "PATH", "TMPDIR", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"]);
}

//! Test servers start fast, in parallel, and leave nothing behind, whatever happens to their owner.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use flotilla_native::places;
use flotilla_native::postgres::{Options, Server, Shutdown, Template};
use flotilla_native::process::{self, wait_until};

fn template(number: u8) -> Template {
    Template::cached(&places::cache().unwrap(), number).unwrap()
}

/// Processes that work below a folder.
fn left_in(folder: &Path) -> usize {
    process::all().into_iter().filter(|p| p.folder().is_some_and(|f| f.starts_with(folder))).count()
}

fn segments() -> String {
    let output = Command::new("ipcs").args(["-m"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_server_answers_and_is_gone_when_dropped() {
    let template = template(0);
    let server = Server::start(&template, Options::default().set("work_mem", "5MB")).unwrap();
    assert_eq!(server.sql("show work_mem").unwrap(), "5MB");
    assert_eq!(server.sql("show data_checksums").unwrap(), "on");
    assert_eq!(server.sql("show wal_level").unwrap(), "logical");
    let folder = server.folder().to_owned();
    drop(server);
    assert!(!folder.exists());
    assert_eq!(left_in(&folder), 0);
}

#[test]
fn a_replica_follows_and_can_be_promoted() {
    let primary = Server::start(&template(0), Options::default()).unwrap();
    let replica = primary.replica(Options::default()).unwrap();
    primary.sql("create table t as select generate_series(1, 1000) as x").unwrap();
    assert!(wait_until(Duration::from_secs(20), Duration::from_millis(20), || {
        replica.sql("select count(*) from t").is_ok_and(|count| count == "1000")
    }));
    assert_eq!(replica.sql("select pg_is_in_recovery()").unwrap(), "t");
    replica.promote().unwrap();
    assert_eq!(replica.sql("select pg_is_in_recovery()").unwrap(), "f");
}

#[test]
fn servers_of_different_templates_are_different_systems() {
    let identifier = "select system_identifier from pg_control_system()";
    let found: Vec<String> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..4)
            .map(|number| {
                scope.spawn(move || {
                    Server::start(&template(number % 2), Options::default()).unwrap().sql(identifier).unwrap()
                })
            })
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(found[0], found[2]);
    assert_ne!(found[0], found[1]);
}

#[test]
fn a_killed_server_recovers_at_the_next_launch() {
    let mut server = Server::start(&template(0), Options::default()).unwrap();
    server.sql("create table t as select 1 as x").unwrap();
    server.sql("checkpoint").unwrap();
    server.stop(Shutdown::Kill).unwrap();
    assert_eq!(server.pid(), None);
    assert!(server.sql("select 1").is_err());
    server.launch().unwrap();
    assert_eq!(server.sql("select x from t").unwrap(), "1");
}

#[test]
fn a_setting_that_postgres_refuses_is_said_with_its_log() {
    let error = Server::start(&template(0), Options::default().set("shared_buffers", "a lot")).unwrap_err();
    assert!(error.text("test").contains("shared_buffers"), "{error:?}");
}

#[test]
fn nothing_is_left_when_the_owner_is_killed() {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holds_a_server_until_it_is_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = BufReader::new(owner.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("folder: ").map(PathBuf::from))
        .unwrap();
    assert!(left_in(&folder) > 3, "the server runs");
    owner.kill().unwrap();
    owner.wait().unwrap();
    let gone =
        wait_until(Duration::from_secs(20), Duration::from_millis(20), || left_in(&folder) == 0 && !folder.exists());
    assert!(gone, "{} of {} processes are left", left_in(&folder), folder.display());
}

#[test]
#[ignore = "runs as the process that another test kills"]
fn holds_a_server_until_it_is_killed() {
    let server = Server::start(&template(0), Options::default()).unwrap();
    println!("\nfolder: {}", server.folder().display());
    std::thread::sleep(Duration::from_mins(1));
}

#[test]
fn a_killed_server_frees_its_shared_memory() {
    let mut server = Server::start(&template(0), Options::default()).unwrap();
    let lock = std::fs::read_to_string(server.data().join("postmaster.pid")).unwrap();
    let id = lock.lines().nth(6).unwrap().split_ascii_whitespace().nth(1).unwrap().to_owned();
    let held = |id: &str| segments().lines().any(|line| line.split_ascii_whitespace().nth(1) == Some(id));
    assert!(held(&id));
    server.stop(Shutdown::Kill).unwrap();
    drop(server);
    assert!(!held(&id));
}

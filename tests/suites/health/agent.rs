//! `healthcheck agent`: what HAProxy reads.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use flotilla_native::postgres::Shutdown;
use flotilla_tests::{Fleet, Running, until};

/// A running agent, and where it listens.
fn start(fleet: &Fleet, more: &[&str]) -> (Running, String) {
    let args = [&["agent", "--listen", "127.0.0.1:0", "--interval", "200ms"][..], more].concat();
    let mut running = fleet.tool("healthcheck", args).start();
    let address = until("the agent listens", || {
        assert!(!running.has_ended(), "{}", running.stderr_so_far());
        let said = running.stderr_so_far();
        said.lines().find_map(|line| line.split_once("checks at ")).map(|(_, address)| address.to_owned())
    });
    (running, address)
}

/// What the agent says, asked as HAProxy asks.
fn ask(address: &str, name: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(name.as_bytes()).unwrap();
    let mut line = String::new();
    stream.read_to_string(&mut line).unwrap();
    line
}

fn wait_for(address: &str, name: &str, wanted: &str) {
    until(&format!("{name:?} is {wanted:?}"), || (ask(address, name) == wanted).then_some(()));
}

#[test]
fn a_node_is_ready_in_maintenance_or_down() {
    let mut fleet = Fleet::new().shards(1).replicas(1).init().start();
    let silences = fleet.path().join("silences.toml");
    let (_running, address) = start(&fleet, &["--all", "--silence-file", "silences.toml"]);
    wait_for(&address, "s0-a\n", "ready up 100%\n");
    wait_for(&address, "s0-replicas/s0-b\n", "ready up 100%\n");
    assert_eq!(ask(&address, "nobody\n"), "", "of whom it doesn't know it says nothing, which changes nothing");
    let text = "[[silence]]\ninstance = \"s0-b\"\nuntil = \"2999-01-01T00:00:00Z\"\nreason = \"a new disk\"\n";
    std::fs::write(&silences, text).unwrap();
    wait_for(&address, "s0-b\n", "maint\n");
    assert_eq!(ask(&address, "s0-a\n"), "ready up 100%\n");
    std::fs::remove_file(&silences).unwrap();
    wait_for(&address, "s0-b\n", "ready up 100%\n");
    fleet.shards[0].nodes[1].server.stop(Shutdown::Kill).unwrap();
    wait_for(&address, "s0-b\n", "down #s0-b doesn't answer\n");
    assert_eq!(ask(&address, "s0-a\n"), "ready up 100%\n");
}

#[test]
fn of_two_primaries_neither_gets_clients() {
    let fleet = Fleet::new().shards(1).replicas(1).init().start();
    // One node alone needs no name.
    let (_running, address) = start(&fleet, &["-t", "s0-a"]);
    wait_for(&address, "", "ready up 100%\n");
    fleet.replica(0, 0).promote().unwrap();
    wait_for(&address, "", "down #two primaries\n");
}

//! Health: what probes see of servers that are well, gone, silent, or two where one should be.

mod advise;
mod agent;
mod alert;
mod audit;
mod migration;
mod page;
mod probe;
mod serve;

use flotilla_tests::{Fleet, Outcome, Running, until};
use serde_json::Value;

/// A running `healthcheck serve`.
struct Served {
    url: String,
    /// Ended with it.
    _running: Running,
}

impl Served {
    /// Serves on a free port.
    fn start(fleet: &Fleet, more: &[&str]) -> Self {
        let args = [&["serve", "--listen", "127.0.0.1:0", "--interval", "200ms"][..], more].concat();
        let mut running = fleet.tool("healthcheck", args).start();
        let url = until("health is not served", || {
            assert!(!running.has_ended(), "{}", running.stderr_so_far());
            let said = running.stderr_so_far();
            said.lines().find_map(|line| line.split_once("serving ")).map(|(_, url)| url.to_owned())
        });
        Self { url, _running: running }
    }

    /// Waits until everything has been asked.
    fn wait(&self, fleet: &Fleet) {
        until("everything was asked", || (self.get(fleet, "/readyz", &[]).status == 200).then_some(()));
    }

    /// What curl gets.
    fn get(&self, fleet: &Fleet, path: &str, options: &[&str]) -> Answer {
        let url = format!("{}{path}", self.url);
        let run =
            fleet.script(r#"exec curl -sSi --noproxy '*' "$@" "$0""#).args([&[url.as_str()][..], options].concat());
        let Outcome { stdout, .. } = run.run().ok();
        let (head, body) = stdout.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase().replace('\r', ""), body: body.to_owned() }
    }
}

/// Status, headers in lower case, body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// The line about one component of one instance.
#[track_caller]
fn about(outcome: &Outcome, component: &str, instance: &str) -> Value {
    let lines = outcome.lines();
    let found = lines.into_iter().find(|line| line["component"] == component && line["instance"] == instance);
    found.unwrap_or_else(|| panic!("no line of {component} about {instance}\n{}", outcome.transcript()))
}

/// One check of a line.
#[track_caller]
fn check(line: &Value, name: &str) -> Value {
    let found = line["checks"].as_array().unwrap().iter().find(|check| check["check"] == name);
    found.cloned().unwrap_or_else(|| panic!("no check {name}: {line}"))
}

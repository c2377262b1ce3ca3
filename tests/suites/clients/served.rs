//! The map over HTTP.

use flotilla_tests::{Fleet, Outcome, Running, until};
use serde_json::Value;

use super::live::fleet;

/// A running `shardctl map --serve`.
pub(super) struct Served {
    url: String,
    running: Running,
}

impl Served {
    /// Serves on a free port and asks the shards again five times a second.
    pub(super) fn start(fleet: &Fleet) -> Self {
        let mut running = fleet.shardctl(["map", "--serve", "127.0.0.1:0", "--refresh", "200ms"]).start();
        let url = until("the map is not served", || {
            assert!(!running.has_ended(), "{}", running.stderr_so_far());
            let said = running.stderr_so_far();
            let line = said.lines().find_map(|line| line.split_once("serving "))?;
            Some(line.1.to_owned())
        });
        Self { url, running }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    fn said(&self, text: &str) -> bool {
        self.running.stderr_so_far().contains(text)
    }
}

/// What curl gets: the status, the headers in lower case, the body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn etag(&self) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix("etag: "));
        line.unwrap_or_else(|| panic!("no ETag: {}", self.head))
    }

    fn map(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn get(fleet: &Fleet, url: &str, header: &str) -> Answer {
    let run = fleet.script(r#"exec curl -sSi --noproxy '*' -H "$1" "$0""#).args([url, header]);
    let Outcome { stdout, .. } = run.run().ok();
    let (head, body) = stdout.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase().replace('\r', ""), body: body.to_owned() }
}

#[test]
fn a_known_map_is_not_sent_again() {
    let fleet = fleet();
    let served = Served::start(&fleet);
    let first = get(&fleet, served.url(), "Accept: */*");
    assert_eq!(first.status, 200);
    assert!(first.head.contains("content-type: application/json"), "{}", first.head);
    let exported = fleet.shardctl(["map", "--export"]).run().ok();
    assert_eq!(first.map(), serde_json::from_str::<Value>(&exported.stdout).unwrap());

    for tag in [first.etag().to_owned(), format!("W/{}", first.etag()), format!("\"other\", {}", first.etag())] {
        let again = get(&fleet, served.url(), &format!("If-None-Match: {tag}"));
        assert_eq!((again.status, again.body.as_str(), again.etag()), (304, "", first.etag()), "{tag}");
    }
    let other = get(&fleet, served.url(), "If-None-Match: \"other\"");
    assert_eq!((other.status, other.map()), (200, first.map()));
}

#[test]
fn a_new_epoch_is_a_new_tag() {
    let fleet = fleet();
    let served = Served::start(&fleet);
    let before = get(&fleet, served.url(), "Accept: */*");
    assert_eq!(before.map()["epoch"], "7");
    for shard in 0..fleet.shards.len() {
        fleet.sql(shard, "SELECT flotilla.advance_epoch(8)");
    }
    let known = format!("If-None-Match: {}", before.etag());
    let after = until("the new map is not served", || {
        Some(get(&fleet, served.url(), &known)).filter(|answer| answer.status == 200)
    });
    assert_eq!(after.map()["epoch"], "8");
    assert_ne!(after.etag(), before.etag());
}

#[test]
fn while_the_shards_disagree_the_last_map_is_served() {
    let fleet = fleet();
    let served = Served::start(&fleet);
    let before = get(&fleet, served.url(), "Accept: */*");
    fleet.sql(0, "SELECT flotilla.set_ownership(0, 0, 'none', 8)");
    fleet.shardctl(["map"]).run().code_is(1);
    until("the server says nothing of the hole", || served.said("the map is not whole").then_some(()));
    let during = get(&fleet, served.url(), &format!("If-None-Match: {}", before.etag()));
    assert_eq!(during.status, 304);
    fleet.shardctl(["map", "--export"]).run().code_is(1).no_lines().says("the map is not whole");
}

#[test]
fn the_map_is_served_on_loopback_alone() {
    let fleet = fleet();
    fleet.shardctl(["map", "--serve", "0.0.0.0:0"]).run().code_is(3).no_lines().says("not a loopback address");
}

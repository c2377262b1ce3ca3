//! The page, as a browser shows it.

use flotilla_native::postgres::Shutdown;
use flotilla_tests::{Fleet, until};

use super::Served;

/// What a browser makes of the page once it is loaded. Time of the browser's own would stand still, for the stream of
/// news never ends.
fn seen(fleet: &Fleet, url: &str) -> String {
    let line = format!(
        "exec /usr/bin/chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir=browser \
         --no-first-run --no-proxy-server --timeout=20000 --dump-dom '{url}' 2> /dev/null"
    );
    fleet.script(&line).run_within(std::time::Duration::from_mins(2)).ok().stdout
}

#[test]
fn the_page_shows_a_dead_replica_in_words_and_without_a_script_too() {
    let mut fleet = Fleet::new().shards(2).replicas(1).init().start();
    let served = Served::start(&fleet, &[]);
    served.wait(&fleet);
    let row = |node: &str, health: &str| format!("data-node=\"{node}\" data-health=\"{health}\"");
    until("all are well, the replicas stream", || {
        let page = served.get(&fleet, "/", &[]).body;
        ["s0-a", "s0-b", "s1-a", "s1-b"].iter().all(|node| page.contains(&row(node, "pass"))).then_some(())
    });
    fleet.shards[0].nodes[1].server.stop(Shutdown::Kill).unwrap();
    // As it comes from the server.
    let bad = until("the dead one is shown", || {
        let body = served.get(&fleet, "/", &[]).body;
        body.contains(&row("s0-b", "fail")).then_some(body)
    });
    assert!(bad.contains("</span> failed</span>"), "by a word, not by colour alone");
    assert!(bad.contains("<td class=\"role down\">down</td>"), "{bad}");
    assert!(!bad.contains("<script>") && !bad.contains(" style="), "nothing inline");
    // As a browser shows it, its script included.
    let shown = seen(&fleet, &served.url);
    assert!(shown.contains(&row("s0-b", "fail")) && shown.contains(&row("s1-b", "pass")), "{shown}");
    assert!(shown.contains("<h1>demo</h1>"), "{shown}");
}

#[test]
fn names_from_outside_are_text_on_the_page() {
    let mut fleet = Fleet::new().shards(1).init().start();
    fleet.sql(0, "SELECT pg_create_physical_replication_slot('left_behind')");
    fleet.topology.shards[0].nodes.push(flotilla_tests::NodeEntry {
        name: "s0-b".to_owned(),
        host: "<script>alert(1)</script>".to_owned(),
        port: 1,
    });
    fleet.write_topology();
    let served = Served::start(&fleet, &[]);
    served.wait(&fleet);
    let page = served.get(&fleet, "/", &[]).body;
    assert!(page.contains("left_behind"), "{page}");
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert"), "{page}");
}

#[test]
fn news_come_by_themselves() {
    let mut fleet = Fleet::new().shards(1).replicas(1).init().start();
    let served = Served::start(&fleet, &[]);
    served.wait(&fleet);
    let reader = fleet.script(r#"exec curl -sN --noproxy '*' "$0/events""#).args([&served.url]).start();
    until("the first state comes at once", || reader.stdout_so_far().contains("event: state").then_some(()));
    assert!(!reader.stdout_so_far().contains("data-health=\"fail\""));
    fleet.shards[0].nodes[1].server.stop(Shutdown::Kill).unwrap();
    let news = "data-node=\"s0-b\" data-health=\"fail\"";
    until("the news come", || reader.stdout_so_far().contains(news).then_some(()));
}

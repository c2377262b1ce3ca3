//! SCRAM verifiers: those of the secrets file, equal on all shards, as the poolers need them.

use std::fs;

use flotilla_tests::{Fleet, PASSWORDS};
use serde_json::json;

fn held(fleet: &Fleet, shard: usize) -> String {
    let roles = PASSWORDS.map(|(role, _)| format!("'{role}'")).join(", ");
    fleet.sql(
        shard,
        &format!(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname IN ({roles}) ORDER BY rolname COLLATE \"C\""
        ),
    )
}

/// The secrets file, as the query shows the same.
fn wanted(fleet: &Fleet) -> String {
    let text = fs::read_to_string(fleet.path().join("secrets/userlist.txt")).expect("the secrets file");
    let mut lines: Vec<String> = text.lines().map(|line| line.replace("\" \"", "|").replace('"', "")).collect();
    lines.sort_by(|one, next| one.split('|').next().cmp(&next.split('|').next()));
    lines.join("\n")
}

#[test]
fn verifiers_are_those_of_the_file_on_every_shard() {
    let fleet = Fleet::new().init().start();
    let wanted = wanted(&fleet);
    assert_eq!(wanted.lines().count(), PASSWORDS.len());
    for at in 0..2 {
        assert_eq!(held(&fleet, at), wanted);
    }
}

/// A password changed on one shard by hand, and one rotated in the file: init brings all shards to the
/// file, and says which roles it touched.
#[test]
fn verifiers_are_brought_back_and_rotated() {
    let fleet = Fleet::new().init().start();
    let kept = wanted(&fleet);
    fleet.sql(0, "ALTER ROLE app PASSWORD 'set by hand'");
    let outcome = fleet.shardctl(["init", "--all"]).run().ok();
    assert_eq!(outcome.line("s0")["verifiers"], json!(["app"]), "{}", outcome.transcript());
    assert_eq!(outcome.line("s1")["changed"], false, "{}", outcome.transcript());
    assert_eq!(held(&fleet, 0), kept);

    let other = postgres_protocol::password::scram_sha_256(b"planted-Zx81-rotated");
    let file = fs::read_to_string(fleet.path().join("secrets/userlist.txt")).expect("the secrets file");
    let rotated = file.lines().map(|line| match line.strip_prefix("\"monitor\" ") {
        Some(_) => format!("\"monitor\" \"{other}\"\n"),
        None => format!("{line}\n"),
    });
    fleet.file("secrets/userlist.txt", rotated.collect::<String>());
    let outcome = fleet.shardctl(["init", "--all"]).run().ok();
    for (at, node) in ["s0", "s1"].into_iter().enumerate() {
        assert_eq!(outcome.line(node)["verifiers"], json!(["monitor"]), "{}", outcome.transcript());
        assert_eq!(held(&fleet, at), wanted(&fleet));
    }
    assert!(!outcome.transcript().contains("SCRAM-SHA-256"), "{}", outcome.transcript());
}

/// A file that isn't one stops the run before any server is asked, and its text isn't shown.
#[test]
fn a_bad_file_stops_the_run() {
    let fleet = Fleet::new().start();
    for line in ["app planted-Zx81-plain", "\"app\" \"planted-Zx81-plain\"", "\"app\" \"md5d41d8cd98f00b204e980\""] {
        fleet.file("secrets/userlist.txt", line);
        let outcome = fleet.shardctl(["init", "--all"]).run().code_is(2).no_lines().says("userlist.txt:1");
        assert!(!outcome.stderr.contains("planted") && !outcome.stderr.contains("md5d41"), "{}", outcome.transcript());
    }
    assert_eq!(fleet.sql(0, "SELECT to_regnamespace('flotilla') IS NULL"), "t");
}

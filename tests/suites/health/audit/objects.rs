//! Stores and backups, made weak one way after another.

use std::collections::BTreeSet;
use std::fs;

use flotilla_native::account::Account;
use flotilla_tests::{Fleet, ObjectStore};
use serde_json::Value;

use super::{audit, found, mode, of, set};

const ARGS: [&str; 2] = ["--component", "store"];

#[test]
fn each_weakness_of_a_bucket_is_found_by_its_rule() {
    let store = ObjectStore::start();
    store.administer(&["version", "enable"]);
    let mut fleet = Fleet::new().shards(1).init().start();
    fleet.file("archive.key", "planted-Zx81-archive-key-0123456789\n");
    fleet.topology = fleet.topology.clone().rest(&format!(
        "[archive]\nengine = \"embedded\"\nkey_file = \"archive.key\"\n{}",
        store.toml("fleet", "writer")
    ));
    fleet.write_topology();
    // A file of the log, as far as archiving looks at it.
    for file in ["global/pg_control", "PG_VERSION"] {
        let content = fs::read(fleet.primary(0).data().join(file)).unwrap();
        fleet.file(format!("data/{file}"), content);
    }
    fleet.file("data/pg_wal/00000002.history", "1\t0/3000000\tno recovery target specified\n");
    fleet.tool("walg-wrap", ["wal-push", "-t", "s0", "data/pg_wal/00000002.history"]).run().ok();
    let outcome = audit(&fleet, ARGS).run().ok();
    assert_eq!(found(&outcome), BTreeSet::new(), "{}", outcome.transcript());
    assert_eq!(of(&outcome, "store-public-read", "region1")["state"], "pass");
    assert_eq!(of(&outcome, "store-public-read", "region1")["target"], Value::Null, "a store is no target");

    store.administer(&["version", "suspend"]);
    assert_eq!(found(&audit(&fleet, ARGS).run().ok()), set(&["store-unversioned region1"]), "a warning");
    store.administer(&["version", "enable"]);
    store.administer(&["anonymous", "set", "download"]);
    let public = set(&["store-public-list region1", "store-public-read region1"]);
    assert_eq!(found(&audit(&fleet, ARGS).run().code_is(1)), public);
    store.administer(&["anonymous", "set", "none"]);
    mode(&store.credentials(), 0o644);
    assert_eq!(found(&audit(&fleet, ARGS).run().code_is(1)), set(&["store-credentials-open region1"]));
    mode(&store.credentials(), 0o600);
    assert_eq!(found(&audit(&fleet, ARGS).run().ok()), BTreeSet::new());

    // Of its backups there is none yet, and no second store; what is stored is ciphertext.
    let outcome = audit(&fleet, ["--component", "backup"]).run().code_is(1);
    let missing = ["key-escrow", "old", "one-store", "undrilled"].map(|rule| format!("backup-{rule} s0"));
    assert_eq!(found(&outcome), missing.into_iter().collect());
    assert_eq!(of(&outcome, "backup-plain", "s0")["state"], "pass");
}

#[test]
fn a_folder_that_others_read_and_backups_that_are_plain_are_found() {
    let mut fleet = Fleet::new().shards(1).init().start();
    crate::manners::here(&mut fleet);
    let folder = fleet.path().join("archive");
    mode(&folder, 0o700);
    assert_eq!(found(&audit(&fleet, ARGS).run().ok()), BTreeSet::new());
    mode(&folder, 0o755);
    assert_eq!(found(&audit(&fleet, ARGS).run().code_is(1)), set(&["store-folder-open here"]));
    let plain = |fleet: &Fleet| of(&audit(fleet, ["--component", "backup"]).run(), "backup-plain", "s0");
    assert_eq!(plain(&fleet)["observed"], "archive.encryption is none");
    // What was stored before is still plain when new objects aren't.
    let key = fleet.file("archive.key", "planted-Zx81-archive-key-0123456789\n").display().to_string();
    let text = fleet.topology.to_string();
    fleet.topology(text.replace("encryption = \"none\"", &format!("key_file = {key:?}")));
    let line = plain(&fleet);
    assert_eq!(line["state"], "fail");
    assert!(line["observed"].to_string().contains("WAL begins as LZ4 does"), "{line}");
}

#[test]
fn a_service_without_tls_and_with_the_key_that_everybody_knows_is_found() {
    let store = ObjectStore::careless();
    store.administer(&["version", "enable"]);
    let mut fleet = Fleet::new().shards(1).start();
    fleet.file("archive.key", "planted-Zx81-archive-key-0123456789\n");
    fleet.topology = fleet
        .topology
        .clone()
        .rest(&format!("[archive]\nkey_file = \"archive.key\"\n{}", store.toml("fleet", "writer")));
    fleet.write_topology();
    let outcome = audit(&fleet, ARGS).run().code_is(1);
    assert_eq!(of(&outcome, "store-plaintext", "region1")["state"], "fail", "{}", outcome.transcript());
    let said = of(&outcome, "store-default-key", "region1")["observed"].to_string();
    assert!(said.contains("minioadmin with the same password gets in"), "{said}");
    // There is nothing yet that a stranger could read.
    let expected = ["store-default-key", "store-plaintext", "store-public-read"].map(|rule| format!("{rule} region1"));
    assert_eq!(found(&outcome), expected.into_iter().collect());
    assert_eq!(of(&outcome, "store-public-read", "region1")["state"], "unknown");
}

#[test]
fn a_backup_that_nobody_has_read_is_found_until_somebody_reads_it() {
    let mut fleet = Fleet::new().shards(1).init().archiving().start();
    let key = fleet.operator("archive.key");
    fleet.archive(&format!("key_file = {key:?}\nkey_escrow = \"a safe\"\n"));
    fs::write(&key, "planted-Zx81-archive-key-0123456789\n").unwrap();
    Account::server().unwrap().own(&key).unwrap();
    mode(&key, 0o600);
    fleet.as_operator("walg-wrap", ["push", "-t", "s0"]).run().ok();
    // What was read is remembered where it was read.
    let look = || found(&fleet.as_operator("healthcheck", ["audit", "--component", "backup"]).run().ok());
    let left = set(&["backup-one-store s0", "backup-undrilled s0"]);
    assert_eq!(look(), &left | &set(&["backup-unverified s0"]), "warnings");
    fleet.as_operator("walg-wrap", ["verify", "-t", "s0"]).run().ok();
    assert_eq!(look(), left);
}

//! Stores and backups, made weak one way after another.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use flotilla_tests::{Fleet, ObjectStore};
use serde_json::Value;

use super::{audit, found, of, set};

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
    let mode = |mode| fs::set_permissions(store.credentials(), Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    assert_eq!(found(&audit(&fleet, ARGS).run().code_is(1)), set(&["store-credentials-open region1"]));
    mode(0o600);
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
    let mode = |mode| fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
    mode(0o700);
    assert_eq!(found(&audit(&fleet, ARGS).run().ok()), BTreeSet::new());
    mode(0o755);
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

//! Stores as the topology has them: wrong ones are refused before anything is touched.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use flotilla::config::{Compression, Config, Encryption, Engine};
use flotilla_tests::{Sandbox, Topology};

const KEY: &str = "[archive]\nkey_file = \"archive.key\"\n";

fn topology(rest: &str) -> String {
    Topology::default().shard("s0", "/nowhere/0", 5432).shard("s1", "/nowhere/1", 5432).rest(rest).to_string()
}

fn store(name: &str, url: &str) -> String {
    format!("[[archive.stores]]\nname = \"{name}\"\nurl = \"{url}\"\n")
}

fn refused(text: &str, says: &[&str]) {
    let mut sandbox = Sandbox::new();
    sandbox.topology(text);
    let outcome = sandbox.shardctl(["targets"]).run().code_is(2);
    for says in says {
        assert!(outcome.stderr.contains(says), "{says}: {}", outcome.transcript());
    }
    assert!(outcome.stderr.contains("hint: "), "{}", outcome.transcript());
}

/// The line that holds this.
fn line(text: &str, word: &str) -> String {
    format!("flotilla.toml:{}: ", 1 + text.lines().position(|line| line.contains(word)).unwrap())
}

#[test]
fn stores_are_read_with_their_defaults() {
    let text = topology(&format!(
        "{KEY}compression = \"zstd\"\n{}endpoint = \"https://127.0.0.1:9000\"\npath_style = true\nca_file = \"tls/ca.crt\"\n{}",
        store("region1", "s3://backups/shop"),
        store("region2", "file:///srv/archive")
    ));
    let config = Config::parse(&text, "/etc/flotilla/flotilla.toml".as_ref()).unwrap();
    let archive = &config.archive;
    assert_eq!((archive.engine, archive.compression, archive.parallelism), (Engine::Auto, Compression::Zstd, 4));
    assert_eq!(archive.encryption, Encryption::Libsodium);
    assert_eq!(archive.key_file.as_deref(), Some("/etc/flotilla/archive.key".as_ref()));
    let first = archive.store(None).unwrap();
    assert_eq!((first.name.as_str(), first.url.to_string().as_str()), ("region1", "s3://backups/shop"));
    assert_eq!(first.ca_file.as_deref(), Some("/etc/flotilla/tls/ca.crt".as_ref()));
    assert_eq!(archive.store(Some("region2")).unwrap().url.to_string(), "file:///srv/archive");
    assert!(archive.store(Some("region3")).is_err());
    assert_eq!(config.shards[1].archive_path(), "s1");
}

#[test]
fn a_store_that_can_not_be_is_refused_with_its_line() {
    for (url, says) in [
        ("gs://backups/shop", "\"gs\" is no scheme"),
        ("backups", "is no URL of a store"),
        ("s3://Backups/shop", "is no name of a bucket"),
        ("s3://backups/a/../b", "is no plain path"),
        ("s3://backups/x/wal_005", "WAL-G gives its own folders"),
        ("s3://backups/000000010000000000000001", "24 hexadecimal digits"),
        ("file://srv/archive", "names no folder"),
    ] {
        let text = topology(&format!("{KEY}{}", store("one", url)));
        refused(&text, &[&line(&text, "url = "), says]);
    }
    for (key, says) in [
        ("endpoint = \"minio:9000\"", "is no endpoint"),
        ("endpoint = \"https://user:secret@host/x\"", "is no endpoint"),
        ("regoin = \"x\"", "unknown field `regoin`"),
        ("path_style = \"yes\"", "invalid type"),
    ] {
        let text = topology(&format!("{KEY}{}{key}\n", store("one", "s3://backups/shop")));
        refused(&text, &[&line(&text, key), says]);
    }
    for (key, says) in [("engine = \"pgbackrest\"", "unknown variant"), ("compression = \"br\"", "unknown variant")] {
        let text = topology(&format!("{KEY}{key}\n"));
        refused(&text, &[&line(&text, key), says]);
    }
}

#[test]
fn archives_never_lie_in_one_another() {
    let shards = |first: &str, second: &str| {
        let text = topology(&format!("{KEY}{}", store("one", "s3://backups/shop")));
        let text = text.replacen("name = \"s0\"", &format!("name = \"s0\"\narchive_prefix = \"{first}\""), 1);
        text.replacen("name = \"s1\"", &format!("name = \"s1\"\narchive_prefix = \"{second}\""), 1)
    };
    refused(&shards("a", "a"), &["shard \"s0\" in store \"one\"", "shard \"s1\"", "are the same"]);
    refused(&shards("a", "a/b"), &["lie in one another"]);
    refused(&shards("a/b/c", "a"), &["lie in one another"]);
    refused(&shards("a", "../a"), &["is no plain path"]);
    refused(&shards("a", "s1/basebackups_005"), &["WAL-G gives its own folders"]);
    assert!(Config::parse(&shards("a", "ab"), "x".as_ref()).is_ok());
    assert!(Config::parse(&shards("a/b", "a/c"), "x".as_ref()).is_ok());
    let stores = |one: &str, other: &str| topology(&format!("{KEY}{}{}", store("one", one), store("two", other)));
    refused(&stores("s3://backups/shop", "s3://backups/shop"), &["are the same"]);
    refused(&stores("s3://backups/shop", "s3://backups/shop/s0"), &["lie in one another"]);
    refused(&stores("file:///srv/a", "file:///srv/a/s1/x/"), &["lie in one another"]);
    assert!(Config::parse(&stores("s3://backups/shop", "s3://backups/east"), "x".as_ref()).is_ok());
    assert!(Config::parse(&stores("s3://backups/shop", "s3://others/shop"), "x".as_ref()).is_ok());
    let twice = format!("{KEY}{}{}", store("one", "s3://backups/a"), store("one", "s3://backups/b"));
    refused(&topology(&twice), &["there are two stores \"one\""]);
}

#[test]
fn a_store_has_what_it_needs() {
    refused(&topology(&store("one", "s3://backups/shop")), &["archive.key_file is not set"]);
    refused(&topology(&format!("{KEY}parallelism = 0\n")), &["archive.parallelism is 0"]);
    let folder = format!("{KEY}{}region = \"x\"\n", store("one", "file:///srv/a"));
    refused(&topology(&folder), &["is a folder, with keys of S3"]);
    let limit = format!("{KEY}{}retry_seconds = 0\n", store("one", "file:///srv/a"));
    refused(&topology(&limit), &["a limit that can't be kept"]);
    let open = format!("[archive]\nencryption = \"none\"\n{}", store("one", "s3://backups/shop"));
    assert!(Config::parse(&topology(&open), "x".as_ref()).is_ok());
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let mut sandbox = Sandbox::new();
    let key = sandbox.file("archive.key", "correct horse battery staple\n");
    sandbox.topology(topology(&format!("{KEY}{}", store("one", "s3://backups/shop"))));
    let modes =
        [(0o600, true), (0o400, true), (0o640, true), (0o604, false), (0o644, false), (0o660, false), (0o666, false)];
    for (mode, fine) in modes {
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        let outcome = sandbox.shardctl(["targets"]).run();
        if fine {
            outcome.ok();
        } else {
            let outcome = outcome.code_is(2);
            assert!(outcome.stderr.contains("may be read by others"), "{mode:o}: {}", outcome.transcript());
        }
    }
    // Another file, by the environment.
    let other = sandbox.file("other.key", "x");
    let outcome = sandbox.shardctl(["targets"]).env("FLOTILLA_ARCHIVE_KEY_FILE", other.display().to_string()).run();
    outcome.ok();
}

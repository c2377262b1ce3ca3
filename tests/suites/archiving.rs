//! `archive_command` and `restore_command`: what a server archives is what another gets, and nothing
//! else ever is.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flotilla_archive::codec::Codec;
use flotilla_native::postgres::Shutdown;
use flotilla_tests::faulty::{Fault, Faulty, Rule};
use flotilla_tests::{Builder, Fleet, ObjectStore, Run};

use crate::backup::walg;

/// The lines of `[archive]`.
const SETTINGS: &str = "encryption = \"none\"\n";

fn builder() -> Builder {
    Fleet::new().shards(1).init().set("archive_mode", "on")
}

/// A fleet of one shard whose archive is a folder, written by hand.
fn archiving() -> Fleet {
    let mut fleet = builder().start();
    fleet.archive_by_hand(SETTINGS);
    fleet
}

fn folder(fleet: &Fleet) -> PathBuf {
    fleet.path().join("archive")
}

fn push(fleet: &Fleet, path: &Path) -> Run {
    fleet.tool("walg-wrap", ["wal-push".as_ref(), "-t".as_ref(), "s0".as_ref(), path.as_os_str()])
}

fn fetch(fleet: &Fleet, whom: &str, file: &str) -> Run {
    let into = fleet.path().join("fetched");
    fleet.tool("walg-wrap", ["wal-fetch", "-t", "s0", "--for", whom, file, into.to_str().unwrap()])
}

/// The name of a segment that is complete, and its path.
fn segment(fleet: &Fleet) -> (String, PathBuf) {
    // First, for right after a switch the current position still counts to the segment before.
    fleet.sql(0, "CREATE TABLE IF NOT EXISTS filler (n int); INSERT INTO filler SELECT generate_series(1, 1000)");
    let name = fleet.sql(0, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    fleet.sql(0, "SELECT pg_switch_wal()");
    let path = fleet.primary(0).data().join("pg_wal").join(&name);
    (name, path)
}

#[test]
fn a_server_archives_and_a_standby_follows_from_the_archive_alone() {
    let mut fleet = builder().start();
    fleet.archive(SETTINGS);
    fleet.sql(0, "CREATE TABLE seen (n int); INSERT INTO seen VALUES (1)");
    let name = fleet.sql(0, "SELECT pg_walfile_name(pg_current_wal_lsn())");
    fleet.archived(0);
    assert_eq!(fleet.sql(0, "SELECT failed_count FROM pg_stat_archiver"), "0");
    let object = folder(&fleet).join(format!("s0/wal_005/{name}.lz4"));
    assert!(object.exists(), "{}", object.display());
    let got = fetch(&fleet, "pitr", &name).run().ok();
    assert_eq!(got.line("s0")["compared"], true, "{}", got.transcript());
    let original = fs::read(fleet.primary(0).data().join("pg_wal").join(&name)).unwrap();
    assert!(original == fs::read(fleet.path().join("fetched")).unwrap());
}

#[test]
fn pushing_twice_changes_nothing_and_other_content_is_refused() {
    let fleet = archiving();
    let (name, path) = segment(&fleet);
    assert_eq!(push(&fleet, &path).run().ok().line("s0")["changed"], true);
    assert_eq!(push(&fleet, &path).run().ok().line("s0")["changed"], false);
    // Killed between the object and its sums: the next call makes up for it.
    let sums = folder(&fleet).join("s0/flotilla/sums/wal_005");
    let sum = fs::read_dir(&sums).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&sum).unwrap();
    push(&fleet, &path).run().ok();
    assert!(sum.exists());

    let copy = fleet.path().join("data/pg_wal").join(&name);
    for file in ["global/pg_control", "PG_VERSION"] {
        fleet.file(format!("data/{file}"), fs::read(fleet.primary(0).data().join(file)).unwrap());
    }
    let mut other = fs::read(&path).unwrap();
    let last = other.len() - 1;
    other[last] ^= 1;
    fleet.file(format!("data/pg_wal/{name}"), &other);
    push(&fleet, &copy).run().code_is(1).no_lines().says("the archive holds another").says("hint: ");
    other.truncate(1000);
    fleet.file(format!("data/pg_wal/{name}"), &other);
    push(&fleet, &copy).run().code_is(1).says("has 1000 bytes instead of 16777216");
    fleet.file(format!("data/pg_wal/{name}"), vec![0; 16 << 20]);
    push(&fleet, &copy).run().code_is(1).says("magic number");
    fs::write(fleet.path().join("stray"), b"x").unwrap();
    push(&fleet, &fleet.path().join("stray")).run().code_is(2).says("lies in no data folder");
    // The archive still holds what was archived first.
    fetch(&fleet, "pitr", &name).run().ok();
    assert!(fs::read(fleet.path().join("fetched")).unwrap() == fs::read(&path).unwrap());
}

#[test]
fn an_archive_belongs_to_the_cluster_that_wrote_first() {
    let mine = archiving();
    let (_, path) = segment(&mine);
    push(&mine, &path).run().ok();
    // The second shard's servers are of another template, so of another system.
    let theirs = Fleet::new().shards(2).start();
    let name = theirs.sql(1, "SELECT pg_walfile_name(pg_current_wal_lsn())");
    let foreign = theirs.primary(1).data().join("pg_wal").join(name);
    push(&mine, &foreign).run().code_is(1).no_lines().says("belongs to system");
}

#[test]
fn only_a_proven_absence_ends_recovery() {
    let fleet = archiving();
    let (name, path) = segment(&fleet);
    push(&fleet, &path).run().ok();
    let absent = "0000000100000000000000F0";
    for whom in ["pitr", "standby"] {
        fetch(&fleet, whom, absent).run().code_is(1);
        fetch(&fleet, whom, "00000009.history").run().code_is(1);
    }
    let object = folder(&fleet).join(format!("s0/wal_005/{name}.lz4"));
    let whole = fs::read(&object).unwrap();
    let into = fleet.path().join("fetched");
    let mut damaged: Vec<(&str, Vec<u8>)> = vec![("empty", Vec::new()), ("cut", whole[..whole.len() - 7].to_vec())];
    for at in [0, 5, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        damaged.push(("flipped", bytes));
    }
    for (what, bytes) in damaged {
        fs::write(&object, bytes).unwrap();
        let refused = fetch(&fleet, "pitr", &name).run();
        assert_eq!(refused.code(), Some(126), "{what}: {}", refused.transcript());
        fetch(&fleet, "standby", &name).run().code_is(1);
        assert!(!into.exists(), "{what}: nothing is there that could be taken for a segment");
    }
    fs::write(&object, &whole).unwrap();
    // Another segment under this name.
    let (other, other_path) = segment(&fleet);
    push(&fleet, &other_path).run().ok();
    fs::copy(folder(&fleet).join(format!("s0/wal_005/{other}.lz4")), &object).unwrap();
    fetch(&fleet, "pitr", &name).run().code_is(126);
    // What never came to ask the store: usage, configuration, a topology that is gone.
    fetch(&fleet, "pitr", "nonsense").run().code_is(126);
    fetch(&fleet, "standby", "nonsense").run().code_is(1);
    fetch(&fleet, "pitr", &name).env("FLOTILLA_CONFIG", "/nowhere.toml").run().code_is(126);
    fleet.tool("walg-wrap", ["wal-fetch", "--for=pitr", "--no-such-flag"]).run().code_is(126);
    fleet.tool("walg-wrap", ["wal-fetch", "--for", "whom", "a", "b"]).run().code_is(2);
}

#[test]
fn a_store_that_fails_is_no_end_of_the_archive() {
    let mut fleet = archiving();
    let service = ObjectStore::start();
    let proxy = Faulty::before(&service);
    let store = |url: &str, user: &str| {
        let direct = service.store("wal", user);
        let ca = direct.ca_file.as_ref().unwrap().display().to_string();
        let credentials = direct.credentials_file.as_ref().unwrap().display().to_string();
        format!(
            "[archive]\nencryption = \"none\"\n[[archive.stores]]\nname = \"s3\"\nurl = \"s3://archive/wal\"\nendpoint = {url:?}\n\
             region = \"here\"\npath_style = true\nca_file = {ca:?}\ncredentials_file = {credentials:?}\nprofile = {user:?}\n\
             stall_timeout_seconds = 1\nretry_seconds = 4\n"
        )
    };
    let direct = service.store("wal", "writer").endpoint.unwrap();
    let through = proxy.store(service.store("wal", "writer")).endpoint.unwrap();
    let base = fleet.topology.clone();
    let with = |rest: &str| {
        let mut topology = base.clone();
        rest.clone_into(&mut topology.rest);
        topology
    };
    fleet.topology = with(&store(&direct, "writer"));
    fleet.write_topology();
    let (name, path) = segment(&fleet);
    push(&fleet, &path).run().ok();

    fleet.topology = with(&store(&through, "writer"));
    fleet.write_topology();
    for fault in [
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Status(403, "AccessDenied"),
        Fault::Refuse,
    ] {
        proxy.clear();
        proxy.rule(Rule::new("", "", fault));
        let told = format!("{fault:?}");
        let failed = fetch(&fleet, "pitr", &name).run_within(Duration::from_mins(1));
        assert_eq!(failed.code(), Some(126), "{told}: {}", failed.transcript());
        fetch(&fleet, "standby", "0000000100000000000000F0").run().code_is(1);
        assert_eq!(push(&fleet, &path).run().code(), Some(1), "{told}");
    }
    proxy.clear();
    fetch(&fleet, "pitr", &name).run().ok();
    // Credentials that may get but not list are told 403 for whatever isn't there.
    fleet.topology = with(&store(&direct, "fetcher"));
    fleet.write_topology();
    fetch(&fleet, "pitr", "0000000100000000000000F0").run().code_is(126);
    fetch(&fleet, "pitr", &name).run().ok();
}

#[test]
fn what_is_encrypted_is_read_with_the_key_and_not_without() {
    let mut fleet = archiving();
    let key = fleet.file("archive.key", "planted-Zx81-key-of-32-characters");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let plain = fleet.topology.clone();
    let with = |text: &str| {
        let mut topology = plain.clone();
        topology.rest = plain.rest.replace("encryption = \"none\"", text);
        topology
    };
    fleet.topology = with(&format!("encryption = \"libsodium\"\nkey_file = {key:?}\ncompression = \"zstd\""));
    fleet.write_topology();
    let (name, path) = segment(&fleet);
    push(&fleet, &path).run().ok();
    let object = folder(&fleet).join(format!("s0/wal_005/{name}.zst"));
    assert!(fs::read(&object).unwrap()[..4] != [0x28, 0xB5, 0x2F, 0xFD], "it is encrypted");
    fetch(&fleet, "pitr", &name).run().ok();
    // Packed as another topology packs: a listing finds it.
    fleet.topology = with(&format!("encryption = \"libsodium\"\nkey_file = {key:?}"));
    fleet.write_topology();
    fetch(&fleet, "pitr", &name).run().ok();
    fs::write(&key, "planted-Zx81-another-key-of-this-length").unwrap();
    fetch(&fleet, "pitr", &name).run().code_is(126);
    fleet.topology = plain;
    fleet.write_topology();
    fetch(&fleet, "pitr", &name).run().code_is(126);
}

#[test]
fn a_killed_push_leaves_nothing_half_done() {
    let fleet = archiving();
    let (name, path) = segment(&fleet);
    let killed = push(&fleet, &path).env("FLOTILLA_FAILPOINT", "store.written").run();
    assert_eq!(killed.signal(), Some(9), "{}", killed.transcript());
    push(&fleet, &path).run().ok();
    assert_eq!(fetch(&fleet, "pitr", &name).run().ok().line("s0")["compared"], true);
}

#[test]
fn a_restart_goes_on_archiving() {
    let mut fleet = builder().start();
    fleet.archive(SETTINGS);
    let server = &mut fleet.shards[0].nodes[0].server;
    server.stop(Shutdown::Immediate).unwrap();
    server.launch().unwrap();
    fleet.sql(0, "CREATE TABLE after_the_crash (n int)");
    fleet.archived(0);
}

/// A topology that packs another way.
fn packed(fleet: &mut Fleet, compression: &str) {
    fleet.topology.rest =
        fleet.topology.rest.replace("compression = \"lz4\"", "").replace("compression = \"zstd\"", "");
    let with = format!("compression = \"{compression}\"\nencryption");
    fleet.topology.rest = fleet.topology.rest.replacen("encryption", &with, 1);
    fleet.write_topology();
}

#[test]
fn a_segment_in_two_packings_is_one_segment() {
    let mut fleet = archiving();
    let (name, path) = segment(&fleet);
    for compression in ["lz4", "zstd"] {
        packed(&mut fleet, compression);
        assert_eq!(push(&fleet, &path).run().ok().line("s0")["changed"], true);
    }
    let object = |extension: &str| folder(&fleet).join(format!("s0/wal_005/{name}.{extension}"));
    let (lz4, zst) = (object("lz4"), object("zst"));
    let original = fs::read(&path).unwrap();
    let fetched = |fleet: &Fleet| {
        let line = fetch(fleet, "pitr", &name).run().ok().line("s0");
        assert!(fs::read(fleet.path().join("fetched")).unwrap() == original);
        line["object"].as_str().unwrap().to_owned()
    };
    // The topology's own packing is read first, and another one where that is damaged.
    assert_eq!(packing(&fetched(&fleet)), "zst");
    packed(&mut fleet, "lz4");
    assert_eq!(packing(&fetched(&fleet)), "lz4");
    let whole = fs::read(&lz4).unwrap();
    fs::write(&lz4, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(packing(&fetched(&fleet)), "zst");
    let spare = fs::read(&zst).unwrap();
    fs::write(&zst, &spare[..spare.len() / 2]).unwrap();
    fetch(&fleet, "pitr", &name).run().code_is(126);
    fs::write(&lz4, &whole).unwrap();
    fs::write(&zst, &spare).unwrap();

    // The same content is news, another one a fault.
    let found = |outcome: &flotilla_tests::Outcome| {
        let lines = outcome.lines();
        let line = lines.iter().find(|line| line["object"].as_str().is_some_and(|key| packing(key) == "zst"));
        let line = line.unwrap_or_else(|| panic!("{}", outcome.transcript()));
        (line["rule"].as_str().unwrap().to_owned(), line["severity"].as_str().unwrap().to_owned())
    };
    let verify = || fleet.tool("walg-wrap", ["verify", "-t", "s0", "--recheck"]).run();
    assert_eq!(found(&verify()), ("leftover".to_owned(), "info".to_owned()));
    let mut other = original.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    let mut packer = Codec::Zstd.writer(Vec::new(), None).unwrap();
    packer.write_all(&other).unwrap();
    fs::write(&zst, packer.finish().unwrap()).unwrap();
    let sums = folder(&fleet).join("s0/flotilla/sums/wal_005");
    for entry in fs::read_dir(sums).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().ends_with(".zst.json") {
            fs::remove_file(path).unwrap();
        }
    }
    let state = fleet.path().join("another-state");
    let differs = fleet.tool("walg-wrap", ["verify", "-t", "s0"]).env("XDG_STATE_HOME", state).run().code_is(1);
    assert_eq!(found(&differs), ("unfitting".to_owned(), "error".to_owned()));
}

/// How an object is packed, by its name.
fn packing(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(_, packing)| packing)
}

/// Encrypts with a key in this form.
fn keyed(fleet: &mut Fleet, plain: &str, transform: &str, text: &str) {
    let key = fleet.file("archive.key", text);
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let lines =
        format!("encryption = \"libsodium\"\nkey_file = \"{}\"\nkey_transform = \"{transform}\"", key.display());
    fleet.topology.rest = plain.replace("encryption = \"none\"", &lines);
    fleet.write_topology();
}

#[test]
fn a_key_may_be_in_hexadecimal_digits_or_base64() {
    let mut fleet = archiving();
    let hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let base64 = "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8=";
    let plain = fleet.topology.rest.clone();
    keyed(&mut fleet, &plain, "hex", hex);
    let (name, path) = segment(&fleet);
    push(&fleet, &path).run().ok();
    fetch(&fleet, "pitr", &name).run().ok();
    keyed(&mut fleet, &plain, "base64", base64);
    fetch(&fleet, "pitr", &name).run().ok();
    // WAL-G reads it with the same key, and writes what is read here.
    if walg::program().is_some() {
        let into = fleet.path().join("by-wal-g");
        // Without a data folder of its own it would remember by name, for the whole machine, what it has pushed.
        let data = fleet.path().join("of-wal-g");
        fs::create_dir_all(data.join("pg_wal")).unwrap();
        let walg = |args: &[&str]| {
            let run = Run::new(walg::program().unwrap()).args(args).env("HOME", fleet.path());
            run.env("PGDATA", &data)
                .env("WALG_FILE_PREFIX", folder(&fleet).join("s0"))
                .env("WALG_LIBSODIUM_KEY", hex)
                .env("WALG_LIBSODIUM_KEY_TRANSFORM", "hex")
                .run()
        };
        walg(&["wal-fetch", &name, into.to_str().unwrap()]).ok();
        assert!(fs::read(&into).unwrap() == fs::read(&path).unwrap());
        let (other, other_path) = segment(&fleet);
        walg(&["wal-push", other_path.to_str().unwrap()]).ok();
        fetch(&fleet, "pitr", &other).run().ok();
        assert!(fs::read(fleet.path().join("fetched")).unwrap() == fs::read(&other_path).unwrap());
    }
    keyed(&mut fleet, &plain, "none", hex);
    fetch(&fleet, "pitr", &name).run().code_is(126);
    keyed(&mut fleet, &plain, "hex", base64);
    fetch(&fleet, "pitr", &name).run().code_is(126);
}

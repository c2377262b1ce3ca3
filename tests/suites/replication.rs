//! The replication protocol, as a backup uses it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use flotilla::pg::replication::{BaseBackupOptions, Event};
use flotilla::pg::{Conninfo, Endpoint};
use flotilla_native::account::Account;
use flotilla_native::postgres::program;
use flotilla_tests::{Fleet, PASSWORDS};

fn endpoint(fleet: &Fleet, role: &str) -> Endpoint {
    let (_, password) = PASSWORDS.iter().find(|(name, _)| *name == role).unwrap();
    let place = fleet.primary(0).conninfo(&fleet.topology.dbname);
    let conninfo = Conninfo::parse(&format!("{place} user={role} password={password}")).unwrap();
    Endpoint::from_conninfo(conninfo).unwrap()
}

fn options() -> BaseBackupOptions {
    let label = "it's a \\ label".to_owned();
    BaseBackupOptions { label, fast_checkpoint: true, verify_checksums: true, max_rate_kib: None, manifest: true }
}

#[tokio::test]
async fn a_base_backup_is_what_pg_verifybackup_accepts() {
    let fleet = Fleet::new().shards(1).init().start();
    let space = fleet.primary(0).folder().join("space");
    fs::create_dir(&space).unwrap();
    Account::server().unwrap().own(&space).unwrap();
    fleet.sql(0, &format!("CREATE TABLESPACE space LOCATION '{}'", space.display()));
    fleet.sql(0, "CREATE TABLE kept TABLESPACE space AS SELECT generate_series(1, 50000) AS n");

    let mut session = endpoint(&fleet, "backup").connect_replication().await.unwrap();
    let identity = session.identify().await.unwrap();
    assert_eq!(identity.system_identifier, fleet.sql(0, "SELECT system_identifier FROM pg_control_system()"));
    assert_eq!(identity.timeline, 1);
    assert_eq!(session.rows("SELECT 1, NULL UNION ALL SELECT 2, 'b'").await.unwrap().len(), 2);

    let mut backup = session.base_backup(&options()).await.unwrap();
    assert_eq!(backup.start.timeline, 1);
    let places: Vec<_> = backup.tablespaces.iter().map(|t| t.location.clone()).collect();
    assert_eq!(places, [Some(space.display().to_string()), None]);
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let (mut current, mut progress) = (String::new(), 0);
    while let Some(event) = backup.next().await.unwrap() {
        match event {
            Event::Archive { name, .. } => current = name,
            Event::Manifest => current = "backup_manifest".to_owned(),
            Event::Data(bytes) => files.entry(current.clone()).or_default().extend_from_slice(&bytes),
            Event::Progress(bytes) => progress = bytes,
        }
    }
    assert_eq!(backup.end().unwrap().timeline, 1);
    assert!(progress > 1 << 20, "{progress}");
    // The session is good for more.
    assert_eq!(session.identify().await.unwrap().system_identifier, identity.system_identifier);

    let folder = fleet.path().join("taken");
    let spaces = folder.join("pg_tblspc");
    fs::create_dir_all(&spaces).unwrap();
    let archives: Vec<&String> = files.keys().filter(|name| *name != "backup_manifest").collect();
    assert_eq!(archives.len(), 2, "{archives:?}");
    for name in archives {
        let archive = fleet.file(name, &files[name]);
        let into = match name.strip_suffix(".tar").unwrap() {
            "base" => folder.clone(),
            oid => spaces.join(oid),
        };
        fs::create_dir_all(&into).unwrap();
        let unpacked = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(into).status().unwrap();
        assert!(unpacked.success());
    }
    fs::write(folder.join("backup_manifest"), &files["backup_manifest"]).unwrap();
    let verified = Command::new(program("pg_verifybackup")).arg("--no-parse-wal").arg(&folder).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let label = fs::read_to_string(folder.join("backup_label")).unwrap();
    assert!(label.contains("LABEL: it's a \\ label"), "{label}");
}

#[tokio::test]
async fn what_the_server_refuses_is_told_in_its_words() {
    let fleet = Fleet::new().shards(1).init().start();
    let refused = endpoint(&fleet, "app").connect_replication().await.err().unwrap();
    assert!(refused.message().contains("must be superuser or replication role"), "{}", refused.message());

    let mut session = endpoint(&fleet, "backup").connect_replication().await.unwrap();
    let failed = session.rows("BASE_BACKUP (COMPRESSION 'rot13')").await.err().unwrap();
    assert!(failed.message().contains("rot13"), "{}", failed.message());
    // A damaged page is found by the server.
    fleet.sql(0, "CREATE TABLE damaged AS SELECT generate_series(1, 50000) AS n");
    fleet.sql(0, "CHECKPOINT");
    let file = fleet.primary(0).data().join(fleet.sql(0, "SELECT pg_relation_filepath('damaged')"));
    let mut bytes = fs::read(&file).unwrap();
    bytes[5 * 8192 + 4000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let mut backup = session.base_backup(&options()).await.unwrap();
    let error = loop {
        match backup.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a damaged page went unnoticed"),
            Err(error) => break error,
        }
    };
    assert!(error.message().contains("checksum"), "{}", error.message());
    assert_eq!(session.identify().await.unwrap().timeline, 1);
}

//! Passwords: which one is found, and what is refused.

use super::case::{Case, Ours, all};
use super::servers::{PASS, Servers, alice, at};

#[test]
fn passwords_are_found_as_psql_finds_them() {
    let servers = Servers::start();
    let main = servers.main.port();
    all(
        &servers,
        &[
            Case::new("password file", alice(main)).pgpass(PASS),
            Case::new("password file, first match wins", alice(main)).pgpass(format!("{PASS}*:*:*:*:wrong\n")),
            Case::new("password file, wrong line first", alice(main))
                .pgpass(format!("*:*:*:*:wrong\n{PASS}"))
                .fails("auth_failed"),
            Case::new("password file, host not address", alice(main))
                .pgpass(format!("127.0.0.1:{main}:app:alice:sesame"))
                .fails("auth_failed"),
            Case::new("password file, by host", alice(main)).pgpass(format!("db.test:{main}:app:alice:sesame\r\n")),
            Case::new("password file, by address", format!("hostaddr=127.0.0.1 port={main} user=alice dbname=app"))
                .pgpass(format!("127.0.0.1:{main}:app:alice:sesame")),
            Case::new("password file, escapes", format!("{} user='we:ird\\\\'", at(main)))
                .pgpass("*:*:*:we\\:ird\\\\:p\\:a\\\\s\n"),
            Case::new("password file, others may read it", alice(main)).file(".pgpass", PASS, 0o644).fails("config"),
            Case::new("password file, others may read it but it isn't needed", format!("{} user=trusted", at(main)))
                .file(".pgpass", PASS, 0o644),
            Case::new("password file, empty password", alice(main)).pgpass("*:*:*:alice:\n").fails("auth_failed"),
            Case::new("no password", alice(main)).fails("auth_failed"),
            Case::new("wrong password", alice(main)).pgpass("*:*:*:*:wrong").fails("auth_failed"),
            Case::new("PGPASSWORD", alice(main)).env("PGPASSWORD", "sesame").pgpass("*:*:*:*:wrong"),
            Case::new("PGPASSFILE", alice(main)).env("PGPASSFILE", servers.file("passfile")),
            Case::new("passfile option", format!("{} passfile={}", alice(main), servers.file("passfile")))
                .env("PGPASSFILE", "/nonexistent"),
            Case::new("md5 password", format!("{} user=old", at(main))).pgpass("*:*:*:old:s3cret"),
            Case::new("password in a URI", format!("postgresql://alice:sesame@127.0.0.1:{main}/app"))
                .ours(Ours::Stricter("usage")),
            Case::new("password in pairs", format!("{} password=sesame", alice(main))).ours(Ours::Stricter("usage")),
        ],
    );
}

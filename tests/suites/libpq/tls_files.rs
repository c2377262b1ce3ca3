//! Roots, certificates and keys in files.

use std::fs;

use super::case::{Case, Ours, all};
use super::servers::{PASS, Servers, alice, at};

#[test]
fn certificates_are_found_as_psql_finds_them() {
    let servers = Servers::start();
    let main = servers.main.port();
    let full = format!("sslmode=verify-full sslrootcert={}", servers.file("ca.crt"));
    let client = format!("sslcert={} sslkey={}", servers.file("client.crt"), servers.file("client.key"));
    let text = |name: &str| fs::read_to_string(servers.file(name)).unwrap();
    all(
        &servers,
        &[
            Case::new("root in the home", format!("{} sslmode=verify-full", alice(main))).pgpass(PASS).file(
                ".postgresql/root.crt",
                text("ca.crt"),
                0o644,
            ),
            Case::new("root in the home is checked by require", format!("{} sslmode=require", alice(main)))
                .pgpass(PASS)
                .file(".postgresql/root.crt", text("other.crt"), 0o644)
                .fails("tls"),
            Case::new(
                "a named root that isn't there",
                format!("{} sslmode=require sslrootcert=/nonexistent", alice(main)),
            )
            .pgpass(PASS)
            .ours(Ours::Stricter("config")),
            Case::new("client certificate", format!("{} user=certy {full} {client}", at(main))),
            Case::new("client certificate missing", format!("{} user=certy {full}", at(main))).fails("auth_failed"),
            Case::new("client certificate in the home", format!("{} user=certy {full}", at(main)))
                .file(".postgresql/postgresql.crt", text("client.crt"), 0o644)
                .file(".postgresql/postgresql.key", text("client.key"), 0o600),
            Case::new("client key that others may read", format!("{} user=certy {full}", at(main)))
                .file(".postgresql/postgresql.crt", text("client.crt"), 0o644)
                .file(".postgresql/postgresql.key", text("client.key"), 0o644)
                .fails("config"),
        ],
    );
}

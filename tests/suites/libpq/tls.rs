//! TLS: when it is used, what is verified, how logins are bound to it.

use flotilla_native::account::Account;

use super::case::{Case, all};
use super::servers::{PASS, Servers, alice, at};

#[test]
fn tls_is_used_and_verified_as_psql_does() {
    let servers = Servers::start();
    let main = servers.main.port();
    let (plain, expired, own) = (servers.plain.port(), servers.expired.port(), servers.own.port());
    let (root, other_root, own_root) = (servers.file("ca.crt"), servers.file("other.crt"), servers.file("own.crt"));
    let full = format!("sslmode=verify-full sslrootcert={root}");
    let socket = servers.socket();
    all(
        &servers,
        &[
            Case::new("prefer takes TLS", alice(main)).pgpass(PASS),
            Case::new("prefer without TLS", alice(plain)).pgpass(PASS),
            Case::new("disable", format!("{} sslmode=disable", alice(main))).pgpass(PASS),
            Case::new("disable where TLS is required", format!("{} user=tlsonly sslmode=disable", at(main)))
                .fails("auth_failed"),
            Case::new("allow goes plain", format!("{} sslmode=allow", alice(main))).pgpass(PASS),
            Case::new("allow goes TLS when refused", format!("{} user=tlsonly sslmode=allow", at(main)))
                .pgpass("*:*:*:tlsonly:sesame"),
            Case::new("prefer goes plain when refused", format!("{} user=plainonly sslmode=prefer", at(main)))
                .pgpass("*:*:*:plainonly:sesame"),
            Case::new("require where plain is required", format!("{} user=plainonly sslmode=require", at(main)))
                .fails("auth_failed"),
            Case::new("require", format!("{} sslmode=require", alice(main))).pgpass(PASS),
            Case::new("require without TLS", format!("{} sslmode=require", alice(plain))).pgpass(PASS).fails("tls"),
            Case::new("PGSSLMODE", alice(plain)).env("PGSSLMODE", "require").pgpass(PASS).fails("tls"),
            Case::new(
                "require with a root checks the authority",
                format!("{} sslmode=require sslrootcert={other_root}", alice(main)),
            )
            .pgpass(PASS)
            .fails("tls"),
            Case::new(
                "require with the right root",
                format!("{} sslmode=require sslrootcert={root} ", alice(main)).replace("db.test", "other.test"),
            )
            .pgpass(PASS),
            Case::new(
                "prefer with a wrong root goes plain",
                format!("{} sslmode=prefer sslrootcert={other_root}", alice(main)),
            )
            .pgpass(PASS),
            Case::new(
                "verify-ca",
                format!("{} sslmode=verify-ca sslrootcert={root}", alice(main)).replace("db.test", "other.test"),
            )
            .pgpass(PASS),
            Case::new(
                "verify-ca with a wrong root",
                format!("{} sslmode=verify-ca sslrootcert={other_root}", alice(main)),
            )
            .pgpass(PASS)
            .fails("tls"),
            Case::new("verify-ca without a root", format!("{} sslmode=verify-ca", alice(main)))
                .pgpass(PASS)
                .fails("config"),
            Case::new("verify-full", format!("{} {full}", alice(main))).pgpass(PASS),
            Case::new("verify-full by environment", alice(main))
                .env("PGSSLMODE", "verify-full")
                .env("PGSSLROOTCERT", &root)
                .pgpass(PASS),
            Case::new(
                "verify-full with a wrong name",
                format!("{} {full}", alice(main)).replace("db.test", "other.test"),
            )
            .pgpass(PASS)
            .fails("tls"),
            Case::new("verify-full by address", format!("host=127.0.0.1 port={main} user=alice dbname=app {full}"))
                .pgpass(PASS),
            Case::new(
                "verify-full by an address that isn't named",
                format!("host=127.0.0.2 port={main} user=alice dbname=app {full}"),
            )
            .pgpass(PASS)
            .fails("tls"),
            Case::new(
                "verify-full without a name",
                format!("hostaddr=127.0.0.1 port={main} user=alice dbname=app {full}"),
            )
            .pgpass(PASS)
            .fails("config"),
            Case::new("verify-full over a socket", format!("host={socket} port={main} user=trusted dbname=app {full}")),
            Case::new(
                "require over a socket",
                format!("host={socket} port={main} user=trusted dbname=app sslmode=require"),
            ),
            Case::new("expired certificate, verified", format!("{} {full}", alice(expired))).pgpass(PASS).fails("tls"),
            Case::new("expired certificate, not verified", format!("{} sslmode=require", alice(expired))).pgpass(PASS),
            Case::new(
                "self-signed certificate as its own root",
                format!("{} sslmode=verify-full sslrootcert={own_root}", alice(own)),
            )
            .pgpass(PASS),
            Case::new(
                "self-signed certificate, wrong name",
                format!("{} sslmode=verify-full sslrootcert={own_root}", alice(own)).replace("db.test", "other.test"),
            )
            .pgpass(PASS)
            .fails("tls"),
        ],
    );
}

/// Protocol versions, channel binding, and who must be at the other end of a socket.
#[test]
fn logins_are_bound_to_their_connection_as_psql_binds_them() {
    let servers = Servers::start();
    let main = servers.main.port();
    let full = format!("sslmode=verify-full sslrootcert={}", servers.file("ca.crt"));
    let socket = servers.socket();
    let peer = Account::server().expect("the servers' account").name;
    all(
        &servers,
        &[
            Case::new("TLS 1.3 at least", format!("{} {full} ssl_min_protocol_version=TLSv1.3", alice(main)))
                .pgpass(PASS),
            Case::new("TLS 1.2 at most", format!("{} {full} ssl_max_protocol_version=TLSv1.2", alice(main)))
                .pgpass(PASS),
            Case::new("channel binding required", format!("{} {full} channel_binding=require", alice(main)))
                .pgpass(PASS),
            Case::new(
                "channel binding required, no TLS",
                format!("{} sslmode=disable channel_binding=require", alice(main)),
            )
            .pgpass(PASS)
            .fails("auth_failed"),
            Case::new(
                "channel binding required, trust",
                format!("{} user=trusted {full} channel_binding=require", at(main)),
            )
            .fails("auth_failed"),
            Case::new("channel binding required, md5", format!("{} user=old {full} channel_binding=require", at(main)))
                .pgpass("*:*:*:old:s3cret")
                .fails("auth_failed"),
            Case::new("channel binding disabled", format!("{} {full} channel_binding=disable", alice(main)))
                .pgpass(PASS),
            Case::new("requirepeer", format!("host={socket} port={main} user=trusted dbname=app requirepeer={peer}")),
            Case::new(
                "requirepeer, another",
                format!("host={socket} port={main} user=trusted dbname=app requirepeer=nobody"),
            )
            .fails("auth_failed"),
        ],
    );
}

//! Connection strings, environment, services.

use super::case::{Case, all};
use super::servers::{PASS, Servers, alice, at};

#[test]
fn strings_and_services_are_read_as_psql_reads_them() {
    let servers = Servers::start();
    let main = servers.main.port();
    let (dead, socket) = (servers.dead, servers.socket());
    all(
        &servers,
        &[
            Case::new(
                "URI",
                format!("postgresql://alice@127.0.0.1:{main}/app?application_name=a%20b&options=-c%20work_mem%3D5MB"),
            )
            .pgpass(PASS),
            Case::new(
                "URI with socket",
                format!("postgresql://{}:{main}/app?user=trusted", socket.replace('/', "%2F")),
            ),
            Case::new("environment alone", "")
                .env("PGHOST", "127.0.0.1")
                .env("PGPORT", main.to_string())
                .env("PGUSER", "alice")
                .env("PGDATABASE", "app")
                .env("PGAPPNAME", "env")
                .env("PGOPTIONS", "-c work_mem=7MB")
                .pgpass(PASS),
            Case::new("PGHOSTADDR", alice(main).replace("hostaddr=127.0.0.1 ", ""))
                .env("PGHOSTADDR", "127.0.0.1")
                .pgpass(PASS),
            Case::new("a string beats the environment", alice(main))
                .env("PGPORT", dead.to_string())
                .env("PGUSER", "nobody")
                .pgpass(PASS),
            Case::new("database defaults to user", format!("host=127.0.0.1 port={main} user=trusted")),
            Case::new("a bare word is a database", "app")
                .env("PGHOST", &socket)
                .env("PGPORT", main.to_string())
                .env("PGUSER", "trusted"),
            Case::new("service", "service=s0").pgpass(PASS).file(
                ".pg_service.conf",
                format!("# c\n[s0]\n{}\n[s1]\nhost=no\n", alice(main).replace(' ', "\n")),
                0o644,
            ),
            Case::new("service, string wins, then service, then environment", "service=s0 user=alice")
                .pgpass(PASS)
                .env("PGUSER", "x")
                .env("PGPORT", "1")
                .file(
                    ".pg_service.conf",
                    format!("[s0]\nhost=127.0.0.1\nport={main}\nuser=trusted\ndbname=app\napplication_name=svc"),
                    0o644,
                ),
            Case::new("PGSERVICE and PGSERVICEFILE", "dbname=app")
                .env("PGSERVICE", "s0")
                .env("PGSERVICEFILE", servers.file("services")),
            Case::new("PGSYSCONFDIR", "service=sys").env("PGSYSCONFDIR", servers.file("sysconf")),
            Case::new("user's service before the system's", "service=sys")
                .env("PGSYSCONFDIR", servers.file("sysconf"))
                .env("PGSERVICEFILE", servers.file("services")),
            Case::new("service with a password", "service=pw").env("PGSERVICEFILE", servers.file("services")),
            Case::new("no such service", "service=nope").env("PGSERVICEFILE", servers.file("services")).fails("config"),
            Case::new("no such service file", "service=s0").env("PGSERVICEFILE", "/nonexistent").fails("config"),
            Case::new("broken service", "service=broken")
                .env("PGSERVICEFILE", servers.file("services"))
                .fails("config"),
            Case::new("nested service", "service=nested")
                .env("PGSERVICEFILE", servers.file("services"))
                .fails("config"),
            Case::new("service from LDAP", "service=ldap")
                .env("PGSERVICEFILE", servers.file("services"))
                .fails("config"),
            Case::new("unknown option", "hots=x").fails("config"),
            Case::new("unterminated quote", "user='x").fails("config"),
            Case::new("bad port", "host=127.0.0.1 port=65536").fails("config"),
            Case::new("ports and hosts that don't match", "host=a,b port=1,2,3").fails("config"),
            Case::new("addresses and hosts that don't match", "host=a,b hostaddr=127.0.0.1").fails("config"),
            Case::new("bad target_session_attrs", "target_session_attrs=x").fails("config"),
            Case::new("bad sslmode", "sslmode=Require").fails("config"),
            Case::new("bad connect_timeout", "connect_timeout=1s").fails("config"),
            Case::new("GSS encryption required", format!("{} gssencmode=require", alice(main)))
                .pgpass(PASS)
                .fails("config"),
            Case::new("no such database", format!("host=127.0.0.1 port={main} user=trusted dbname=nope"))
                .fails("not_found"),
            Case::new("no such user", format!("{} user=nobody", at(main))).pgpass("*:*:*:*:x").fails("auth_failed"),
        ],
    );
}

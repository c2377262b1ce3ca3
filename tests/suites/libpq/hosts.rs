//! Several hosts: which one is taken.

use super::case::{Case, Ours, all};
use super::servers::{PASS, Servers, alice};

#[test]
fn hosts_are_chosen_as_psql_chooses() {
    let servers = Servers::start();
    let main = servers.main.port();
    let (standby, plain) = (servers.standby.port(), servers.plain.port());
    let Servers { dead, mute, .. } = servers;
    let socket = servers.socket();
    all(
        &servers,
        &[
        Case::new("nothing there", format!("host=127.0.0.1 port={dead} user=alice dbname=app")).fails("unreachable"),
        Case::new("the next host", format!("host=127.0.0.1,127.0.0.1 port={dead},{main} user=alice dbname=app")).pgpass(PASS),
        Case::new("an empty host is the socket directory", format!("host=127.0.0.1,{socket} port={dead},{main} user=trusted dbname=app")),
        Case::new("a name that doesn't resolve", format!("host=nowhere.invalid,127.0.0.1 port={main} user=alice dbname=app")).pgpass(PASS),
        Case::new("a wrong password ends the search", format!("host=127.0.0.1,127.0.0.1 port={plain},{main} user=alice dbname=app"))
            .pgpass(format!("*:{plain}:*:*:wrong\n{PASS}")).fails("auth_failed"),
        Case::new("failed TLS ends the search", format!("host=127.0.0.1,127.0.0.1 port={plain},{main} user=alice dbname=app sslmode=require")).pgpass(PASS).fails("tls"),
        Case::new("a host that says nothing", format!("host=127.0.0.1,127.0.0.1 port={mute},{main} user=alice dbname=app connect_timeout=2")).pgpass(PASS),
        Case::new("a host that says nothing, alone", format!("host=127.0.0.1 port={mute} user=alice dbname=app connect_timeout=1")).fails("timeout"),
        Case::new("primary behind a standby", format!("host=127.0.0.1,127.0.0.1 port={standby},{main} user=alice dbname=app target_session_attrs=primary")).pgpass(PASS),
        Case::new("read-write behind a standby", format!("host=127.0.0.1,127.0.0.1 port={standby},{main} user=alice dbname=app target_session_attrs=read-write")).pgpass(PASS),
        Case::new("read-write where reading is the default", format!("{} target_session_attrs=read-write options='-c default_transaction_read_only=on'", alice(main))).pgpass(PASS).fails("wrong_role"),
        Case::new("read-only", format!("host=127.0.0.1,127.0.0.1 port={main},{standby} user=alice dbname=app target_session_attrs=read-only")).pgpass(PASS),
        Case::new("standby", format!("host=127.0.0.1,127.0.0.1 port={main},{standby} user=alice dbname=app")).env("PGTARGETSESSIONATTRS", "standby").pgpass(PASS),
        Case::new("standby, but there is none", format!("{} target_session_attrs=standby", alice(main))).pgpass(PASS).fails("wrong_role"),
        Case::new("primary, but there is none", format!("host=127.0.0.1 port={standby} user=alice dbname=app target_session_attrs=primary")).pgpass(PASS).fails("wrong_role"),
        Case::new("primary, which may be the dead one", format!("host=127.0.0.1,127.0.0.1 port={dead},{standby} user=alice dbname=app target_session_attrs=primary")).pgpass(PASS).fails("unreachable"),
        Case::new("prefer-standby finds one", format!("host=127.0.0.1,127.0.0.1 port={main},{standby} user=alice dbname=app target_session_attrs=prefer-standby")).pgpass(PASS),
        Case::new("prefer-standby takes any", format!("host=127.0.0.1,127.0.0.1 port={dead},{main} user=alice dbname=app target_session_attrs=prefer-standby")).pgpass(PASS),
        Case::new("a host that hangs up", format!("host=127.0.0.1,127.0.0.1 port={},{main} user=alice dbname=app sslmode=disable", servers.curt)).pgpass(PASS).ours(Ours::FurtherThanPsql),
        ],
    );
}

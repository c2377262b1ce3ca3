//! Sessions, rows and locks on a real server: directly, and through PgBouncer in transaction mode.
#![expect(clippy::unwrap_used, reason = "what a helper can't do fails the test that called it")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flotilla::Code;
use flotilla::pg::advisory::{Held, Key};
use flotilla::pg::{Endpoint, Host, Query, Role};
use flotilla_native::postgres::{Options, Server, Template};
use futures_util::StreamExt as _;

/// A server with a PgBouncer before it; both on Unix sockets.
struct Place {
    server: Server,
    pooler: Pooler,
}

/// A PgBouncer that ends with the test.
struct Pooler {
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // SIGTERM is PgBouncer's immediate shutdown; there is nothing to do if it is gone already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

impl Place {
    fn start() -> Self {
        flotilla::tls::install();
        let template = Template::cached(&flotilla_native::places::cache().unwrap(), 0).unwrap();
        let server = Server::start(&template, Options::default()).unwrap();
        server.sql(SETUP).unwrap();
        let pooler = Pooler::start(&template, server.socket_folder(), server.port());
        Self { server, pooler }
    }

    fn direct(&self) -> Endpoint {
        endpoint(self.server.socket_folder(), self.server.port())
    }

    fn pooled(&self) -> Endpoint {
        endpoint(self.pooler.folder.path(), 6432)
    }

    fn ways(&self) -> [(&'static str, Endpoint); 2] {
        [("direct", self.direct()), ("pooled", self.pooled())]
    }
}

fn endpoint(folder: &Path, port: u16) -> Endpoint {
    Endpoint::new(vec![Host::new(folder.display().to_string(), None, port)], "postgres", "postgres")
}

impl Pooler {
    fn start(template: &Template, server: &Path, port: u16) -> Self {
        let folder = tempfile::Builder::new().prefix("pooler-").tempdir().unwrap();
        let config = folder.path().join("pgbouncer.ini");
        let place = folder.path().display();
        fs::write(
            &config,
            format!(
                "[databases]\n* = host={} port={port}\n[pgbouncer]\nunix_socket_dir = {place}\nlisten_port = 6432\n\
                 pool_mode = transaction\nauth_type = any\ndefault_pool_size = 3\nquery_wait_timeout = 2\nlogfile = {place}/log\n",
                server.display()
            )
            .replace("* = host", "* = user=postgres host"),
        )
        .unwrap();
        template.account().own(folder.path()).unwrap();
        let mut command = Command::new("/usr/sbin/pgbouncer");
        command.arg("-q").arg(&config).stdin(Stdio::null()).stderr(Stdio::null()).current_dir("/");
        let child = template.account().run(&mut command).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !folder.path().join(".s.PGSQL.6432").exists() {
            assert!(Instant::now() < deadline, "PgBouncer didn't start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, folder }
    }
}

const SETUP: &str = "\
CREATE TYPE mood AS ENUM ('sad', 'it''s ok');
CREATE DOMAIN small AS int CHECK (value < 100);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE t (id int PRIMARY KEY, x text);
INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 5) n;
";

/// An expression and the JSON that it becomes.
const VALUES: &[(&str, &str)] = &[
    ("NULL::int", "null"),
    ("true", "true"),
    ("(-32768)::int2", "-32768"),
    ("2147483647", "2147483647"),
    ("9223372036854775807", "\"9223372036854775807\""),
    ("0.1::numeric(20,10)", "\"0.1000000000\""),
    ("'NaN'::numeric", "\"NaN\""),
    ("'Infinity'::numeric", "\"Infinity\""),
    ("0.1::float4", "0.1"),
    ("0.30000000000000004::float8", "0.30000000000000004"),
    ("'-0'::float8", "-0"),
    ("1e300::float8", "1e+300"),
    ("'NaN'::float8", "\"NaN\""),
    ("'-Infinity'::float4", "\"-Infinity\""),
    ("4294967295::oid", "4294967295"),
    ("'2024-02-29 12:34:56.789+02'::timestamptz", "\"2024-02-29T10:34:56.789000Z\""),
    ("'infinity'::timestamptz", "\"infinity\""),
    ("'0044-03-15 00:00 UTC BC'::timestamptz", "\"0044-03-15 00:00:00+00 BC\""),
    ("'2024-02-29 12:34:56.789'::timestamp", "\"2024-02-29 12:34:56.789\""),
    ("'2024-02-29'::date", "\"2024-02-29\""),
    ("'1 year 2 mons 3 days 04:05:06.7'::interval", "\"1 year 2 mons 3 days 04:05:06.7\""),
    (
        r#"E'{\n "n": 12345678901234567890.10, "n": [1,  "a b"]}'::json"#,
        r#"{"n":12345678901234567890.10,"n":[1,"a b"]}"#,
    ),
    (r#"'{"b": 1e400, "a": null}'::jsonb::text::json -> 'a'"#, "null"),
    (r"'\x00ff'::bytea", r#""\\x00ff""#),
    ("'{{1,2},{3,NULL}}'::int[]", "[[1,2],[3,null]]"),
    ("'[0:1]={1,2}'::int[]", "\"[0:1]={1,2}\""),
    ("ARRAY[9223372036854775807, NULL]", "[\"9223372036854775807\",null]"),
    (r#"ARRAY['a,b', 'NULL', '', '"', E'\\']"#, r#"["a,b","NULL","","\"","\\"]"#),
    ("ARRAY['{\"a\": 1}'::jsonb]", "[{\"a\":1}]"),
    ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""),
    ("'x'::char(3)", "\"x  \""),
    ("'it''s ok'::mood", "\"it's ok\""),
    ("ARRAY['sad', NULL, 'it''s ok']::mood[]", "[\"sad\",null,\"it's ok\"]"),
    ("7::small", "7"),
    ("ARRAY[7]::small[]", "[7]"),
    ("ROW(1, 'a b')::pair", "\"(1,\\\"a b\\\")\""),
    ("ARRAY[ROW(1, 'x')::pair]", "[\"(1,x)\"]"),
    ("int4range(1, 5)", "\"[1,5)\""),
    ("'10.0.0.0/8'::inet", "\"10.0.0.0/8\""),
    ("'a & b'::tsquery", "\"'a' & 'b'\""),
    ("point(1, 2)", "\"(1,2)\""),
    ("'{(1,1),(0,0);(2,2),(0,0)}'::box[]", "[\"(1,1),(0,0)\",\"(2,2),(0,0)\"]"),
    ("pg_lsn '0/16B3748'", "\"0/16B3748\""),
    ("E'\\u20ac \\u0001 \\t\"'", "\"€ \\u0001 \\t\\\"\""),
];

#[tokio::test]
async fn values_become_json_without_loss() {
    let place = Place::start();
    for (way, endpoint) in place.ways() {
        let mut session = endpoint.connect_rows().await.unwrap();
        for (expression, expected) in VALUES {
            let sql = format!("SELECT {expression} AS v, 1 AS v");
            let mut rows = session.run(&Query::new(&sql)).await.unwrap_or_else(|e| panic!("{way}: {sql}: {e:?}"));
            let row = rows.next().await.unwrap().unwrap();
            assert_eq!(serde_json::to_string(&row).unwrap(), format!("{{\"v\":{expected},\"v_2\":1}}"), "{way}: {sql}");
            assert!(rows.next().await.unwrap().is_none());
            assert_eq!(rows.tag(), Some("SELECT 1"));
        }
        session.close().await;
    }
}

#[tokio::test]
async fn a_session_in_another_style_gives_the_same_values() {
    let place = Place::start();
    place.server.sql("ALTER DATABASE postgres SET DateStyle = 'German'; ALTER DATABASE postgres SET TimeZone = 'Asia/Kathmandu'; ALTER DATABASE postgres SET bytea_output = 'escape'").unwrap();
    for (way, endpoint) in place.ways() {
        let mut session = endpoint.connect_rows().await.unwrap();
        let sql = r"SELECT '2024-02-29 12:00+00'::timestamptz AS at, '2024-02-29'::date AS day, '\x5c00ff'::bytea AS b";
        let mut rows = session.run(&Query::new(sql)).await.unwrap();
        let row = rows.next().await.unwrap().unwrap();
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"at":"2024-02-29T12:00:00.000000Z","day":"2024-02-29","b":"\\x5c00ff"}"#,
            "{way}"
        );
    }
}

#[tokio::test]
async fn parameters_are_inferred_and_statements_are_single() {
    let place = Place::start();
    for (way, endpoint) in place.ways() {
        let mut session = endpoint.connect_rows().await.unwrap();
        let params = [Some("41".to_owned()), None, Some("'; DROP TABLE t; --".to_owned())];
        let query = Query::new("SELECT $1 + 1 AS n, $2::jsonb AS j, length($3) AS l").params(&params);
        let row = session.run(&query).await.unwrap().next().await.unwrap().unwrap();
        assert_eq!(serde_json::to_string(&row).unwrap(), r#"{"n":42,"j":null,"l":19}"#, "{way}");

        let fails = [
            (Query::new("SELECT 1; SELECT 2"), Code::QueryFailed, "42601"),
            (Query::new("SELECT $1").read_only(true), Code::QueryFailed, "08P01"),
            (Query::new("INSERT INTO t VALUES (10, 'x')").read_only(true), Code::WrongRole, "25006"),
            (Query::new("SELECT 1/(id - 3) FROM t ORDER BY id"), Code::QueryFailed, "22012"),
            (Query::new("SELECT pg_sleep(9)").setting("statement_timeout", "50"), Code::Timeout, "57014"),
        ];
        for (query, code, sqlstate) in fails {
            let error = match session.run(&query).await {
                Err(e) => e,
                Ok(mut rows) => loop {
                    match rows.next().await {
                        Ok(Some(_)) => {}
                        Ok(None) => panic!("{way}: {query:?} succeeded"),
                        Err(e) => break e,
                    }
                },
            };
            assert_eq!((error.code(), error.state()), (code, Some(sqlstate)), "{way}: {query:?}: {error:?}");
        }
        // After every failure the session is as good as new, and no transaction is left open.
        let mut rows =
            session.run(&Query::new("INSERT INTO t VALUES (11, $1) RETURNING id").params(&params[2..])).await.unwrap();
        assert_eq!(rows.next().await.unwrap().unwrap().get("id"), Some("11"));
        assert!(rows.next().await.unwrap().is_none());
        assert_eq!((rows.tag(), rows.affected()), (Some("INSERT 0 1"), Some(1)));
        let mut rows = session.run(&Query::new("DELETE FROM t WHERE id = 11")).await.unwrap();
        assert!(rows.columns().is_empty() && rows.next().await.unwrap().is_none());
        assert_eq!(rows.affected(), Some(1));
        // What can't run in a transaction block, and what copies.
        assert!(session.run(&Query::new("VACUUM t")).await.unwrap().next().await.unwrap().is_none());
        for sql in ["COPY t FROM STDIN", "COPY t TO STDOUT"] {
            let error = session.run(&Query::new(sql)).await.unwrap().next().await.unwrap_err();
            assert_eq!(error.code(), Code::Unsupported, "{way}: {sql}");
        }
        assert_eq!(session.run(&Query::new("")).await.unwrap().next().await.unwrap().map(|_| ()), None);
        let row = session.run(&Query::new("SELECT count(*) AS n FROM t")).await.unwrap().next().await.unwrap().unwrap();
        assert_eq!(row.get("n"), Some("5"));
        session.close().await;
    }
}

#[tokio::test]
async fn rows_stream_in_little_memory_whatever_their_types() {
    let place = Place::start();
    let before = resident();
    for (way, endpoint) in place.ways() {
        let session = endpoint.connect_rows().await.unwrap();
        // An array of an enum is looked up in the catalog while the rows wait.
        let sql = "SELECT n, ARRAY['sad']::mood[] AS m, repeat('x', 200) AS x FROM generate_series(1, 500000) n";
        let mut rows = session.into_stream(&Query::new(sql)).await.unwrap();
        let mut count = 0;
        while let Some(row) = rows.next().await {
            count += 1;
            if count == 1 {
                let row = row.unwrap();
                assert_eq!(row.json(1), "[\"sad\"]");
                // The reader is slow: the server must wait rather than the rows pile up.
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
        assert_eq!(count, 500_000, "{way}");
        let grown = resident().saturating_sub(before);
        assert!(grown < 32 << 20, "{way}: resident memory grew by {grown} bytes");

        // A statement whose rows nobody wants any more doesn't spoil the next.
        let mut session = endpoint.connect_rows().await.unwrap();
        session.run(&Query::new("SELECT generate_series(1, 100000)")).await.unwrap().next().await.unwrap();
        let row = session.run(&Query::new("SELECT 1 AS one")).await.unwrap().next().await.unwrap().unwrap();
        assert_eq!(row.get("one"), Some("1"), "{way}");
    }
}

fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn what_runs_can_be_cancelled() {
    let place = Place::start();
    for (way, endpoint) in place.ways() {
        let session = endpoint.connect().await.unwrap();
        let canceller = session.canceller();
        let cancel = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            canceller.cancel().await.unwrap();
        };
        let (slept, ()) = tokio::join!(session.simple("SELECT pg_sleep(30)"), cancel);
        let error = slept.unwrap_err();
        let log = fs::read_to_string(place.pooler.folder.path().join("log")).unwrap();
        assert_eq!(error.code(), Code::Cancelled, "{way}: {error:?}\n{log}");
        assert_eq!(session.role().await.unwrap(), Role::Primary, "{way}");

        let mut session = endpoint.connect_rows().await.unwrap();
        let canceller = session.canceller();
        let cancel = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            canceller.cancel().await.unwrap();
        };
        let query = Query::new("SELECT pg_sleep(30)").read_only(true);
        let sleep = async { session.run(&query).await.unwrap().next().await.map(drop) };
        let (slept, ()) = tokio::join!(sleep, cancel);
        let error = slept.unwrap_err();
        let log = fs::read_to_string(place.pooler.folder.path().join("log")).unwrap();
        assert_eq!(error.code(), Code::Cancelled, "{way}: {error:?}\n{log}");
    }
}

#[tokio::test]
async fn a_pooler_that_cannot_serve_sends_its_callers_to_the_next() {
    let place = Place::start();
    let template = Template::cached(&flotilla_native::places::cache().unwrap(), 0).unwrap();
    // Its server's socket is in a folder where there is none.
    let stuck = Pooler::start(&template, Path::new("/nonexistent"), 5432);
    let host = |folder: &Path| Host::new(folder.display().to_string(), None, 6432);
    let hosts = |hosts: Vec<Host>| Endpoint::new(hosts, "postgres", "postgres");
    let alone = hosts(vec![host(stuck.folder.path())]).connect().await.map(|_| ()).unwrap_err();
    assert_eq!((alone.code(), alone.is_retryable()), (Code::Unreachable, true), "{alone:?}");
    let both = hosts(vec![host(stuck.folder.path()), host(place.pooler.folder.path())]);
    assert_eq!(both.connect().await.unwrap().value("SELECT 1").await.unwrap().as_deref(), Some("1"));
    let refused = place.pooled().setting("work_mem", "1MB").connect().await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::Unsupported, "{refused:?}");
}

#[tokio::test]
async fn a_session_knows_its_server() {
    let place = Place::start();
    let session = place.direct().application_name("suite").setting("work_mem", "5MB").connect().await.unwrap();
    assert_eq!(session.major_version(), 15);
    assert!(!session.is_tls());
    assert_eq!(
        session.system_identifier().await.unwrap(),
        session.value("SELECT system_identifier FROM pg_control_system()").await.unwrap()
    );
    assert_eq!(session.value("SHOW work_mem").await.unwrap().as_deref(), Some("5MB"));
    session.simple("CREATE ROLE nobody; REVOKE EXECUTE ON FUNCTION pg_control_system FROM public").await.unwrap();
    session.simple("SET ROLE nobody").await.unwrap();
    assert_eq!(session.system_identifier().await.unwrap(), None);
    session.simple("RESET ROLE").await.unwrap();
    session.lock_timeout(Duration::from_millis(50)).await.unwrap();
    let other = place.direct().connect().await.unwrap();
    other.simple("BEGIN; LOCK TABLE t").await.unwrap();
    let error = session.simple("SELECT * FROM t").await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (Code::LockTimeout, true));
    session.close().await;
}

#[tokio::test]
async fn a_lock_is_held_by_one_and_its_loss_is_noticed() {
    let place = Place::start();
    let connect = async || place.direct().application_name("holder").connect().await.unwrap();
    for key in [Key::Name("it's \\ a lock".to_owned()), Key::Number(-5), Key::Pair(-1, 7)] {
        let held = Held::take(connect().await, key.clone(), Duration::ZERO).await.unwrap();
        for wait in [Duration::ZERO, Duration::from_millis(100)] {
            let Err(error) = Held::take(connect().await, key.clone(), wait).await else {
                panic!("{key} was given twice")
            };
            assert_eq!(error.code(), Code::LockHeld);
            assert!(error.record().hint.is_some_and(|hint| hint.contains("holder")), "{key}");
        }
        // Whoever waits gets it when it is given back, without a limit left on the session.
        let (second, first) = tokio::join!(Held::take(connect().await, key.clone(), Duration::from_secs(10)), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            held.release().await.unwrap()
        });
        let second = second.unwrap();
        assert_eq!(second.value("SHOW lock_timeout").await.unwrap().as_deref(), Some("0"));
        let pid = second.value("SELECT pg_backend_pid()").await.unwrap().unwrap();
        second.check().unwrap();
        first.simple(&format!("SELECT pg_terminate_backend({pid})")).await.unwrap();
        let error = tokio::time::timeout(Duration::from_secs(5), second.lost()).await.unwrap();
        assert_eq!(error.code(), Code::Unreachable);
        assert!(second.check().is_err());
    }
}

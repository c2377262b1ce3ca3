//! What is said when it goes wrong, and how a query is cancelled.

use std::time::Duration;

use flotilla::Code;
use flotilla::pg::Endpoint;

use super::servers::Servers;

/// What a person reads when it goes wrong.
#[tokio::test]
async fn errors_say_what_to_do() {
    let servers = Servers::start();
    let failure = async |dsn: String| {
        let dsn = format!("user=alice dbname=app passfile={} {dsn}", servers.file("passfile"));
        let error = Endpoint::from_argument(&dsn).unwrap().connect().await.map(|_| ()).unwrap_err().record();
        (error.message, error.hint.unwrap_or_default(), error.causes)
    };
    let full = format!("hostaddr=127.0.0.1 sslmode=verify-full sslrootcert={}", servers.file("ca.crt"));
    let (main, dead) = (servers.main.port(), servers.dead);

    let (message, ..) = failure(format!("host=other.test port={main} {full}")).await;
    assert_eq!(
        message,
        format!(
            "connection to server at \"other.test\" (127.0.0.1), port {main} failed: certificate of \"other.test\" is for \"db.test\", \"127.0.0.1\", not for that name"
        )
    );
    let (message, hint, _) = failure(format!("host=db.test port={} {full}", servers.expired.port())).await;
    assert!(message.ends_with("certificate of \"db.test\" expired at 2021-01-01T00:00:00Z"), "{message}");
    assert!(hint.starts_with("Renew"), "{hint}");
    let (message, hint, _) = failure(format!("host=127.0.0.1 port={main} passfile=/dev/null")).await;
    assert!(message.ends_with("failed: no password supplied"), "{message}");
    assert!(hint.contains(&format!("\"127.0.0.1:{main}:app:alice:PASSWORD\"")), "{hint}");
    let (message, _, causes) = failure(format!(
        "host=127.0.0.1,127.0.0.1 port={dead},{} target_session_attrs=primary",
        servers.standby.port()
    ))
    .await;
    assert_eq!(message, "none of 2 servers could be used");
    assert_eq!(
        causes,
        [
            format!("connection to server at \"127.0.0.1\", port {dead} failed: connection refused"),
            format!(
                "connection to server at \"127.0.0.1\", port {} failed: server is in hot standby mode",
                servers.standby.port()
            ),
        ]
    );
}

/// A cancel request is encrypted and verified like the session that it is for.
#[tokio::test]
async fn cancels_go_the_way_of_the_session() {
    let servers = Servers::start();
    let dsn = format!(
        "host=db.test hostaddr=127.0.0.1 port={} user=alice dbname=app sslmode=verify-full sslrootcert={} passfile={}",
        servers.main.port(),
        servers.file("ca.crt"),
        servers.file("passfile")
    );
    let session = Endpoint::from_argument(&dsn).unwrap().connect().await.unwrap();
    assert!(session.is_tls());
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        session.cancel().await.unwrap();
    };
    let (slept, ()) = tokio::join!(session.simple("SELECT pg_sleep(30)"), cancel);
    assert_eq!(slept.unwrap_err().code(), Code::Cancelled);
}

//! The proof that what must be audited is: a statement that pgaudit logs, and its line.
//!
//! The statement is one of pgaudit's class ROLE, which a role may always run about itself; it is rolled back,
//! so nothing of it stays but the line in the log. The server is asked for that line where it keeps its log
//! itself, and else the file is read that the topology names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flotilla::config::Node;
use flotilla::pg::{Role, Session};
use flotilla::{Code, Error};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::time::Instant;
use uuid::Uuid;

use crate::component::{Asking, is_ours};

/// How much of a log's end is looked at, in bytes.
const TAIL: u64 = 4 << 20;
/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether a statement that must be audited is. Nobody can tell on a standby.
pub(super) async fn leave(asking: &Asking, session: &Session, node: &Node) -> flotilla::Result<bool, Error> {
    if session.role().await? == Role::Standby {
        return Err(Error::new(Code::Unsupported, "a standby runs no statement that is audited for everybody"));
    }
    let place = place(session, node).await?;
    let token = Uuid::new_v4();
    session
        .simple(&format!(
            "BEGIN READ WRITE; ALTER ROLE CURRENT_USER SET application_name = 'healthcheck audit {token}'; ROLLBACK"
        ))
        .await?;
    // Between the server and the file may be somebody who writes it.
    let until = asking.until - asking.limit / 2;
    loop {
        let found = match &place {
            Place::Server => {
                session.value(&format!("SELECT flotilla_posture.is_audited('{token}')")).await?.as_deref() == Some("t")
            }
            Place::File(path) => is_in(path, &token.to_string()).await?,
        };
        if found || Instant::now() + PAUSE >= until {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Where the log can be read.
enum Place {
    /// By the server.
    Server,
    /// Here.
    File(PathBuf),
}

async fn place(session: &Session, node: &Node) -> flotilla::Result<Place> {
    let how = "Let the server keep its log (logging_collector), or name the file as `log` of the node in the topology.";
    let by_server = session.value("SELECT flotilla_posture.keeps_log()").await;
    if matches!(by_server.as_ref().map(Option::as_deref), Ok(Some("t"))) {
        return Ok(Place::Server);
    }
    let Some(path) = &node.log else {
        return Err(match by_server {
            Ok(_) => Error::new(Code::Unsupported, "the server doesn't keep its log itself").hint(how),
            Err(error) => Error::new(Code::Unsupported, "nobody here may read the server's log")
                .source(error)
                .hint("shardctl init lets the role look by 106_posture.sql; or name the file as `log` of the node."),
        });
    };
    if !is_ours(&node.host, node.hostaddr).await {
        return Err(Error::new(Code::Unsupported, "its log is on another machine").hint("Audit it there."));
    }
    Ok(Place::File(path.clone()))
}

/// Whether the end of a file has a line of pgaudit's with this word.
async fn is_in(path: &Path, token: &str) -> flotilla::Result<bool> {
    let failed = |e| {
        Error::new(Code::Io, format!("could not read the log {}", path.display()))
            .source(e)
            .hint("Audit as somebody who may read it.")
    };
    let mut file = File::open(path).await.map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    file.seek(std::io::SeekFrom::Start(length.saturating_sub(TAIL))).await.map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(TAIL * 2).read_to_end(&mut bytes).await.map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().any(|line| line.contains("AUDIT: ") && line.contains(token)))
}

//! A login. A session that is open proves nothing of the next one: a postmaster that hangs, and a server that has
//! no room, let sessions go on and let nobody in.

use flotilla::config::Node;
use flotilla::pg::Session;
use flotilla::{Code, Error, Result};

use super::super::Asking;
use crate::check::{Check, Health};

/// Logs in beside a session that is open: in less time than the probe has, so that its end is told with what the
/// session says.
pub(super) async fn enter_beside(asking: &Asking, node: &Node) -> Result<Session> {
    tokio::time::timeout(asking.statement_limit(), asking.log_in(node)).await.unwrap_or_else(|_| {
        let limit = humantime::format_duration(asking.statement_limit());
        Err(Error::new(Code::Timeout, format!("no answer within {limit}")))
    })
}

/// Somebody could log in, now or a moment ago.
pub(super) fn went_well() -> Check {
    Check::holds("login", true, Health::Fail, "")
}

/// Nobody can, while the session that is open goes on.
pub(super) fn failed(error: &Error) -> Check {
    let said = error.message();
    let (health, message, hint) = match error.code() {
        Code::AuthFailed => (
            Health::Unknown,
            format!("the login is let in no more: {said}"),
            "Put the password of users.monitor into the password file, or let the role in by pg_hba.conf.",
        ),
        Code::Timeout => (
            Health::Fail,
            format!("sessions go on and new logins hang ({said}): the postmaster doesn't answer"),
            "Look at the postmaster, the server's first process: it may be stopped, or starved of CPU. A restart ends the sessions that still go on.",
        ),
        _ => (
            Health::Fail,
            format!("sessions go on and a new login failed: {said}"),
            "Look at the server's log: the postmaster may be gone, or there is no room for another session.",
        ),
    };
    Check::holds("login", false, health, message).hint(hint)
}

//! What PgBouncer says for itself. It reports nearly everything as a protocol violation (08P01), so
//! its words have to do; they are never translated.

use crate::error::Code;

/// The SQLSTATE of PgBouncer's own errors.
pub(super) const SQLSTATE: &str = "08P01";

/// What PgBouncer's words mean: a part of the message, the code, and what to do next.
const SAYINGS: &[(&str, Code, Option<&str>)] = &[
    ("authentication failed", Code::AuthFailed, None),
    ("no such user", Code::AuthFailed, Some("Add the user to the pooler's auth_file, or check its auth_query.")),
    ("no such database", Code::NotFound, Some("Add the database to the pooler's [databases], or name another one.")),
    (
        "unsupported startup parameter",
        Code::Unsupported,
        Some("PgBouncer takes no such option; set it inside the transaction, or connect to the server itself."),
    ),
    ("no more connections allowed", Code::Unreachable, Some("Raise max_client_conn, or use the other pooler as well.")),
    (
        "query_wait_timeout",
        Code::Unreachable,
        Some("No server connection became free: the server is down, or the pool is too small; see SHOW POOLS."),
    ),
    (
        "server login has been failing",
        Code::Unreachable,
        Some("Look at the pooler's log for why the server refuses it."),
    ),
    ("server_login_retry", Code::Unreachable, Some("Look at the pooler's log for why the server refuses it.")),
    ("cannot connect to server", Code::Unreachable, None),
    ("server conn crashed", Code::Unreachable, None),
    ("server closed the connection", Code::Unreachable, None),
    ("is disabled", Code::Unreachable, Some("Run ENABLE on the pooler's console.")),
    ("shutting down", Code::Unreachable, None),
    ("client_login_timeout", Code::Timeout, None),
    ("query_timeout", Code::Timeout, None),
    ("idle_transaction_timeout", Code::Timeout, None),
];

/// What these words mean; `None` where they are not PgBouncer's, such as a server's own complaint
/// about the protocol.
pub(super) fn meaning(message: &str) -> Option<(Code, Option<&'static str>)> {
    SAYINGS.iter().find(|(words, ..)| message.contains(words)).map(|(_, code, hint)| (*code, *hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_version_1_18_are_known() {
        for (message, code) in [
            ("SASL authentication failed", Code::AuthFailed),
            ("no such database: nope", Code::NotFound),
            ("unsupported startup parameter: options", Code::Unsupported),
            ("query_wait_timeout", Code::Unreachable),
            ("no more connections allowed (max_client_conn)", Code::Unreachable),
        ] {
            assert_eq!(meaning(message).map(|(code, _)| code), Some(code), "{message}");
        }
        assert!(meaning("bind message supplies 0 parameters, but prepared statement \"\" requires 1").is_none());
    }
}

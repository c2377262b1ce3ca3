//! Holding clients back while a pooler reads its file again.
//!
//! `RELOAD` gives live pools other servers and another mode at once: clients that wait then may be told that logins
//! fail, and for a while some work on the old server and some on the new one. Over TLS it replaces every server
//! connection, changed or not. Clients that are held back meanwhile notice nothing but a short wait.

use std::time::Duration;

use clap::ValueEnum;
use flotilla::config::Pooler;
use flotilla::pause::Paused;
use flotilla::{Code, Context, Error, Result};

use crate::pgbouncer::compare::Differs;
use crate::pgbouncer::console::{Console, Row, Running};

/// When clients are held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pause {
    /// Those of pools whose servers are replaced, led elsewhere or used otherwise.
    #[default]
    Auto,
    /// All of them.
    Always,
    /// None.
    Never,
}

/// The columns of a database that `RELOAD` changes under its clients.
const LIVE: &[&str] = &["host", "port", "database", "force_user", "pool_mode"];

/// The databases to hold, as `POOLER/DATABASE`. What a run that was cut off has left paused is among them, to be let
/// go; what is paused otherwise is somebody else's.
pub(super) fn databases(
    pause: Pause,
    pooler: &Pooler,
    wanted: &[Differs],
    running: &Running,
    resumed: bool,
) -> Result<Vec<String>> {
    let mut held = Vec::new();
    for (name, row) in &running.databases {
        let is_held = match pause {
            Pause::Always => true,
            Pause::Auto => is_live(name, row, wanted, running),
            Pause::Never => false,
        };
        let is_paused = row.number("paused") == Some(1);
        if is_held && is_paused && !resumed {
            return Err(Error::refused(format!("\"{name}\" is paused already; nothing was touched"))
                .hint("Wait for whoever paused it, such as a switchover, or say RESUME at the console."));
        }
        if is_held || (resumed && is_paused) {
            held.push(format!("{}/{name}", pooler.name));
        }
    }
    Ok(held)
}

/// Whether clients of a database would notice.
fn is_live(name: &str, row: &Row, wanted: &[Differs], running: &Running) -> bool {
    let own = format!("databases.{name}");
    let is_its = |differs: &Differs| match differs.key.strip_prefix(own.as_str()) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|column| LIVE.contains(&column)),
        None => !differs.restart && differs.key == "pool_mode",
    };
    let by_tls = running.config.get("server_tls_sslmode").is_some_and(|mode| mode.value != "disable")
        || wanted.iter().any(|differs| differs.key.starts_with("server_tls_"));
    // A socket has no TLS.
    let by_network = row.get("host").is_some_and(|host| !host.is_empty() && !host.starts_with('/'));
    (by_tls && by_network) || wanted.iter().any(is_its)
}

/// Why they could not be held.
pub(super) struct NotHeld {
    pub(super) error: Error,
    /// Whether some may be held nevertheless, and nobody is there to let them go.
    pub(super) left_paused: bool,
}

/// Holds them; an error when transactions are still under way after that time, and then nobody is held.
pub(super) async fn hold(
    cx: &Context,
    console: &Console,
    databases: &[String],
    user: Option<&str>,
    limit: Duration,
) -> Result<Paused, NotHeld> {
    let prepared = cx.unless_ended(Paused::prepare(cx, databases, user)).await;
    let mut paused = prepared.map_err(|error| NotHeld { error, left_paused: false })?;
    let held = cx.unless_ended(paused.hold(limit)).await.and_then(|held| cx.stop().check().map(|()| held));
    let error = match held {
        Ok(true) => return Ok(paused),
        Ok(false) => Error::new(
            Code::LockTimeout,
            format!(
                "the pooler could not be paused within {limit:?}: {}; nothing was touched",
                busy(console, databases).await
            ),
        )
        .hint("Wait for what is under way, give --pause-limit more time, or --pause never to reload without a pause."),
        Err(error) => error,
    };
    // Before anybody is told that it failed.
    match paused.release(cx).await {
        Ok(_) => Err(NotHeld { error, left_paused: false }),
        Err(why) => Err(NotHeld {
            error: error
                .hint("Some may be left paused: run it again, which lets them go, or say RESUME at the console.")
                .source(why),
            left_paused: true,
        }),
    }
}

/// What is under way, for people.
async fn busy(console: &Console, databases: &[String]) -> String {
    let pools = console.show("POOLS").await.unwrap_or_default();
    let at_work = pools.iter().filter_map(|row| {
        let name = row.get("database")?;
        let is_held = databases.iter().any(|held| held.split_once('/').is_some_and(|(_, of)| of == name));
        let count = row.number("sv_active").filter(|count| *count > 0 && is_held)?;
        Some(format!("{count} at work for {} in \"{name}\"", row.text("user")))
    });
    let all = at_work.collect::<Vec<_>>().join(", ");
    if all.is_empty() { "transactions were under way".to_owned() } else { all }
}

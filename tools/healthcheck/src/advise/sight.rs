//! The nodes of a shard, and sessions on them that can't write.

use std::time::Duration;

use flotilla::config::{Config, Node, Shard};
use flotilla::pg::{Endpoint, Session};
use flotilla::{Code, Context, Error, Result, reach};
use futures_util::future::join_all;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::advice::Found;

/// How long one statement may take, and wait for a lock.
const LIMIT: Duration = Duration::from_secs(30);
const LOCK_LIMIT: Duration = Duration::from_secs(1);

/// Since when something has been counted.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Counted {
    /// UTC.
    pub(super) since: String,
    /// How long that is.
    pub(super) seconds: f64,
}

/// One node that answered.
pub(super) struct Seat {
    pub(super) node: Node,
    pub(super) is_primary: bool,
    /// Since when its statistics have been counted.
    pub(super) counted: Counted,
    session: Session,
}

/// The nodes of a shard that answered.
pub(super) struct Sight {
    pub(super) seats: Vec<Seat>,
    /// Those that didn't.
    pub(super) silent: Vec<String>,
    primary: usize,
}

/// A crash resets everything; each of the shared statistics can also be reset by hand, which only makes it look
/// later. A database's own are null until somebody resets them or those of one of its tables.
const COUNTED: &str = "\
SELECT pg_is_in_recovery() AS standby, \
 to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS since, \
 extract(epoch FROM clock_timestamp() - since) AS seconds \
FROM (SELECT greatest(least(b.stats_reset, a.stats_reset, w.stats_reset), d.stats_reset) AS since \
 FROM pg_stat_bgwriter AS b, pg_stat_archiver AS a, pg_stat_wal AS w, pg_stat_database AS d \
 WHERE d.datname = current_database()) AS counted";

impl Sight {
    /// Looks at every node. A replica that doesn't answer is named; without the primary nothing can be said.
    pub(super) async fn open(cx: &Context, config: &Config, shard: &Shard, found: &mut Found) -> Result<Self> {
        let opened = join_all(shard.nodes.iter().map(|node| Seat::open(cx, config, node))).await;
        let (mut seats, mut silent, mut first) = (Vec::new(), Vec::new(), None);
        for (node, opened) in shard.nodes.iter().zip(opened) {
            match opened {
                Ok(seat) => seats.push(seat),
                Err(error) if matches!(error.code(), Code::Cancelled | Code::Config) => return Err(error),
                Err(error) => {
                    found.unseen("node", Some(&node.name), error.message(), None);
                    silent.push(node.name.clone());
                    first.get_or_insert(error);
                }
            }
        }
        match seats.iter().position(|seat| seat.is_primary) {
            Some(primary) => Ok(Self { seats, silent, primary }),
            None => Err(first.unwrap_or_else(|| {
                Error::new(Code::WrongRole, format!("no node of shard \"{}\" takes writes", shard.name))
                    .hint("Look at `healthcheck probe --component shard`; advice needs the primary's statistics.")
            })),
        }
    }

    /// The primary.
    pub(super) fn primary(&self) -> &Seat {
        &self.seats[self.primary]
    }

    /// Ends the sessions.
    pub(super) async fn close(self) {
        join_all(self.seats.into_iter().map(|seat| seat.session.close())).await;
    }
}

impl Seat {
    async fn open(cx: &Context, config: &Config, node: &Node) -> Result<Self> {
        #[derive(Deserialize)]
        struct Answer {
            standby: bool,
            #[serde(flatten)]
            counted: Counted,
        }
        let endpoint = reach::node(config, node, &config.users.monitor)?.setting("search_path", "pg_catalog");
        let session = cx.connect(careful(endpoint)).await?;
        let answer: Option<Answer> = rows(cx, &session, COUNTED).await?.into_iter().next();
        let answer = answer.ok_or_else(|| Error::new(Code::QueryFailed, "the server gave no row"))?;
        Ok(Self { node: node.clone(), is_primary: !answer.standby, counted: answer.counted, session })
    }

    /// The rows that SQL gives.
    pub(super) async fn rows<T: DeserializeOwned>(&self, cx: &Context, sql: &str) -> Result<Vec<T>> {
        rows(cx, &self.session, sql).await
    }
}

/// A session on the primary as the application, for what only who may read a table is told: plans, and the widths
/// of columns. None where it isn't let in, which is named.
pub(super) async fn application(
    cx: &Context,
    config: &Config,
    shard: &Shard,
    found: &mut Found,
) -> Result<Option<Session>> {
    let role = &config.users.app;
    match cx.connect(careful(reach::primary(config, shard, role)?)).await {
        Ok(session) => Ok(Some(session)),
        Err(error) if error.code() == Code::Cancelled => Err(error),
        Err(error) => {
            let hint = "Plans and widths of columns are told only to who may read the table: put its password into the password file.";
            found.unseen("plans", None, format!("role \"{role}\" is not let in: {}", error.message()), Some(hint));
            Ok(None)
        }
    }
}

/// A session can't write by this, nor hold anybody up for long.
fn careful(endpoint: Endpoint) -> Endpoint {
    endpoint
        .setting("default_transaction_read_only", "on")
        .setting("statement_timeout", &LIMIT.as_millis().to_string())
        .setting("lock_timeout", &LOCK_LIMIT.as_millis().to_string())
}

/// The rows that SQL gives, told to stop when the run is.
pub(super) async fn rows<T: DeserializeOwned>(cx: &Context, session: &Session, sql: &str) -> Result<Vec<T>> {
    let sql = format!("SELECT pg_catalog.row_to_json(found) FROM ({sql}) AS found");
    let rows = cx.guarded(session.canceller(), session.simple(&sql)).await?;
    let parse = |row: &tokio_postgres::SimpleQueryRow| {
        serde_json::from_str(row.get(0).unwrap_or_default())
            .map_err(|e| Error::new(Code::QueryFailed, "the server's answer can't be read").source(e))
    };
    rows.iter().map(parse).collect()
}

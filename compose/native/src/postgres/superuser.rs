//! SQL as the superuser, without a process for each: starting psql costs more than most of what tests ask.

use std::fmt::Write as _;
use std::thread;

use flotilla::{Code, Error, Result};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

/// Runs SQL on a session of its own, by the simple protocol as psql does: one message, so that several statements are
/// one transaction. Its rows are shown as `psql -XAtqc` shows them.
pub(super) fn run(conninfo: &str, sql: &str) -> Result<String> {
    let config = conninfo.parse::<Config>();
    let mut config = config.map_err(|source| Error::internal("no connection string").source(source))?;
    config.application_name("harness");
    // The caller may be on a runtime of its own, from which one can't wait on another.
    let outcome = thread::scope(|scope| scope.spawn(|| wait_for(messages(&config, sql))).join());
    let messages = outcome
        .map_err(|_| Error::internal("running SQL panicked"))??
        .map_err(|error| Error::new(Code::QueryFailed, "SQL as the superuser failed").source(said(&error)))?;
    let mut shown = String::new();
    for message in messages {
        let SimpleQueryMessage::Row(row) = message else { continue };
        let values: Vec<&str> = (0..row.len()).map(|at| row.get(at).unwrap_or_default()).collect();
        let _ = writeln!(shown, "{}", values.join("|"));
    }
    Ok(shown.trim_end().to_owned())
}

fn wait_for<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|source| Error::internal("no runtime").source(source))?.block_on(work))
}

async fn messages(config: &Config, sql: &str) -> Result<Vec<SimpleQueryMessage>, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    let asked = async {
        let messages = client.simple_query(sql).await;
        drop(client);
        messages
    };
    // The connection ends once the server has heard of the client's end; what it fails of, the answer says.
    let (messages, _) = tokio::join!(asked, connection);
    messages
}

/// What the server said, as psql shows it.
fn said(error: &tokio_postgres::Error) -> String {
    let Some(report) = error.as_db_error() else {
        return anyhow::Chain::new(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    };
    let mut text = format!("{}:  {}", report.severity(), report.message());
    for (word, more) in [("DETAIL", report.detail()), ("HINT", report.hint()), ("CONTEXT", report.where_())] {
        if let Some(more) = more {
            let _ = write!(text, "\n{word}:  {more}");
        }
    }
    text
}
